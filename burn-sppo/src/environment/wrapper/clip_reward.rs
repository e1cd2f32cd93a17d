use super::forward;
use crate::environment::{Actions, EnvironmentError, Observations, Step, VectorEnvironment};

/// Leaves of a reward only its sign, -1, 0 or 1.
pub struct ClipReward<V> {
    inner: V,
    rewards: Vec<f32>,
}

impl<V: VectorEnvironment> ClipReward<V> {
    pub fn new(inner: V) -> Self {
        Self { rewards: Vec::with_capacity(inner.spec().num_envs), inner }
    }
}

impl<V: VectorEnvironment> VectorEnvironment for ClipReward<V> {
    forward!(spec, reset, restart, notes, render, normalizer, save);

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        self.rewards.clear();
        self.rewards.extend(step.rewards.iter().map(|reward| if *reward == 0.0 { 0.0 } else { reward.signum() }));
        Ok(Step { rewards: &self.rewards, ..step })
    }
}
