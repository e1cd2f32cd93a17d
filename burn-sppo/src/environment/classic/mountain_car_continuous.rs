use super::hill::{GRAVITY, MAX_POSITION, MAX_SPEED, MIN_POSITION, picture};
use super::{uniform, write};
use crate::environment::{
    ActionSpace, Continuous, EnvironmentError, Frame, SingleEnvironment, StateReader, StateWriter, TaskSpec, Transition,
};
use crate::run::Stream;

const POWER: f64 = 0.0015;
const GOAL: f64 = 0.45;

/// `MountainCarContinuous-v0`: [`MountainCar`](super::MountainCar) with a throttle from -1 to 1, whose square costs;
/// the goal is worth 100.
#[derive(Clone, Debug, Default)]
pub struct MountainCarContinuous {
    /// Position, velocity.
    pub(super) state: [f64; 2],
}

impl SingleEnvironment for MountainCarContinuous {
    type Action = Continuous;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "MountainCarContinuous-v0".into(),
            observation_shape: vec![2],
            action_space: ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] },
            max_episode_steps: Some(999),
        }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        self.state = [uniform(stream, -0.6, -0.4), 0.0];
        write(observation, &self.state);
    }

    #[inline]
    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Transition {
        let [position, velocity] = self.state;
        let throttle = f64::from(action[0]);
        let velocity = velocity + (throttle.clamp(-1.0, 1.0) * POWER - GRAVITY * (3.0 * position).cos());
        let velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        let position = (position + velocity).clamp(MIN_POSITION, MAX_POSITION);
        let velocity = if position == MIN_POSITION && velocity < 0.0 { 0.0 } else { velocity };
        let terminated = position >= GOAL && velocity >= 0.0;
        // gymnasium rounds the state to single precision after each step.
        self.state = [position, velocity].map(|value| f64::from(value as f32));
        write(observation, &self.state);
        Transition { reward: if terminated { 100.0 } else { 0.0 } - throttle * throttle * 0.1, terminated }
    }

    fn render(&self) -> Option<Frame> {
        Some(picture(self.state[0], GOAL))
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(StateWriter::new().f64s(&self.state).finish())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        state.f64s(&mut self.state)
    }
}
