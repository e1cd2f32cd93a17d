//! What every trainer shares: the run directory, metric files, checkpoints, random streams and health checks.

mod random;

pub use random::{Purpose, Stream, Streams};
