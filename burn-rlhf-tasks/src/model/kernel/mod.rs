//! The hot operations of the models.
//!
//! On flex with f32 each is one operation with its own backward pass on all cores; elsewhere it is made of Burn's own.
//!
//! Rows are flattened before they come here: a linear layer on `[B, T, D]` keeps a batched matmul, whose backward
//! builds one weight gradient for each batch entry.

mod attention;
#[cfg(feature = "flex")]
mod flex;
mod plain;

pub use attention::{AttentionMask, attention, self_attention};

#[cfg(feature = "flex")]
use flex::operation::{is_f32_on_flex, run};

use burn::tensor::{Int, Tensor};

/// `x · weight + bias`.
///
/// # Shapes
/// - x: `[N, in]`
/// - weight: `[in, out]`
/// - bias: `[out]`
/// - output: `[N, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&x) && is_f32_on_flex(&weight) && bias.as_ref().is_none_or(is_f32_on_flex) {
        return match bias {
            Some(bias) => run(flex::linear::Linear, [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()]),
            None => run(flex::linear::LinearWithoutBias, [x.into_dispatch(), weight.into_dispatch()]),
        };
    }
    plain::linear(x, weight, bias)
}

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

/// What [`token_log_prob`] says of each row.
pub struct TokenLogProb {
    /// Log-probability of the target, `[N]`, f32.
    pub log_prob: Tensor<1>,
    /// Entropy of the whole distribution, `[N]`, f32; `None` unless asked for.
    pub entropy: Option<Tensor<1>>,
}

/// Log-probabilities of `targets` under a softmax, in f32, over the whole vocabulary with a tied output layer.
///
/// # Shapes
/// - hidden: `[N, H]`
/// - vocabulary: `[V, H]`
/// - targets: `[N]`, each below V
pub fn token_log_prob(
    hidden: Tensor<2>,
    vocabulary: Tensor<2>,
    targets: Tensor<1, Int>,
    want_entropy: bool,
) -> TokenLogProb {
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&hidden) && is_f32_on_flex(&vocabulary) {
        let targets = targets.into_data().iter::<i64>().map(|target| target as usize).collect();
        let operation = flex::token_log_prob::TokenLogProb { targets: std::sync::Arc::new(targets), want_entropy };
        let output: Tensor<2> = run(operation, [hidden.into_dispatch(), vocabulary.into_dispatch()]);
        let [_, rows] = output.dims();
        let part = |row: usize| output.clone().slice([row..row + 1, 0..rows]).reshape([rows]);
        return TokenLogProb { log_prob: part(0), entropy: want_entropy.then(|| part(1)) };
    }
    plain::token_log_prob(hidden, vocabulary, targets, want_entropy)
}

#[cfg(test)]
mod tests;
