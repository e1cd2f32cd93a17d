//! The classic control tasks of gymnasium, in Rust: the same equations, in double precision.

mod acrobot;
mod canvas;
mod cart_pole;
#[cfg(test)]
mod golden_tests;
mod hill;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;

pub use acrobot::Acrobot;
pub use cart_pole::CartPole;
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::Pendulum;

use crate::run::Stream;
use rand::RngExt;

fn uniform(stream: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * stream.random::<f64>()
}

fn write(observation: &mut [f32], values: &[f64]) {
    observation.iter_mut().zip(values).for_each(|(to, from)| *to = *from as f32);
}
