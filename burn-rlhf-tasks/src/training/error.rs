use burn_sppo::{
    learner::UpdateError,
    run::{HealthError, RunError},
};
use thiserror::Error;

use crate::{
    generate::GenerateError,
    metric::PerplexityError,
    reward::RewardError,
    rollout::{KlError, PromptError, RolloutError},
};

/// Why training stopped before its end.
#[derive(Debug, Error)]
pub enum TrainError {
    #[error("no reward is set: call `reward` before `launch`")]
    NoReward,
    #[error("the number of iterations is 0: call `num_iterations` before `launch`")]
    NoIterations,
    #[error("{rollouts} rollouts cannot be cut into minibatches of {minibatch}: choose a divisor")]
    Minibatch { rollouts: usize, minibatch: usize },
    #[error(
        "this reverse loss needs the log-probabilities of the whole vocabulary at every token: {bytes} bytes for \
         {rollouts} responses, more than the {limit} allowed. Take fewer or shorter rollouts, or the form `rce`"
    )]
    DistributionMemory { bytes: u64, limit: u64, rollouts: usize },
    #[error("checkpoints need a directory: give one to `RlhfTraining::new`")]
    NoDirectory,
    #[error("the policy has no parameters to train")]
    NoParameters,
    #[error(transparent)]
    Prompts(#[from] PromptError),
    #[error(transparent)]
    Kl(#[from] KlError),
    #[error(transparent)]
    Rollout(RolloutError),
    #[error(transparent)]
    Update(UpdateError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    Perplexity(#[from] PerplexityError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("the judge {name} failed: {source}")]
    Judge { name: String, source: RewardError },
    #[error("the judge {name} gave {found} numbers for {expected} responses: it must give one each, in order")]
    JudgeCount { name: String, expected: usize, found: usize },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("numbers could not be read back from the device: {0}")]
    Read(String),
}

impl TrainError {
    /// Whether a health check stopped training, not a failure.
    pub fn is_health(&self) -> bool {
        matches!(self, Self::Health(_))
    }
}

impl From<RolloutError> for TrainError {
    fn from(error: RolloutError) -> Self {
        match error {
            RolloutError::Health(error) => Self::Health(error),
            error => Self::Rollout(error),
        }
    }
}

impl From<UpdateError> for TrainError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Health(error) => Self::Health(error),
            error => Self::Update(error),
        }
    }
}
