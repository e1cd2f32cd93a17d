//! What every trainer shares: the run directory, metric files, checkpoints, random streams and health checks.

mod checkpoint;
#[cfg(all(test, unix))]
mod crash_tests;
mod directory;
mod error;
mod file;
pub mod float_bits;
mod health;
mod lines;
mod metric;
mod random;

pub use checkpoint::{Checkpoints, Damage, Found, Parts, Reason};
pub use directory::{RunDirectory, RunLock};
pub use error::RunError;
pub use file::{write_file, write_json};
pub use health::{Exactness, HealthChecks, HealthConfig, HealthCounts, HealthError, NonFinite, Verdict};
pub use lines::JsonLines;
pub use metric::MetricLog;
pub use random::{Purpose, Stream, Streams, standard_normal};
