//! The hot operations made of Burn's own, for every backend and float type.

use burn::tensor::{DType, Int, Tensor, activation};

use super::TokenLogProb;

pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let product = x.matmul(weight);
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

pub fn layer_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    centred / (variance + epsilon).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}

pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    activation::gelu_approximate(x)
}

pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    activation::gelu(x)
}

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

#[cfg(not(feature = "flex"))]
pub fn exponential_sums(logits: &[f32], highest: f32) -> [f64; 2] {
    logits.iter().fold([0.0; 2], |[sum, weighted], logit| {
        let below = logit - highest;
        let weight = below.exp();
        [sum + f64::from(weight), weighted + f64::from(if weight > 0.0 { weight * below } else { weight })]
    })
}
