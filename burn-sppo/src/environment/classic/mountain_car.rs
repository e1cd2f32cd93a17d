use super::hill::{GRAVITY, MAX_POSITION, MAX_SPEED, MIN_POSITION, picture};
use super::{uniform, write};
use crate::environment::{
    ActionSpace, Discrete, EnvironmentError, Frame, SingleEnvironment, StateReader, StateWriter, TaskSpec, Transition,
};
use crate::run::Stream;

const FORCE: f64 = 0.001;
const GOAL: f64 = 0.5;

/// `MountainCar-v0`: drive left (0), not at all (1) or right (2) with an engine too weak for the hill, so that the way up
/// begins with the way back (Moore, 1990). Each step costs 1.
#[derive(Clone, Debug, Default)]
pub struct MountainCar {
    /// Position, velocity.
    pub(super) state: [f64; 2],
}

impl SingleEnvironment for MountainCar {
    type Action = Discrete;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "MountainCar-v0".into(),
            observation_shape: vec![2],
            action_space: ActionSpace::Discrete { n: 3 },
            max_episode_steps: Some(200),
        }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        self.state = [uniform(stream, -0.6, -0.4), 0.0];
        write(observation, &self.state);
    }

    #[inline]
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Transition {
        let [position, velocity] = self.state;
        let velocity = velocity + ((action as f64 - 1.0) * FORCE + (3.0 * position).cos() * -GRAVITY);
        let velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        let position = (position + velocity).clamp(MIN_POSITION, MAX_POSITION);
        // The wall on the left stops the car.
        let velocity = if position == MIN_POSITION && velocity < 0.0 { 0.0 } else { velocity };
        self.state = [position, velocity];
        write(observation, &self.state);
        Transition { reward: -1.0, terminated: position >= GOAL && velocity >= 0.0 }
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
