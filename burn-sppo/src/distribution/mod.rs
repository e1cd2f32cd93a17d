//! Distributions over actions.
//!
//! | distribution | action | symmetric algorithms |
//! |---|---|---|
//! | [`Categorical`] | one choice | yes |
//! | [`MultiCategorical`] | one choice in each dimension | yes |
//! | [`Bernoulli`] | yes or no in each dimension | no |
//! | [`DiagGaussian`] | a number in each dimension | no |
//! | [`SquashedGaussian`] | a number within bounds in each dimension | no |
//! | [`StateDependentGaussian`] | a number in each dimension, with smooth noise | no |
//!
//! [`ActionDistribution`] is any of them, chosen at run time.

mod action;
mod base;
mod bernoulli;
mod categorical;
mod diag_gaussian;
mod error;
mod execution;
mod multi_categorical;
mod squashed_gaussian;
mod state_dependent_gaussian;

#[cfg(test)]
mod golden_tests;

pub use action::ActionDistribution;
pub use base::Distribution;
pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use diag_gaussian::DiagGaussian;
pub use error::DistributionError;
pub use execution::Execution;
pub use multi_categorical::MultiCategorical;
pub use squashed_gaussian::SquashedGaussian;
pub use state_dependent_gaussian::{Exploration, StateDependentGaussian};
