//! Advantages on the host: estimation, normalisation, transformation, noise and diagnostics.

mod diagnostics;
pub mod gae;
mod noise;
mod normalize;
mod transform;

pub use diagnostics::{SignChanges, explained_variance};
pub use noise::{flip, flip_where};
pub use normalize::{Normalization, normalize};
pub use transform::AdvantageKind;
