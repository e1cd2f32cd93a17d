use burn::optim::ModuleOptimizer;
use burn_sppo::{
    learner::{LearningRateSchedule, Update},
    run::{Exactness, HealthConfig},
};

use crate::rollout::{KlConfig, RolloutConfig};

/// Everything that learns, and how.
pub struct RlhfLearner<P> {
    /// The policy as training starts.
    pub policy: P,
    /// Whether a frozen snapshot of it is kept, against which KL is charged and measured.
    pub reference: bool,
    pub optimizer: ModuleOptimizer,
    /// Learning rate of the first iteration.
    pub learning_rate: f64,
    /// How it goes on from there.
    pub schedule: LearningRateSchedule,
    pub rollout: RolloutConfig,
    pub update: Update,
    pub kl: KlConfig,
    pub health: HealthConfig,
    /// How exactly the policy computes the same log-probabilities twice.
    pub exactness: Exactness,
    /// Every random number of the run follows from it.
    pub seed: u64,
}
