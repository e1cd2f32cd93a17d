//! The sections of a run's configuration. Plain values: no tensors, no files.

mod algorithm;
mod evaluation;
mod model;
mod stage;
mod task;
mod update;

pub use algorithm::{AlgorithmName, AlgorithmSection, ValueLossForm};
pub use evaluation::{EvaluationMetric, EvaluationSection};
pub use model::{ModelSection, Reference};
pub use stage::{BcSection, RewardModelSection, RewardSection};
pub use task::{Target, TaskName, TaskSection};
pub use update::{OptimizerName, OptimizerSection, RolloutSection, SchedulerName, SchedulerSection, UpdateSection};
