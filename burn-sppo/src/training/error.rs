use std::path::PathBuf;

use crate::{
    advantage::AdvantageError,
    distribution::DistributionError,
    environment::EnvironmentError,
    learner::UpdateError,
    policy::PolicyError,
    rollout::CollectError,
    run::{HealthError, RunError},
};

/// Why training stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the number of steps is 0: call `total_steps` before `launch`")]
    NoSteps,
    #[error("{name} is 0: it must be at least 1")]
    Zero { name: &'static str },
    #[error(
        "a rollout of {samples} samples (steps times environments) is less than one minibatch of {minibatch}: take more \
         steps or smaller minibatches"
    )]
    Minibatch { samples: usize, minibatch: usize },
    #[error("advantages of a single sample cannot be normalised: take more than one step, or switch that off")]
    SingleSample,
    #[error("checkpoints need a directory: give one to `ControlTraining::directory`")]
    NoDirectory,
    #[error("the policy has no parameters to train")]
    NoParameters,
    #[error(
        "the checkpoint is of {saved}, not of {environment}: a training goes on in the environment that it began in"
    )]
    OtherEnvironment { saved: String, environment: String },
    #[error(
        "the environment for evaluation {evaluation} normalising wrapper, and that for training {training}: wrap both \
         alike, or scores are of observations that the policy has never seen"
    )]
    Normalizer { evaluation: &'static str, training: &'static str },
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    #[error(transparent)]
    Collect(CollectError),
    #[error(transparent)]
    Update(UpdateError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{path} holds no whole checkpoint: train for longer, or name another run")]
    NoCheckpoint { path: PathBuf },
}

impl ControlError {
    /// Whether a health check stopped training, not a failure.
    pub fn is_health(&self) -> bool {
        matches!(self, Self::Health(_))
    }
}

impl From<CollectError> for ControlError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Environment(error) => Self::Environment(error),
            error => Self::Collect(error),
        }
    }
}

impl From<UpdateError> for ControlError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Health(error) => Self::Health(error),
            error => Self::Update(error),
        }
    }
}
