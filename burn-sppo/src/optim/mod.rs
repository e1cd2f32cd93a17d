//! What Burn's optimisers lack: a clip of the global gradient norm, the RMSprop of TensorFlow, and single passes over
//! memory on flex.

mod clip;
mod fused_adam_w;
mod fused_rms_prop;
mod rms_prop_tf;

#[cfg(test)]
mod golden_tests;

pub use clip::clip_grad_norm;
pub use fused_adam_w::{FusedAdamW, FusedAdamWConfig};
pub use fused_rms_prop::{FusedRmsProp, FusedRmsPropConfig, FusedRmsPropState, RmsPropStyle};
pub use rms_prop_tf::{RmsPropTf, RmsPropTfConfig, RmsPropTfState};
