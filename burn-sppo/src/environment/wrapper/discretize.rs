use super::forward;
use crate::environment::{
    ActionSpace, Actions, EnvironmentError, EnvironmentSpec, Observations, Step, VectorEnvironment,
};

/// The number of values in each dimension of the reference implementation's experiments.
pub const DEFAULT_BINS: usize = 11;

/// Offers a few values in each dimension of continuous actions, equally far apart, bounds included.
pub struct Discretize<V> {
    inner: V,
    spec: EnvironmentSpec,
    /// The values of each dimension.
    table: Vec<Vec<f32>>,
    actions: Vec<f32>,
}

impl<V: VectorEnvironment> Discretize<V> {
    /// # Errors
    /// If there are fewer than two bins, the actions are not continuous, or a bound is infinite.
    pub fn new(inner: V, bins: usize) -> Result<Self, EnvironmentError> {
        if bins < 2 {
            return Err(EnvironmentError::Setting { name: "bins", value: bins as f64, must_be: "at least 2" });
        }
        let spec = inner.spec();
        let ActionSpace::Continuous { low, high } = &spec.action_space else {
            return Err(EnvironmentError::NotContinuous { id: spec.id.clone(), found: spec.action_space.clone() });
        };
        let infinite = |(low, high): (&f32, &f32)| !low.is_finite() || !high.is_finite();
        if let Some(dimension) = low.iter().zip(high).position(infinite) {
            let reason =
                format!("the bounds {} to {}, which have no steps between them", low[dimension], high[dimension]);
            return Err(EnvironmentError::Bounds { id: spec.id.clone(), dimension, reason });
        }
        let table: Vec<Vec<f32>> = low.iter().zip(high).map(|(low, high)| values(*low, *high, bins)).collect();
        let action_space = ActionSpace::MultiDiscrete { sizes: vec![bins; table.len()] };
        let spec = EnvironmentSpec { action_space, ..spec.clone() };
        Ok(Self { inner, actions: Vec::with_capacity(spec.num_envs * table.len()), spec, table })
    }

    /// What it is put around.
    pub fn inner(&self) -> &V {
        &self.inner
    }

    /// The values of each dimension.
    pub fn table(&self) -> &[Vec<f32>] {
        &self.table
    }
}

fn values(low: f32, high: f32, bins: usize) -> Vec<f32> {
    let (start, step) = (f64::from(low), (f64::from(high) - f64::from(low)) / (bins - 1) as f64);
    let mut values: Vec<f32> = (0..bins).map(|bin| (start + bin as f64 * step) as f32).collect();
    values[bins - 1] = high;
    values
}

impl<V: VectorEnvironment> VectorEnvironment for Discretize<V> {
    forward!(reset, restart, notes, render, normalizer, save);

    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        self.spec.check_actions(actions)?;
        let Actions::Discrete(bins) = actions else {
            let (id, expected) = (self.spec.id.clone(), self.spec.action_space.clone());
            return Err(EnvironmentError::ActionKind { id, expected, found: actions.name() });
        };
        self.actions.clear();
        self.actions.extend(bins.iter().zip(self.table.iter().cycle()).map(|(bin, values)| values[*bin as usize]));
        self.inner.step(Actions::Continuous(&self.actions))
    }
}
