use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::canvas::Canvas;
use super::{uniform, write};
use crate::environment::{
    ActionSpace, Continuous, EnvironmentError, Frame, SingleEnvironment, StateReader, StateWriter, TaskSpec, Transition,
};
use crate::run::Stream;

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f32 = 2.0;
const SECONDS: f64 = 0.05;
/// 3 g / (2 l), with g = 10 and l = 1.
const PULL: f64 = 15.0;
/// 3 / (m l²), with m = 1.
const LEVER: f64 = 3.0;

/// `Pendulum-v1`: swing a pendulum up with a torque that is too weak to lift it, and hold it there. Each step costs the
/// squared angle, and a little for speed and torque.
#[derive(Clone, Debug, Default)]
pub struct Pendulum {
    /// Angle from upright, angular velocity.
    pub(super) state: [f64; 2],
}

impl Pendulum {
    fn show(&self, observation: &mut [f32]) {
        let [angle, spin] = self.state;
        write(observation, &[angle.cos(), angle.sin(), spin]);
    }
}

impl SingleEnvironment for Pendulum {
    type Action = Continuous;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Pendulum-v1".into(),
            observation_shape: vec![3],
            action_space: ActionSpace::Continuous { low: vec![-MAX_TORQUE], high: vec![MAX_TORQUE] },
            max_episode_steps: Some(200),
        }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        self.state = [uniform(stream, -PI, PI), uniform(stream, -1.0, 1.0)];
        self.show(observation);
    }

    #[inline]
    fn step(&mut self, action: &[f32], observation: &mut [f32]) -> Transition {
        let [angle, spin] = self.state;
        let torque = f64::from(action[0].clamp(-MAX_TORQUE, MAX_TORQUE));
        let from_upright = (angle + PI).rem_euclid(TAU) - PI;
        let cost = from_upright * from_upright + 0.1 * (spin * spin) + 0.001 * (torque * torque);
        let spin = (spin + (PULL * angle.sin() + LEVER * torque) * SECONDS).clamp(-MAX_SPEED, MAX_SPEED);
        self.state = [angle + spin * SECONDS, spin];
        self.show(observation);
        Transition { reward: -cost, terminated: false }
    }

    fn render(&self) -> Option<Frame> {
        let mut canvas = Canvas::new(500, 500);
        let (scale, centre) = (500.0 / 4.4, [250.0, 250.0]);
        let direction = self.state[0] + FRAC_PI_2;
        let tip = [centre[0] + scale * direction.cos(), centre[1] + scale * direction.sin()];
        canvas.bar(centre, direction, scale, 0.2 * scale, [204, 77, 77]);
        canvas.disc(centre, 0.1 * scale, [204, 77, 77]);
        canvas.disc(tip, 0.1 * scale, [204, 77, 77]);
        canvas.disc(centre, 0.05 * scale, [0, 0, 0]);
        Some(canvas.finish())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(StateWriter::new().f64s(&self.state).finish())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        state.f64s(&mut self.state)
    }
}
