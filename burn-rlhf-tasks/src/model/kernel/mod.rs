//! The hot operations of the models.
//!
//! Rows are flattened before they come here: a linear layer on `[B, T, D]` keeps a batched matmul, whose backward
//! builds one weight gradient for each batch entry.

mod attention;

pub use attention::{AttentionMask, attention};

use burn::tensor::{DType, Int, Tensor, activation};

/// `x · weight + bias`.
///
/// # Shapes
/// - x: `[N, in]`
/// - weight: `[in, out]`
/// - bias: `[out]`
/// - output: `[N, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let product = x.matmul(weight);
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

/// Layer normalisation of each row, with the biased variance (<https://arxiv.org/abs/1607.06450>).
///
/// # Shapes
/// - x, output: `[N, D]`
/// - gamma, beta: `[D]`
pub fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    centred / (variance + epsilon).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}

/// The tanh form of GELU, `gelu_new` of GPT-2.
pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    activation::gelu_approximate(x)
}

/// GELU with the error function.
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    activation::gelu(x)
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
/// - targets: `[N]`
pub fn token_log_prob(
    hidden: Tensor<2>,
    vocabulary: Tensor<2>,
    targets: Tensor<1, Int>,
    want_entropy: bool,
) -> TokenLogProb {
    let logits = hidden.matmul(vocabulary.transpose()).cast(DType::F32);
    let log_probs = activation::log_softmax(logits, 1);
    let entropy = want_entropy.then(|| -(log_probs.clone().exp() * log_probs.clone()).sum_dim(1).squeeze_dim(1));
    let log_prob = log_probs.gather(1, targets.unsqueeze_dim(1)).squeeze_dim(1);
    TokenLogProb { log_prob, entropy }
}
