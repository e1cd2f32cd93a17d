//! Losses: pure functions of tensors, the same for environment steps and for tokens.
//!
//! Samples are rank 1, `[N]`; what does not count (padding, roll-in tokens) is named by the mask of a [`Reduction`].
//!
//! | loss | formula | paper |
//! |---|---|---|
//! | [`A2cLoss`] | `-A log p` | [1602.01783](https://arxiv.org/abs/1602.01783) |
//! | [`ClippedSurrogateLoss`] | `-min(A r, A clip(r))` | [1707.06347](https://arxiv.org/abs/1707.06347) |
//! | [`SymmetricA2cLoss`] | `alpha A2C + beta reverse` | [2405.17618](https://arxiv.org/abs/2405.17618) |
//! | [`SymmetricPpoLoss`] | `alpha PPO + beta reverse` | [2405.17618](https://arxiv.org/abs/2405.17618) |
//! | [`ValueLoss`] | `(v - R)^2`, clipped in two ways | [1707.06347](https://arxiv.org/abs/1707.06347) |
//! | [`entropy_loss`] | `-H` | |
//!
//! [`PolicyLoss`] chooses one of the first four at run time.

pub mod approximate_kl;
mod clipped_surrogate;
mod entropy;
mod error;
mod policy;
mod policy_gradient;
mod reduction;
mod reverse;
pub(crate) mod samples;
mod symmetric;
mod value;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod stability_tests;
#[cfg(test)]
mod worked_tests;

pub use clipped_surrogate::{ClippedSurrogateLoss, ClippedSurrogateLossConfig, LOG_RATIO_BOUND, clip_fraction};
pub use entropy::entropy_loss;
pub use error::LossError;
pub use policy::{Algorithm, PolicyLoss, PolicyLossConfig};
pub use policy_gradient::{A2cLoss, A2cLossConfig};
pub use reduction::Reduction;
pub use reverse::ReverseForm;
pub use samples::{PolicyLossOutput, PolicySamples};
pub use symmetric::{SymmetricA2cLoss, SymmetricA2cLossConfig, SymmetricPpoLoss, SymmetricPpoLossConfig, Symmetry};
pub use value::{ValueLoss, value_clip_fraction};
