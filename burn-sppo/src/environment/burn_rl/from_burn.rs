use burn::rl::{Environment, EnvironmentInit, StepResult};

use crate::environment::batch::Batch;
use crate::environment::native::check_env;
use crate::environment::{
    Actions, End, EnvironmentError, EnvironmentSpec, ObservationKind, Observations, StateReader, StateWriter, Step,
    TaskSpec, VectorEnvironment,
};

/// What Burn's [`Environment`] does not say of itself.
///
/// The first three methods are needed; the others are for environments that can fail, be seeded or be saved.
pub trait FlatEnvironment: Environment {
    /// Its name, its spaces and its time limit (`Some(Self::MAX_STEPS)`, unless it cuts episodes off by itself).
    fn spec(&self) -> TaskSpec;

    /// Writes a state as an observation.
    fn write(state: &Self::State, observation: &mut [f32]);

    /// The action in the numbers of one environment, which have been checked against the action space.
    fn action(numbers: Actions<'_>) -> Self::Action;

    /// Takes all random numbers from `seed` from now on, if it can; does nothing otherwise.
    ///
    /// # Errors
    /// If the environment fails.
    fn reseed(&mut self, _seed: u64) -> Result<(), EnvironmentError> {
        Ok(())
    }

    /// [`reset`](Environment::reset) of an environment that can fail.
    ///
    /// # Errors
    /// If it fails.
    fn try_reset(&mut self) -> Result<(), EnvironmentError> {
        self.reset();
        Ok(())
    }

    /// [`step`](Environment::step) of an environment that can fail.
    ///
    /// # Errors
    /// If it fails.
    fn try_step(&mut self, action: Self::Action) -> Result<StepResult<Self::State>, EnvironmentError> {
        Ok(self.step(action))
    }

    /// All that determines what comes next ([`StateWriter`] helps); without it, a run in the environment cannot be
    /// resumed bit for bit.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Goes back to what `save` wrote.
    ///
    /// # Errors
    /// If it did not write this.
    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        Err(state.error("the environment does not implement restore"))
    }
}

/// Several of Burn's environments as a [`VectorEnvironment`].
///
/// Burn's environments take no seed and cannot be saved, unless theirs is a [`FlatEnvironment`] that says how.
pub struct FromBurn<E> {
    spec: EnvironmentSpec,
    environments: Vec<E>,
    batch: Batch,
    limit: u64,
}

/// Saved states begin with it; it counts their formats.
const FORMAT: u64 = 1;

impl<E: FlatEnvironment + Send> FromBurn<E> {
    /// `num_envs` environments; `init` is anything that makes one, such as a function without arguments.
    ///
    /// # Errors
    /// If there are none, their spaces are of size 0 or wrong, or the time limit is 0.
    pub fn new(num_envs: usize, init: impl EnvironmentInit<E>) -> Result<Self, EnvironmentError> {
        let environments: Vec<E> = (0..num_envs).map(|_| init.init()).collect();
        let task = environments.first().map(E::spec).ok_or(EnvironmentError::ZeroSize {
            id: std::any::type_name::<E>().to_string(),
            what: "number of environments",
        })?;
        if task.max_episode_steps == Some(0) {
            return Err(EnvironmentError::Setting { name: "max_episode_steps", value: 0.0, must_be: "at least 1" });
        }
        let spec = EnvironmentSpec {
            id: task.id,
            num_envs,
            observation_shape: task.observation_shape,
            observation_kind: ObservationKind::F32,
            action_space: task.action_space,
        };
        spec.validate()?;
        let limit = task.max_episode_steps.map_or(u64::MAX, |limit| limit as u64);
        Ok(Self { batch: Batch::new(&spec), spec, environments, limit })
    }

    fn begin(&mut self, env: usize) -> Result<(), EnvironmentError> {
        let features = self.spec.features();
        let environment = &mut self.environments[env];
        environment.try_reset()?;
        E::write(&environment.state(), &mut self.batch.observations[env * features..(env + 1) * features]);
        self.batch.forget(env);
        Ok(())
    }
}

fn row(actions: Actions<'_>, env: usize, width: usize) -> Actions<'_> {
    let range = env * width..(env + 1) * width;
    match actions {
        Actions::Discrete(numbers) => Actions::Discrete(&numbers[range]),
        Actions::Continuous(numbers) => Actions::Continuous(&numbers[range]),
    }
}

impl<E: FlatEnvironment + Send> VectorEnvironment for FromBurn<E> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        for env in 0..self.spec.num_envs {
            if let Some(seed) = seed {
                self.environments[env].reseed(seed.wrapping_add(env as u64))?;
            }
            self.begin(env)?;
        }
        self.batch.begun(&self.spec)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        if !self.batch.ready {
            return Err(EnvironmentError::NotReset { id: self.spec.id.clone() });
        }
        self.spec.check_actions(actions)?;
        let (width, features) = (self.spec.action_space.width(), self.spec.features());
        for env in 0..self.spec.num_envs {
            let action = E::action(row(actions, env, width));
            let StepResult { next_state, reward, done, truncated } = self.environments[env].try_step(action)?;
            let end = if done { Some(End::Terminated) } else { truncated.then_some(End::Truncated) };
            let range = env * features..(env + 1) * features;
            E::write(&next_state, &mut self.batch.observations[range.clone()]);
            if self.batch.record(env, reward, end, self.limit) {
                self.batch.finals[range.clone()].copy_from_slice(&self.batch.observations[range]);
                self.begin(env)?;
            }
        }
        self.batch.stepped(&self.spec)
    }

    fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
        check_env(&self.spec, env)?;
        if !self.batch.ready {
            return Err(EnvironmentError::NotReset { id: self.spec.id.clone() });
        }
        self.begin(env)?;
        self.batch.begun(&self.spec)
    }

    fn save(&self) -> Option<Vec<u8>> {
        if !self.batch.ready {
            return None;
        }
        let mut state = StateWriter::new();
        state.u64(FORMAT).u64(self.spec.num_envs as u64);
        for environment in &self.environments {
            state.bytes(&environment.save()?);
        }
        self.batch.save(&mut state);
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        if self.environments.iter().any(|environment| environment.save().is_none()) {
            return Err(EnvironmentError::RestoreUnsupported { id: self.spec.id.clone() });
        }
        let mut reader = StateReader::new(&self.spec.id, state);
        reader.expect("format", FORMAT)?;
        reader.expect("number of environments", self.spec.num_envs as u64)?;
        self.batch.ready = false;
        for environment in &mut self.environments {
            let mut part = StateReader::new(&self.spec.id, reader.bytes()?);
            environment.restore(&mut part)?;
            part.end()?;
        }
        self.batch.restore(&mut reader)?;
        reader.end()?;
        self.batch.begun(&self.spec)
    }
}
