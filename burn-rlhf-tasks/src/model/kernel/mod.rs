//! The hot operations of the models.
//!
//! On flex with f32 each is one operation with its own backward pass on all cores; elsewhere it is made of Burn's own.
//!
//! Rows are flattened before they come here: a linear layer on `[B, T, D]` keeps a batched matmul, whose backward
//! builds one weight gradient for each batch entry.

mod attention;
mod compute;
#[cfg(feature = "flex")]
mod flex;
mod plain;

pub use attention::{AttentionMask, attention, self_attention};
pub use compute::{Compute, Precision};

#[cfg(feature = "flex")]
use flex::operation::{is_f32_on_flex, run};

use burn::tensor::Tensor;

/// Layer normalisation of each row, with the biased variance (<https://arxiv.org/abs/1607.06450>).
///
/// # Shapes
/// - x, output: `[N, D]`
/// - gamma, beta: `[D]`
pub fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&x) && is_f32_on_flex(&gamma) && is_f32_on_flex(&beta) {
        let operation = flex::layer_norm::LayerNorm { epsilon: epsilon as f32 };
        return run(operation, [x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch()]);
    }
    plain::layer_norm(x, gamma, beta, epsilon)
}

/// The tanh form of GELU, `gelu_new` of GPT-2.
pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&x) {
        return run(flex::gelu::Gelu::Tanh, [x.into_dispatch()]);
    }
    plain::gelu_tanh(x)
}

/// GELU with the error function.
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&x) {
        return run(flex::gelu::Gelu::Exact, [x.into_dispatch()]);
    }
    plain::gelu(x)
}

/// What [`Compute::token_log_prob`] says of each row.
pub struct TokenLogProb {
    /// Log-probability of the target, `[N]`, f32.
    pub log_prob: Tensor<1>,
    /// Entropy of the whole distribution, `[N]`, f32; `None` unless asked for.
    pub entropy: Option<Tensor<1>>,
}

/// The sums of `e^(x - highest)` and of `(x - highest) e^(x - highest)`, NaN if a logit is.
///
/// On the host, whatever the device of the model.
#[cfg(feature = "flex")]
pub(crate) fn exponential_sums(logits: &[f32], highest: f32) -> [f64; 2] {
    flex::elementary::exponential_sums(logits, highest)
}

/// The sums of `e^(x - highest)` and of `(x - highest) e^(x - highest)`, NaN if a logit is.
#[cfg(not(feature = "flex"))]
pub(crate) fn exponential_sums(logits: &[f32], highest: f32) -> [f64; 2] {
    plain::exponential_sums(logits, highest)
}

#[cfg(test)]
mod tests;
