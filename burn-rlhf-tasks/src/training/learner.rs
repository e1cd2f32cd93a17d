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

impl<P> RlhfLearner<P> {
    /// Training at a constant learning rate from seed 42, with a reference and the default KL penalty, in f32. The
    /// fields can be set afterwards.
    pub fn new(
        policy: P,
        optimizer: ModuleOptimizer,
        learning_rate: f64,
        rollout: RolloutConfig,
        update: Update,
    ) -> Self {
        Self {
            policy,
            reference: true,
            optimizer,
            learning_rate,
            schedule: LearningRateSchedule::Constant,
            rollout,
            update,
            kl: KlConfig::default(),
            health: HealthConfig::default(),
            exactness: Exactness::Single,
            seed: 42,
        }
    }
}
