use burn_sppo::{advantage::AdvantageError, run::HealthError};
use thiserror::Error;

use crate::{generate::GenerateError, reward::RewardError};

/// Why a rollout could not be made.
#[derive(Debug, Error)]
pub enum RolloutError {
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("iteration {iteration}: the reward failed: {source}")]
    Reward { iteration: u64, source: RewardError },
    #[error("the reward gave {found} numbers for {expected} responses: it must give one each, in order")]
    RewardCount { expected: usize, found: usize },
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error("iteration {iteration}: numbers could not be read back from the device: {reason}")]
    Read { iteration: u64, reason: String },
}
