use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::canvas::Canvas;
use super::{uniform, write};
use crate::environment::{
    ActionSpace, Discrete, EnvironmentError, Frame, SingleEnvironment, StateReader, StateWriter, TaskSpec, Transition,
};
use crate::run::Stream;

const SECONDS: f64 = 0.2;
/// Of both links: masses and moments of inertia are 1.
const LENGTH: f64 = 1.0;
/// From a link's joint to its centre of mass.
const CENTRE: f64 = 0.5;
const GRAVITY: f64 = 9.8;
const MAX_SPIN: [f64; 2] = [4.0 * PI, 9.0 * PI];

/// `Acrobot-v1`: two links hang from a joint; turn the lower one left (0), not at all (1) or right (2) until its end
/// swings above the line (Sutton, 1996; dynamics as in Sutton & Barto's book). Each step before costs 1.
#[derive(Clone, Debug, Default)]
pub struct Acrobot {
    /// Angle of the first link from hanging, of the second from the first, their angular velocities.
    pub(super) state: [f64; 4],
}

impl Acrobot {
    fn show(&self, observation: &mut [f32]) {
        let [first, second, spin, other_spin] = self.state;
        write(observation, &[first.cos(), first.sin(), second.cos(), second.sin(), spin, other_spin]);
    }
}

/// The derivative of the state under a torque at the second joint.
fn derivative([first, second, spin, other_spin]: [f64; 4], torque: f64) -> [f64; 4] {
    let (sin, cos) = second.sin_cos();
    let inertia = CENTRE * CENTRE + (LENGTH * LENGTH + CENTRE * CENTRE + 2.0 * LENGTH * CENTRE * cos) + 1.0 + 1.0;
    let coupling = CENTRE * CENTRE + LENGTH * CENTRE * cos + 1.0;
    let lower = CENTRE * GRAVITY * (first + second - FRAC_PI_2).cos();
    let upper = -LENGTH * CENTRE * (other_spin * other_spin) * sin - 2.0 * LENGTH * CENTRE * other_spin * spin * sin
        + (CENTRE + LENGTH) * GRAVITY * (first - FRAC_PI_2).cos()
        + lower;
    let second_acceleration = (torque + coupling / inertia * upper - LENGTH * CENTRE * (spin * spin) * sin - lower)
        / (CENTRE * CENTRE + 1.0 - coupling * coupling / inertia);
    let first_acceleration = -(coupling * second_acceleration + upper) / inertia;
    [spin, other_spin, first_acceleration, second_acceleration]
}

/// One step of the classical Runge-Kutta method.
fn integrate(state: [f64; 4], torque: f64) -> [f64; 4] {
    let ahead = |slope: [f64; 4], time: f64| std::array::from_fn(|i| state[i] + time * slope[i]);
    let a = derivative(state, torque);
    let b = derivative(ahead(a, SECONDS / 2.0), torque);
    let c = derivative(ahead(b, SECONDS / 2.0), torque);
    let d = derivative(ahead(c, SECONDS), torque);
    std::array::from_fn(|i| state[i] + SECONDS / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]))
}

fn wrap(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= TAU;
    }
    while angle < -PI {
        angle += TAU;
    }
    angle
}

impl SingleEnvironment for Acrobot {
    type Action = Discrete;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Acrobot-v1".into(),
            observation_shape: vec![6],
            action_space: ActionSpace::Discrete { n: 3 },
            max_episode_steps: Some(500),
        }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        // gymnasium rounds the first state to single precision, and no other.
        self.state = std::array::from_fn(|_| f64::from(uniform(stream, -0.1, 0.1) as f32));
        self.show(observation);
    }

    #[inline]
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Transition {
        let [first, second, spin, other_spin] = integrate(self.state, action as f64 - 1.0);
        self.state = [
            wrap(first),
            wrap(second),
            spin.clamp(-MAX_SPIN[0], MAX_SPIN[0]),
            other_spin.clamp(-MAX_SPIN[1], MAX_SPIN[1]),
        ];
        self.show(observation);
        let [first, second, ..] = self.state;
        let terminated = -first.cos() - (second + first).cos() > 1.0;
        Transition { reward: if terminated { 0.0 } else { -1.0 }, terminated }
    }

    fn render(&self) -> Option<Frame> {
        let mut canvas = Canvas::new(500, 500);
        let (scale, centre) = (500.0 / 4.4, [250.0, 250.0]);
        canvas.line([0.0, centre[1] + scale], [500.0, centre[1] + scale], [0, 0, 0]);
        let mut joint = centre;
        for direction in [self.state[0] - FRAC_PI_2, self.state[0] + self.state[1] - FRAC_PI_2] {
            canvas.bar(joint, direction, scale, 0.2 * scale, [0, 204, 204]);
            canvas.disc(joint, 0.1 * scale, [204, 204, 0]);
            joint = [joint[0] + scale * direction.cos(), joint[1] + scale * direction.sin()];
        }
        Some(canvas.finish())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(StateWriter::new().f64s(&self.state).finish())
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        state.f64s(&mut self.state)
    }
}
