//! The Learner-style trainer for language models.

mod builder;
mod error;
mod evaluation;
mod files;
mod iteration;
mod learner;
mod metric;
mod observer;
mod report;

pub use builder::{RlhfResult, RlhfTraining};
pub use error::TrainError;
pub use evaluation::{EvaluatedSample, Evaluation, EvaluationReport};
pub use files::CheckpointConfig;
pub use learner::RlhfLearner;
pub use metric::{MetricRegistration, RegisteredMetrics, ReportMetric};
pub use observer::Observer;
pub use report::IterationReport;
