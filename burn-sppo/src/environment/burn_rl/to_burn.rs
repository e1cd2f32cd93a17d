use burn::rl::{Environment, StepResult};
use burn::tensor::{Device, Tensor, TensorData};

use super::FlatEnvironment;
use crate::environment::{
    ActionSpace, Actions, End, EnvironmentError, EnvironmentSpec, StateReader, StateWriter, TaskSpec, VectorEnvironment,
};

/// An observation, for Burn: its numbers as f32. It is a [`burn::rl::ToObservation`] of what
/// [`crate::strategy`]'s policies observe; implement that for what other policies do.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatState {
    pub values: Vec<f32>,
}

impl FlatState {
    /// The observation as a batch of one, `[1, features]`.
    pub fn to_tensor(&self, device: &Device) -> Tensor<2> {
        row(&self.values, device)
    }
}

/// An action, for Burn: the numbers of the choices, or the numbers themselves. It goes both ways with the actions of
/// [`crate::strategy`]'s policies; implement `From` and [`burn::rl::ToAction`] of those of other policies for it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatAction {
    pub values: Vec<f32>,
}

impl FlatAction {
    /// The action as a batch of one, `[1, width]`.
    pub fn to_tensor(&self, device: &Device) -> Tensor<2> {
        row(&self.values, device)
    }
}

fn row(values: &[f32], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
}

/// The number of a choice; -1, which none has, for what is no whole number.
fn choice(number: f32) -> i64 {
    if number.fract() == 0.0 { number as i64 } else { -1 }
}

/// One environment for Burn's own reinforcement learning.
///
/// # Panics
/// Burn's trait has no errors, so that `step` and `reset` panic with the message of theirs: when an action cannot be
/// carried out or the environment fails. [`FromBurn`](super::FromBurn) gets the errors.
pub struct ToBurn {
    inner: Box<dyn VectorEnvironment>,
    state: FlatState,
    /// The first state of an episode that nothing has been done in yet.
    begun: Option<FlatState>,
}

impl ToBurn {
    /// Resets the environment with a seed.
    ///
    /// # Errors
    /// If there is not just one environment, or its reset fails.
    pub fn new(inner: Box<dyn VectorEnvironment>, seed: u64) -> Result<Self, EnvironmentError> {
        let spec = inner.spec();
        let (num_envs, features) = (spec.num_envs, spec.features());
        if num_envs != 1 {
            let needed = "Burn steps one at a time: make one";
            return Err(EnvironmentError::NumEnvs { id: spec.id.clone(), num_envs, needed });
        }
        let mut burn = Self { inner, begun: None, state: FlatState { values: vec![0.0; features] } };
        burn.begin(Some(seed))?;
        Ok(burn)
    }

    /// What it looks like from outside.
    pub fn spec(&self) -> &EnvironmentSpec {
        self.inner.spec()
    }

    /// Takes over what a reset shows.
    fn begin(&mut self, seed: Option<u64>) -> Result<(), EnvironmentError> {
        self.inner.reset(seed)?.write_f32(0, &mut self.state.values);
        self.begun = Some(self.state.clone());
        Ok(())
    }
}

impl Environment for ToBurn {
    type State = FlatState;
    type Action = FlatAction;

    /// The environment keeps its time limit itself.
    const MAX_STEPS: usize = usize::MAX;

    fn state(&self) -> FlatState {
        self.state.clone()
    }

    fn step(&mut self, action: FlatAction) -> StepResult<FlatState> {
        self.try_step(action).unwrap_or_else(|error| panic!("{error}"))
    }

    /// An episode that has just begun is not thrown away.
    fn reset(&mut self) {
        self.try_reset().unwrap_or_else(|error| panic!("{error}"));
    }
}

impl FlatEnvironment for ToBurn {
    fn spec(&self) -> TaskSpec {
        let spec = self.inner.spec();
        TaskSpec {
            id: spec.id.clone(),
            observation_shape: spec.observation_shape.clone(),
            action_space: spec.action_space.clone(),
            max_episode_steps: None,
        }
    }

    fn write(state: &FlatState, observation: &mut [f32]) {
        observation.copy_from_slice(&state.values);
    }

    fn action(numbers: Actions<'_>) -> FlatAction {
        FlatAction { values: numbers.to_f32() }
    }

    fn reseed(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.begin(Some(seed))
    }

    fn try_reset(&mut self) -> Result<(), EnvironmentError> {
        match self.begun.clone() {
            Some(state) => self.state = state,
            None => self.begin(None)?,
        }
        Ok(())
    }

    fn try_step(&mut self, action: FlatAction) -> Result<StepResult<FlatState>, EnvironmentError> {
        let discrete: Vec<i64>;
        let actions = match &self.inner.spec().action_space {
            ActionSpace::Continuous { .. } => Actions::Continuous(&action.values),
            _ => {
                discrete = action.values.iter().map(|number| choice(*number)).collect();
                Actions::Discrete(&discrete)
            }
        };
        let step = self.inner.step(actions)?;
        let end = step.ends[0];
        self.begun = None;
        step.observations.write_f32(0, &mut self.state.values);
        if end.is_some() {
            self.begun = Some(self.state.clone());
            step.final_observations.write_f32(0, &mut self.state.values);
        }
        Ok(StepResult {
            next_state: self.state.clone(),
            reward: f64::from(step.rewards[0]),
            done: end == Some(End::Terminated),
            truncated: end == Some(End::Truncated),
        })
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = StateWriter::new();
        state.bytes(&self.inner.save()?).u64(u64::from(self.begun.is_some())).f32s(&self.state.values);
        Some(state.finish())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        let inner = self.inner.restore(state.bytes()?)?;
        let mut shown = self.state.clone();
        inner.write_f32(0, &mut shown.values);
        // What has begun is what the environment shows, even while the end of the episode before is still to be seen.
        self.begun = (state.u64()? != 0).then_some(shown);
        state.f32s(&mut self.state.values)
    }
}
