use burn::rl::{Environment, EnvironmentInit, StepResult};

use crate::environment::batch::Batch;
use crate::environment::native::check_env;
use crate::environment::{
    Actions, End, EnvironmentError, EnvironmentSpec, ObservationKind, Observations, Step, TaskSpec, VectorEnvironment,
};

/// What Burn's [`Environment`] does not say of itself.
pub trait FlatEnvironment: Environment {
    /// Its name, its spaces and its time limit (`Some(Self::MAX_STEPS)`, unless it cuts episodes off by itself).
    fn spec(&self) -> TaskSpec;

    /// Writes a state as an observation.
    fn write(state: &Self::State, observation: &mut [f32]);

    /// The action in the numbers of one environment, which have been checked against the action space.
    fn action(numbers: Actions<'_>) -> Self::Action;
}

/// Several of Burn's environments as a [`VectorEnvironment`].
///
/// Burn's environments take no seed, so the one of a reset has no effect on them, and they cannot be saved.
pub struct FromBurn<E> {
    spec: EnvironmentSpec,
    environments: Vec<E>,
    batch: Batch,
    limit: u64,
}

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

    fn begin(&mut self, env: usize) {
        let features = self.spec.features();
        let environment = &mut self.environments[env];
        environment.reset();
        E::write(&environment.state(), &mut self.batch.observations[env * features..(env + 1) * features]);
        self.batch.forget(env);
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

    fn reset(&mut self, _seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        (0..self.spec.num_envs).for_each(|env| self.begin(env));
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
            let StepResult { next_state, reward, done, truncated } = self.environments[env].step(action);
            let end = if done { Some(End::Terminated) } else { truncated.then_some(End::Truncated) };
            let range = env * features..(env + 1) * features;
            E::write(&next_state, &mut self.batch.observations[range.clone()]);
            if self.batch.record(env, reward, end, self.limit) {
                self.batch.finals[range.clone()].copy_from_slice(&self.batch.observations[range]);
                self.begin(env);
            }
        }
        self.batch.stepped(&self.spec)
    }

    fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
        check_env(&self.spec, env)?;
        if !self.batch.ready {
            return Err(EnvironmentError::NotReset { id: self.spec.id.clone() });
        }
        self.begin(env);
        self.batch.begun(&self.spec)
    }
}
