//! What every trainer shares: the run directory, metric files, checkpoints, random streams and health checks.

mod health;
mod random;

pub use health::{Exactness, HealthChecks, HealthConfig, HealthCounts, HealthError, NonFinite, Verdict};
pub use random::{Purpose, Stream, Streams};
