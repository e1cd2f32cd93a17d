use super::{EpisodeLog, forward};
use crate::environment::{Actions, EnvironmentError, Observations, Step, VectorEnvironment};

/// Writes every finished episode into an [`EpisodeLog`]: raw returns, whatever wrappers it is put around.
pub struct Monitor<V> {
    inner: V,
    log: EpisodeLog,
}

impl<V: VectorEnvironment> Monitor<V> {
    pub fn new(inner: V, log: EpisodeLog) -> Self {
        Self { inner, log }
    }
}

impl<V: VectorEnvironment> VectorEnvironment for Monitor<V> {
    forward!(spec, reset, restart, notes, render, normalizer, save);

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        for episode in step.episodes.iter().flatten() {
            self.log.write(episode)?;
        }
        Ok(step)
    }
}
