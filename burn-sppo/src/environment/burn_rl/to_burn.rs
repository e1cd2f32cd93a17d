use burn::rl::{Environment, StepResult};
use burn::tensor::{Device, Tensor, TensorData};

use crate::environment::{ActionSpace, Actions, End, EnvironmentError, VectorEnvironment};

/// An observation, for Burn: its numbers as f32. Implement [`burn::rl::ToObservation`] of your policy's observation
/// for it.
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

/// An action, for Burn: the numbers of the choices, or the numbers themselves. Implement `From` your policy's action and
/// [`burn::rl::ToAction`] of it for it.
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
/// carried out or the environment fails.
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
    pub fn new(mut inner: Box<dyn VectorEnvironment>, seed: u64) -> Result<Self, EnvironmentError> {
        let spec = inner.spec();
        let (num_envs, features) = (spec.num_envs, spec.features());
        if num_envs != 1 {
            let needed = "Burn steps one at a time: make one";
            return Err(EnvironmentError::NumEnvs { id: spec.id.clone(), num_envs, needed });
        }
        let mut state = FlatState { values: vec![0.0; features] };
        inner.reset(Some(seed))?.write_f32(0, &mut state.values);
        Ok(Self { inner, begun: Some(state.clone()), state })
    }

    /// What it looks like from outside.
    pub fn spec(&self) -> &crate::environment::EnvironmentSpec {
        self.inner.spec()
    }

    fn try_step(&mut self, action: &FlatAction) -> Result<StepResult<FlatState>, EnvironmentError> {
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
        self.try_step(&action).unwrap_or_else(|error| panic!("{error}"))
    }

    /// An episode that has just begun is not thrown away.
    fn reset(&mut self) {
        match self.begun.clone() {
            Some(state) => self.state = state,
            None => {
                let observations = self.inner.reset(None).unwrap_or_else(|error| panic!("{error}"));
                observations.write_f32(0, &mut self.state.values);
                self.begun = Some(self.state.clone());
            }
        }
    }
}
