//! Both ways between the environments here and those of [`burn::rl`].
//!
//! Burn's have neither errors nor seeds nor spaces: [`FromBurn`] asks for the spaces in a small trait, and [`ToBurn`]
//! panics where there is an error.

mod from_burn;
#[cfg(test)]
mod tests;
mod to_burn;

pub use from_burn::{FlatEnvironment, FromBurn};
pub use to_burn::{FlatAction, FlatState, ToBurn};
