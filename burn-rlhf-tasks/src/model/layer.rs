//! Burn's layers through the [`kernel`](super::kernel) operations.

use burn::{
    nn::{LayerNorm, Linear},
    tensor::Tensor,
};

use super::kernel::{self, Compute};

pub(super) fn linear(layer: &Linear, x: Tensor<2>, compute: &Compute) -> Tensor<2> {
    compute.linear(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()))
}

/// The epsilon is given beside the layer because the layer keeps its own to itself.
pub(super) fn layer_norm(layer: &LayerNorm, x: Tensor<2>, epsilon: f64) -> Tensor<2> {
    match &layer.beta {
        Some(beta) => kernel::layer_norm(x, layer.gamma.val(), beta.val(), epsilon),
        None => layer.forward(x),
    }
}
