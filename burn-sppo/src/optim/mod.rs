//! What Burn's optimisers leave out.

mod clip;

pub use clip::clip_grad_norm;
