//! Advantages, on the host: estimation, normalisation, transforms, noise and diagnostics.
//!
//! The order within an update is: [`noise::flip`], [`normalize`](normalize()), [`SignChanges::record`] (against the
//! advantages before the flip), [`AdvantageKind::apply`].

mod diagnostics;
mod error;
mod gae;
mod moments;
pub mod noise;
mod normalize;
mod transform;

#[cfg(test)]
mod golden_tests;

pub use diagnostics::{SignChanges, explained_variance, explained_variance_stabilized};
pub use error::AdvantageError;
pub use gae::{Estimates, Gae};
pub use noise::RewardNoise;
pub use normalize::{Normalization, normalize};
pub use transform::AdvantageKind;
