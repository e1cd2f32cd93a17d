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
        "a rollout of {samples} samples (steps times environments) is no whole number of minibatches of {minibatch}, and \
         the last one would weigh too much: take minibatches of {}",
        divisors_near(*samples, *minibatch)
    )]
    Minibatch { samples: usize, minibatch: usize },
    #[error("advantages of a single sample cannot be normalised: take more than one step, or switch that off")]
    SingleSample,
    #[error("checkpoints need a directory: give one to `ControlTraining::directory`")]
    NoDirectory,
    #[error("the seed {seed} is larger than a configuration file can hold: choose one of at most {}", i64::MAX)]
    SeedTooLarge { seed: u64 },
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
    #[error("the checkpoint was made with {what} {saved}, not {found}: go on with the same, or start a new run")]
    OtherSetting { what: &'static str, saved: String, found: String },
    #[error(
        "many episodes of {environment} have ended, but it has reported none: let `Step::episodes` hold each where it \
         ends"
    )]
    NoEpisodes { environment: String },
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

/// The sizes nearest to `wanted` that divide `samples`.
fn divisors_near(samples: usize, wanted: usize) -> String {
    let divides = |size: &usize| samples.is_multiple_of(*size);
    let below = (1..wanted).rev().find(divides).unwrap_or(1);
    let above = (wanted..=samples).find(divides).unwrap_or(samples);
    format!("{below} or {above}")
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
