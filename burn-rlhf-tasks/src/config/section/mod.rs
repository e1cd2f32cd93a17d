//! The sections of a run's configuration. Plain values: no tensors, no files.

mod algorithm;
mod evaluation;
mod model;
mod stage;
mod task;
mod update;

pub use algorithm::{AdvantageNorm, AdvantageType, AlgorithmName, AlgorithmSection, ResponseMask, ReverseForm};
pub use evaluation::{CheckpointSection, EvaluationMetric, EvaluationSection, Split};
pub use model::{Critic, ModelSection, Precision, Reference, SamplingSection, ValueHead};
pub use stage::{BcSection, RewardModelSection, RewardSection};
pub use task::{Side, Target, TaskName, TaskSection};
pub use update::{
    KlController, KlSection, OptimizerName, OptimizerSection, SchedulerName, SchedulerSection, UpdateSection,
};
