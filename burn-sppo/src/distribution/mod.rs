//! Distributions over actions.

mod base;
mod categorical;
mod error;
mod multi_categorical;

pub use base::Distribution;
pub use categorical::Categorical;
pub use error::DistributionError;
pub use multi_categorical::MultiCategorical;
