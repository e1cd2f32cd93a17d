use thiserror::Error;

use crate::{advantage::AdvantageError, loss::LossError, run::HealthError};

/// Why an update could not be done.
#[derive(Debug, Error)]
pub enum UpdateError {
    #[error("{name} is 0: give at least 1")]
    ZeroSize { name: &'static str },
    #[error("a minibatch of {minibatch} rows cannot be cut into microbatches of {microbatch}: choose a divisor")]
    Microbatch { minibatch: usize, microbatch: usize },
    #[error("the rollout holds no samples")]
    EmptyRollout,
    #[error("the rollout's {name} holds {found} entries where {expected} are needed")]
    SampleCount { name: &'static str, expected: usize, found: usize },
    #[error("the module has no parameters to train")]
    NoParameters,
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    #[error(transparent)]
    Loss(#[from] LossError),
    #[error(transparent)]
    Health(#[from] HealthError),
}
