use super::canvas::Canvas;
use super::{uniform, write};
use crate::environment::{
    ActionSpace, Discrete, EnvironmentError, Frame, SingleEnvironment, StateReader, StateWriter, TaskSpec, Transition,
};
use crate::run::Stream;

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
/// Half of the pole's length.
const LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = POLE_MASS * LENGTH;
const FORCE: f64 = 10.0;
const SECONDS: f64 = 0.02;
const MAX_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
const MAX_POSITION: f64 = 2.4;

/// `CartPole-v1`: push a cart left (0) or right (1) so that the pole on it stays upright (Barto, Sutton & Anderson,
/// 1983). Each step is worth 1.
#[derive(Clone, Debug, Default)]
pub struct CartPole {
    /// Position, velocity, angle, angular velocity.
    pub(super) state: [f64; 4],
}

impl SingleEnvironment for CartPole {
    type Action = Discrete;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "CartPole-v1".into(),
            observation_shape: vec![4],
            action_space: ActionSpace::Discrete { n: 2 },
            max_episode_steps: Some(500),
        }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        self.state = std::array::from_fn(|_| uniform(stream, -0.05, 0.05));
        write(observation, &self.state);
    }

    #[inline]
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Transition {
        let [x, velocity, angle, spin] = self.state;
        let force = if action == 1 { FORCE } else { -FORCE };
        let (sin, cos) = angle.sin_cos();
        let push = (force + POLE_MASS_LENGTH * (spin * spin) * sin) / TOTAL_MASS;
        let angular = (GRAVITY * sin - cos * push) / (LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let linear = push - POLE_MASS_LENGTH * angular * cos / TOTAL_MASS;
        let [x, angle] = [x + SECONDS * velocity, angle + SECONDS * spin];
        self.state = [x, velocity + SECONDS * linear, angle, spin + SECONDS * angular];
        write(observation, &self.state);
        let fallen = !(-MAX_POSITION..=MAX_POSITION).contains(&x) || !(-MAX_ANGLE..=MAX_ANGLE).contains(&angle);
        Transition { reward: 1.0, terminated: fallen }
    }

    fn render(&self) -> Option<Frame> {
        let mut canvas = Canvas::new(600, 400);
        let scale = 600.0 / (2.0 * MAX_POSITION);
        let [x, _, angle, _] = self.state;
        let (x, track, axle) = (300.0 + x * scale, 100.0, 107.5);
        canvas.line([0.0, track], [600.0, track], [0, 0, 0]);
        canvas.bar([x - 25.0, track], 0.0, 50.0, 30.0, [0, 0, 0]);
        let up = std::f64::consts::FRAC_PI_2 - angle;
        canvas.bar([x - 5.0 * up.cos(), axle - 5.0 * up.sin()], up, 2.0 * LENGTH * scale, 10.0, [202, 152, 101]);
        canvas.disc([x, axle], 5.0, [129, 132, 203]);
        Some(canvas.finish())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(StateWriter::new().f64s(&self.state).finish())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        state.f64s(&mut self.state)
    }
}
