use burn::optim::ModuleOptimizer;

use crate::{
    advantage::Gae,
    learner::{Schedule, UpdateConfig},
    loss::ValueLoss,
    run::HealthConfig,
};

/// What learns: an actor-critic, its optimiser, and how a rollout becomes optimiser steps.
pub struct ControlLearner<M> {
    /// On a training device.
    pub policy: M,
    pub optimizer: ModuleOptimizer,
    /// Steps that each environment takes between two updates.
    pub rollout_steps: usize,
    /// Steps that state-dependent exploration noise stays the same; a whole rollout if absent.
    pub resample_every: Option<usize>,
    pub gae: Gae,
    /// The update step. Its clip range, and that of the values, follow the schedules below.
    pub update: UpdateConfig,
    pub learning_rate: Schedule,
    pub clip_range: Schedule,
    /// A negative number, or none, leaves values unclipped.
    pub clip_range_vf: Option<Schedule>,
    pub health: HealthConfig,
    pub seed: u64,
}

impl<M> ControlLearner<M> {
    /// The settings of an update where `progress_remaining` of the training is left.
    pub(super) fn update_at(&self, progress_remaining: f64) -> UpdateConfig {
        let mut config = self.update.clone();
        config.policy_loss.clip_range = self.clip_range.value(progress_remaining);
        if let Some(range) = self.clip_range_vf {
            let range = range.value(progress_remaining);
            config.value_loss = if range < 0.0 { ValueLoss::Mse } else { ValueLoss::ClippedOnly { range } };
        }
        config
    }
}
