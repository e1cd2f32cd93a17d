//! The update step shared by control and language models.

mod error;
mod evaluate;
mod objective;
mod report;
mod rollout;
mod schedule;
mod update;
#[cfg(test)]
mod update_tests;

pub use error::UpdateError;
pub use evaluate::{Evaluate, Evaluation, Request};
pub use report::UpdateReport;
pub use rollout::{Rollout, Samples};
pub use schedule::{LearningRateSchedule, Schedule, ScheduleError, progress_remaining, progress_remaining_unclamped};
pub use update::{SkippedMinibatch, Update, UpdateConfig, UpdateContext};
