use super::{End, EnvironmentError, EnvironmentSpec, Episode, Observations, StateReader, StateWriter, Step};

/// Observations, rewards and ends of environments that show f32, and the account of their episodes.
#[derive(Debug)]
pub(super) struct Batch {
    pub observations: Vec<f32>,
    pub finals: Vec<f32>,
    pub rewards: Vec<f32>,
    pub ends: Vec<Option<End>>,
    pub episodes: Vec<Option<Episode>>,
    /// Of the episodes that are under way.
    pub accounts: Vec<Episode>,
    /// Whether there is something to act on.
    pub ready: bool,
}

impl Batch {
    pub fn new(spec: &EnvironmentSpec) -> Self {
        let (n, numbers) = (spec.num_envs, spec.num_envs * spec.features());
        Self {
            observations: vec![0.0; numbers],
            finals: vec![0.0; numbers],
            rewards: vec![0.0; n],
            ends: vec![None; n],
            episodes: vec![None; n],
            accounts: vec![Episode::default(); n],
            ready: false,
        }
    }

    /// Enters a step of `env` in its account, and says whether it was the last of an episode. `limit` cuts an episode
    /// off that has not terminated.
    #[inline]
    pub fn record(&mut self, env: usize, reward: f64, end: Option<End>, limit: u64) -> bool {
        let account = &mut self.accounts[env];
        account.episode_return += reward;
        account.length += 1;
        let end = if end.is_none() && account.length >= limit { Some(End::Truncated) } else { end };
        self.rewards[env] = reward as f32;
        self.ends[env] = end;
        self.episodes[env] = end.is_some().then_some(*account);
        if end.is_some() {
            *account = Episode::default();
        }
        end.is_some()
    }

    /// Forgets the episode of `env` that is under way.
    pub fn forget(&mut self, env: usize) {
        self.accounts[env] = Episode::default();
    }

    /// The first observations of new episodes.
    pub fn begun(&mut self, spec: &EnvironmentSpec) -> Result<Observations<'_>, EnvironmentError> {
        self.ready = false;
        check_finite(spec, Observations::F32(&self.observations), "observation")?;
        // One of them may be what stopped the last step.
        self.finals.fill(0.0);
        self.ready = true;
        Ok(Observations::F32(&self.observations))
    }

    /// What came of a step.
    #[inline]
    pub fn stepped(&mut self, spec: &EnvironmentSpec) -> Result<Step<'_>, EnvironmentError> {
        self.ready = false;
        check_finite(spec, Observations::F32(&self.rewards), "reward")?;
        check_finite(spec, Observations::F32(&self.observations), "observation")?;
        // Where no episode has ended lie those of older ones, which were checked then.
        check_finite(spec, Observations::F32(&self.finals), "final observation")?;
        self.ready = true;
        Ok(Step {
            observations: Observations::F32(&self.observations),
            rewards: &self.rewards,
            ends: &self.ends,
            final_observations: Observations::F32(&self.finals),
            episodes: &self.episodes,
        })
    }

    pub fn save(&self, state: &mut StateWriter) {
        state.f32s(&self.observations);
        for account in &self.accounts {
            state.f64(account.episode_return).u64(account.length);
        }
    }

    pub fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        state.f32s(&mut self.observations)?;
        for account in &mut self.accounts {
            *account = Episode { episode_return: state.f64()?, length: state.u64()? };
        }
        Ok(())
    }
}

/// Checks that all numbers are finite; names the environment and the entry if one is not.
#[inline]
pub(super) fn check_finite(
    spec: &EnvironmentSpec,
    numbers: Observations<'_>,
    what: &'static str,
) -> Result<(), EnvironmentError> {
    match numbers.first_not_finite() {
        None => Ok(()),
        Some(place) => {
            let width = (numbers.len() / spec.num_envs).max(1);
            let (id, env, entry, value) = (spec.id.clone(), place / width, place % width, numbers.get(place));
            Err(EnvironmentError::NotFinite { id, env, what, entry, value })
        }
    }
}
