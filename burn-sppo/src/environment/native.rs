use super::batch::Batch;
use super::{
    ActionKind, Actions, End, EnvironmentError, EnvironmentSpec, Frame, ObservationKind, Observations,
    SingleEnvironment, StateReader, StateWriter, Step, VectorEnvironment,
};
use crate::run::{Purpose, Stream, Streams};

/// Several environments of a task that is written in Rust.
///
/// They step one after another on the calling thread; the task is known at compile time, and nothing is allocated in a
/// step. A reward that comes with the end of an episode by itself and at the time limit at once ends it by itself.
pub struct NativeEnvironments<E: SingleEnvironment> {
    spec: EnvironmentSpec,
    environments: Vec<E>,
    streams: Vec<Stream>,
    batch: Batch,
    /// Steps of an episode before it is cut off.
    limit: u64,
    restorable: bool,
}

/// Saved states begin with it; it counts their formats.
const FORMAT: u64 = 1;

impl<E: SingleEnvironment> NativeEnvironments<E> {
    /// `num_envs` environments, each made by `make` from its number.
    ///
    /// # Errors
    /// If there are none, their spaces are of size 0 or wrong, or the actions that the task declares are not those that
    /// its step takes.
    pub fn new(num_envs: usize, make: impl FnMut(usize) -> E) -> Result<Self, EnvironmentError> {
        let environments: Vec<E> = (0..num_envs).map(make).collect();
        let task = environments.first().map(E::spec).ok_or(EnvironmentError::ZeroSize {
            id: std::any::type_name::<E>().to_string(),
            what: "number of environments",
        })?;
        let spec = EnvironmentSpec {
            id: task.id,
            num_envs,
            observation_shape: task.observation_shape,
            observation_kind: ObservationKind::F32,
            action_space: task.action_space,
        };
        spec.validate()?;
        if !E::Action::suits(&spec.action_space) {
            let declared = spec.action_space.name();
            return Err(EnvironmentError::DeclaredActions { id: spec.id, declared, taken: E::Action::NAME });
        }
        let native = Self {
            batch: Batch::new(&spec),
            streams: (0..num_envs).map(|env| stream(0, env)).collect(),
            restorable: environments.iter().all(|environment| environment.save().is_some()),
            environments,
            spec,
            limit: u64::MAX,
        };
        match task.max_episode_steps {
            Some(limit) => native.with_max_episode_steps(limit),
            None => Ok(native),
        }
    }

    /// Cuts episodes off after so many steps, in the place of the task's own limit.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_max_episode_steps(mut self, limit: usize) -> Result<Self, EnvironmentError> {
        if limit == 0 {
            return Err(EnvironmentError::Setting { name: "max_episode_steps", value: 0.0, must_be: "at least 1" });
        }
        self.limit = limit as u64;
        Ok(self)
    }

    fn begin(&mut self, env: usize) {
        let features = self.spec.features();
        let observation = &mut self.batch.observations[env * features..(env + 1) * features];
        self.environments[env].reset(&mut self.streams[env], observation);
        self.batch.forget(env);
    }
}

fn stream(seed: u64, env: usize) -> Stream {
    Streams::new(seed.wrapping_add(env as u64)).stream(Purpose::Environment, 0, 0)
}

pub(super) fn check_env(spec: &EnvironmentSpec, env: usize) -> Result<(), EnvironmentError> {
    if env < spec.num_envs {
        return Ok(());
    }
    Err(EnvironmentError::NoSuchEnvironment { id: spec.id.clone(), num_envs: spec.num_envs, env })
}

impl<E: SingleEnvironment> VectorEnvironment for NativeEnvironments<E> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        for env in 0..self.spec.num_envs {
            if let Some(seed) = seed {
                self.streams[env] = stream(seed, env);
            }
            self.begin(env);
        }
        self.batch.begun(&self.spec)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        if !self.batch.ready {
            return Err(EnvironmentError::NotReset { id: self.spec.id.clone() });
        }
        self.spec.check_actions(actions)?;
        let Some(numbers) = E::Action::numbers(actions) else {
            let (id, expected) = (self.spec.id.clone(), self.spec.action_space.clone());
            return Err(EnvironmentError::ActionKind { id, expected, found: actions.name() });
        };
        let features = self.spec.features();
        let rows = numbers.chunks_exact(self.spec.action_space.width());
        for (env, (environment, row)) in self.environments.iter_mut().zip(rows).enumerate() {
            let range = env * features..(env + 1) * features;
            let transition = environment.step(E::Action::row(row), &mut self.batch.observations[range.clone()]);
            let end = transition.terminated.then_some(End::Terminated);
            if self.batch.record(env, transition.reward, end, self.limit) {
                let observation = &mut self.batch.observations[range.clone()];
                self.batch.finals[range].copy_from_slice(observation);
                environment.reset(&mut self.streams[env], observation);
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

    fn render(&mut self, env: usize) -> Result<Option<Frame>, EnvironmentError> {
        check_env(&self.spec, env)?;
        Ok(self.environments[env].render())
    }

    fn save(&self) -> Option<Vec<u8>> {
        // Before the first reset there is nothing to go back to.
        if !self.restorable || !self.batch.ready {
            return None;
        }
        let mut state = StateWriter::new();
        state.u64(FORMAT).bytes(self.spec.id.as_bytes()).u64(self.spec.num_envs as u64).u64(self.limit);
        for (environment, stream) in self.environments.iter().zip(&self.streams) {
            state.stream(stream).bytes(&environment.save()?);
        }
        self.batch.save(&mut state);
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        if !self.restorable {
            return Err(EnvironmentError::RestoreUnsupported { id: self.spec.id.clone() });
        }
        let mut reader = StateReader::new(&self.spec.id, state);
        reader.expect("format", FORMAT)?;
        let saved_id = reader.bytes()?;
        if saved_id != self.spec.id.as_bytes() {
            return Err(reader.error(format!("it is of {:?}", String::from_utf8_lossy(saved_id))));
        }
        reader.expect("number of environments", self.spec.num_envs as u64)?;
        reader.expect("time limit", self.limit)?;
        self.batch.ready = false;
        for (environment, stream) in self.environments.iter_mut().zip(&mut self.streams) {
            *stream = reader.stream()?;
            let mut part = StateReader::new(&self.spec.id, reader.bytes()?);
            environment.restore(&mut part)?;
            part.end()?;
        }
        self.batch.restore(&mut reader)?;
        reader.end()?;
        self.batch.begun(&self.spec)
    }
}
