use super::forward;
use crate::environment::native::check_env;
use crate::environment::storage::Storage;
use crate::environment::{
    Actions, End, EnvironmentError, EnvironmentSpec, Episode, Observations, StateReader, StateWriter, Step,
    VectorEnvironment,
};

/// Cuts episodes off after a number of steps, unless they terminate with it.
///
/// What it wraps must be able to [`restart`](VectorEnvironment::restart) an environment. It belongs inside whatever
/// changes rewards, because it adds up those of the episodes that it cuts off.
pub struct TimeLimit<V> {
    inner: V,
    spec: EnvironmentSpec,
    limit: u64,
    /// Steps since the last end of an episode.
    steps: Vec<u64>,
    /// Since the last episode that was reported: in Atari an episode ends with every life.
    accounts: Vec<Episode>,
    observations: Storage,
    finals: Storage,
    rewards: Vec<f32>,
    ends: Vec<Option<End>>,
    episodes: Vec<Option<Episode>>,
    cut: Vec<bool>,
}

impl<V: VectorEnvironment> TimeLimit<V> {
    /// # Errors
    /// If `limit` is 0.
    pub fn new(inner: V, limit: usize) -> Result<Self, EnvironmentError> {
        if limit == 0 {
            return Err(EnvironmentError::Setting { name: "max_episode_steps", value: 0.0, must_be: "at least 1" });
        }
        let spec = inner.spec().clone();
        let (n, observations) = (spec.num_envs, Storage::new(&spec));
        Ok(Self {
            inner,
            limit: limit as u64,
            steps: vec![0; n],
            accounts: vec![Episode::default(); n],
            finals: observations.clone(),
            observations,
            rewards: vec![0.0; n],
            ends: vec![None; n],
            episodes: vec![None; n],
            cut: vec![false; n],
            spec,
        })
    }

    /// Enters a step of `env`; says whether its episode is to be cut off.
    fn record(&mut self, env: usize) -> bool {
        let account = &mut self.accounts[env];
        account.episode_return += f64::from(self.rewards[env]);
        account.length += 1;
        self.steps[env] += 1;
        let cut = self.ends[env].is_none() && self.steps[env] >= self.limit;
        if cut {
            self.ends[env] = Some(End::Truncated);
            self.episodes[env] = Some(*account);
        }
        if self.ends[env].is_some() {
            self.steps[env] = 0;
        }
        if self.episodes[env].is_some() {
            *account = Episode::default();
        }
        cut
    }
}

impl<V: VectorEnvironment> VectorEnvironment for TimeLimit<V> {
    forward!(spec, notes, render, normalizer);

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        self.steps.fill(0);
        self.accounts.fill(Episode::default());
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        step.check(&self.spec)?;
        self.observations.copy(&self.spec, step.observations, None)?;
        self.finals.copy(&self.spec, step.final_observations, None)?;
        self.rewards.copy_from_slice(step.rewards);
        self.ends.copy_from_slice(step.ends);
        self.episodes.copy_from_slice(step.episodes);
        for env in 0..self.spec.num_envs {
            self.cut[env] = self.record(env);
        }
        for env in (0..self.spec.num_envs).filter(|env| self.cut[*env]) {
            self.finals.copy(&self.spec, self.observations.view(), Some(env))?;
            let begun = self.inner.restart(env)?;
            self.observations.copy(&self.spec, begun, Some(env))?;
        }
        Ok(Step {
            observations: self.observations.view(),
            rewards: &self.rewards,
            ends: &self.ends,
            final_observations: self.finals.view(),
            episodes: &self.episodes,
        })
    }

    fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
        check_env(&self.spec, env)?;
        let begun = self.inner.restart(env)?;
        begun.check(&self.spec)?;
        (self.steps[env], self.accounts[env]) = (0, Episode::default());
        Ok(begun)
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = StateWriter::new();
        state.bytes(&self.inner.save()?).u64(self.limit).u64(self.spec.num_envs as u64);
        for (steps, account) in self.steps.iter().zip(&self.accounts) {
            state.u64(*steps).f64(account.episode_return).u64(account.length);
        }
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        let mut reader = StateReader::new(&self.spec.id, state);
        let inner = reader.bytes()?;
        reader.expect("time limit", self.limit)?;
        reader.expect("number of environments", self.spec.num_envs as u64)?;
        for (steps, account) in self.steps.iter_mut().zip(&mut self.accounts) {
            *steps = reader.u64()?;
            *account = Episode { episode_return: reader.f64()?, length: reader.u64()? };
        }
        reader.end()?;
        self.inner.restore(inner)
    }
}
