//! What Burn's optimisers lack: a clip of the global gradient norm, and the RMSprop of TensorFlow.

mod clip;
mod rms_prop_tf;

#[cfg(test)]
mod golden_tests;

pub use clip::clip_grad_norm;
pub use rms_prop_tf::{RmsPropTf, RmsPropTfConfig, RmsPropTfState};
