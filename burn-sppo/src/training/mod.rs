#![doc = include_str!("flags.md")]

mod build;
mod builder;
mod check;
mod config;
mod error;
mod evaluation;
mod files;
#[cfg(all(test, feature = "flex"))]
mod golden_tests;
mod label;
mod learner;
mod observer;
mod preset_config;
#[cfg(test)]
mod preset_tests;
mod presets;
mod progress;
#[cfg(test)]
mod refusal_tests;
mod report;
mod session;
#[cfg(all(test, feature = "flex"))]
mod tests;
mod text;

pub use builder::{ControlResult, ControlTraining};
pub use config::{
    AlgorithmSection, ControlConfig, EnvironmentSection, EvaluationSection, NoiseName, OptimizerName, OptimizerSection,
    PolicySection, ScheduleName, UpdateSection,
};
pub use error::ControlError;
pub use evaluation::{ControlEvaluation, EpisodeScores, EvaluationConfig, evaluate};
pub use files::{CheckpointConfig, TrainedPolicy};
pub use learner::ControlLearner;
pub use observer::ControlObserver;
pub use presets::{Family, Preset, PresetError, Variation, algorithm_names, presets};
pub use report::{ControlReport, RecentEpisodes};
