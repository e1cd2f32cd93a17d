//! Environments that do as they are told, for tests of what is put around them.

use crate::environment::{
    Actions, End, EnvironmentError, EnvironmentSpec, Episode, Observations, Step, VectorEnvironment,
};

/// One thing after another. `T` is how observations are held.
pub(crate) struct Scripted<T> {
    pub spec: EnvironmentSpec,
    pub first: Vec<T>,
    pub steps: Vec<Scene<T>>,
    pub next: usize,
    /// The actions that it was given last.
    pub continuous: Vec<f32>,
}

pub(crate) struct Scene<T> {
    pub observations: Vec<T>,
    pub rewards: Vec<f32>,
    pub ends: Vec<Option<End>>,
    pub finals: Vec<T>,
    pub episodes: Vec<Option<Episode>>,
}

impl<T> Scripted<T> {
    pub fn new(spec: EnvironmentSpec, first: Vec<T>, steps: Vec<Scene<T>>) -> Self {
        Self { spec, first, steps, next: 0, continuous: vec![] }
    }
}

pub(crate) trait Held: Send + Sized {
    fn view(numbers: &[Self]) -> Observations<'_>;
}

impl Held for u8 {
    fn view(numbers: &[Self]) -> Observations<'_> {
        Observations::U8(numbers)
    }
}

impl Held for f64 {
    fn view(numbers: &[Self]) -> Observations<'_> {
        Observations::F64(numbers)
    }
}

impl<T: Held> VectorEnvironment for Scripted<T> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, _seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        self.next = 0;
        Ok(T::view(&self.first))
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        if let Actions::Continuous(actions) = actions {
            self.continuous = actions.to_vec();
        }
        let scene = &self.steps[self.next % self.steps.len()];
        self.next += 1;
        Ok(Step {
            observations: T::view(&scene.observations),
            rewards: &scene.rewards,
            ends: &scene.ends,
            final_observations: T::view(&scene.finals),
            episodes: &scene.episodes,
        })
    }
}
