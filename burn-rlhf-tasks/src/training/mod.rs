//! The Learner-style trainer for language models.

mod builder;
mod error;
mod evaluation;
mod files;
mod iteration;
mod learner;
mod metric;
mod observer;
mod perplexity;
mod report;

pub use builder::{RlhfResult, RlhfTraining};
pub use error::TrainError;
pub use evaluation::{CorpusMetric, EvaluatedSample, Evaluation, EvaluationReport, Measures};
pub use files::CheckpointConfig;
pub use learner::RlhfLearner;
pub use metric::{MetricRegistration, RegisteredMetrics, ReportMetric};
pub use observer::Observer;
pub use perplexity::TextPerplexity;
pub use report::IterationReport;
