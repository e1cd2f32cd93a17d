use crate::{advantage::AdvantageError, distribution::DistributionError, environment::EnvironmentError};

/// Why a rollout could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// The policy gave something that is no number; the environment is not asked to act on it.
    #[error(
        "the policy gave {what} {value} for environment {environment} at step {step}: its weights or its inputs are \
         not finite; lower the learning rate, or normalise the observations"
    )]
    NotFinite { what: &'static str, value: f32, environment: usize, step: usize },
    #[error("the policy gave {what} of shape {found:?} where {expected:?} is needed: rows are environments")]
    Shape { what: &'static str, expected: Vec<usize>, found: Vec<usize> },
    #[error("numbers could not be read back from the device: {0}")]
    Read(String),
}
