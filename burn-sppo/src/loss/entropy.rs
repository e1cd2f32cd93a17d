use burn::tensor::Tensor;

use crate::loss::{Reduction, samples::at_least_f32};

/// The entropy loss, `-mean( H )`: added with a positive coefficient it keeps a policy from collapsing.
///
/// Where the entropy has no closed form, `-log p` of the action taken is an unbiased estimate of it, and the loss is
/// `mean( log p )`.
///
/// # Shapes
/// - entropy, log_prob: `[N]`
/// - output: `[1]`
pub fn entropy_loss(entropy: Option<Tensor<1>>, log_prob: Tensor<1>, reduction: &Reduction) -> Tensor<1> {
    reduction.mean(at_least_f32(entropy.map_or(log_prob, Tensor::neg)))
}
