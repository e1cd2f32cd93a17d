//! What Burn's optimisers lack: a clip of the global gradient norm, and the RMSprop of TensorFlow.

mod clip;
mod fused_adam_w;
mod rms_prop_tf;

#[cfg(test)]
mod golden_tests;

pub use clip::clip_grad_norm;
pub use fused_adam_w::{FusedAdamW, FusedAdamWConfig};
pub use rms_prop_tf::{RmsPropTf, RmsPropTfConfig, RmsPropTfState};
