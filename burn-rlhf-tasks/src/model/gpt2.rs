//! GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").
//!
//! Field names are those of the Hugging Face checkpoints, so that loading is a renaming of nothing.

use burn::{
    module::Module,
    nn::{Embedding, LayerNorm, Linear},
    tensor::{Bool, DType, Device, Int, Tensor, activation, s},
};
use burn_sppo::run::Stream;
use serde::{Deserialize, Serialize};

use super::{
    ArchitectureError,
    architecture::Checks,
    initialize::Initialize,
    kernel::{self, AttentionMask, Compute, TokenLogProb},
    layer_norm, linear,
};
use crate::generate::{Decoder, KvCache, LayerCache};

/// The shape of a GPT-2, with the names and defaults of Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpt2Config {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Longest sequence.
    pub n_positions: usize,
    /// Width of the hidden states.
    pub n_embd: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Attention heads of a block; divides `n_embd`.
    pub n_head: usize,
    /// Width inside a block's perceptron; four times `n_embd` if absent.
    pub n_inner: Option<usize>,
    pub activation_function: String,
    pub layer_norm_epsilon: f64,
    /// Standard deviation of new weights.
    pub initializer_range: f64,
    pub scale_attn_weights: bool,
    pub scale_attn_by_inverse_layer_idx: bool,
    pub tie_word_embeddings: bool,
}

impl Default for Gpt2Config {
    /// GPT-2 with 124 million parameters.
    fn default() -> Self {
        Self {
            vocab_size: 50257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: "gelu_new".into(),
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            tie_word_embeddings: true,
        }
    }
}

impl Gpt2Config {
    /// Whether such a network can be built.
    ///
    /// # Errors
    /// For sizes of zero, heads that do not divide the width, and variants of GPT-2 that are not supported.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        let checks = Checks("gpt2");
        checks.at_least_one(&[
            ("vocab_size", self.vocab_size),
            ("n_positions", self.n_positions),
            ("n_embd", self.n_embd),
            ("n_layer", self.n_layer),
            ("n_head", self.n_head),
            ("n_inner", self.inner()),
        ])?;
        checks.divides(("n_embd", self.n_embd), ("n_head", self.n_head))?;
        checks.positive("layer_norm_epsilon", self.layer_norm_epsilon)?;
        let activation = self.activation_function.as_str();
        let known = matches!(activation, "gelu_new" | "gelu_pytorch_tanh");
        checks.supported("activation_function", activation, known, "gelu_new, gelu_pytorch_tanh")?;
        checks.supported("scale_attn_weights", "false", self.scale_attn_weights, "true")?;
        checks.supported("scale_attn_by_inverse_layer_idx", "true", !self.scale_attn_by_inverse_layer_idx, "false")?;
        checks.supported("tie_word_embeddings", "false", self.tie_word_embeddings, "true")
    }

    /// A network with new weights from `stream`, as GPT-2 was initialised: normal with deviation
    /// `initializer_range`, smaller by `sqrt(2 n_layer)` where a block writes to the residual stream.
    ///
    /// # Panics
    /// If [`check`](Self::check) refuses this configuration.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> Gpt2 {
        self.build(Initialize { stream: Some(stream), device })
    }

    /// A network whose weights are still to be loaded.
    pub(super) fn uninitialized(&self, device: &Device) -> Gpt2 {
        self.build(Initialize { stream: None, device })
    }

    fn build(&self, mut new: Initialize) -> Gpt2 {
        self.check().unwrap_or_else(|error| panic!("{error}"));
        let deviation = self.initializer_range;
        Gpt2 {
            wte: new.embedding(self.vocab_size, self.n_embd, deviation),
            wpe: new.embedding(self.n_positions, self.n_embd, deviation),
            h: (0..self.n_layer).map(|_| Block::new(self, &mut new)).collect(),
            ln_f: new.layer_norm(self.n_embd, self.layer_norm_epsilon),
            n_head: self.n_head,
            epsilon: self.layer_norm_epsilon,
            compute: Compute::default(),
        }
    }

    fn inner(&self) -> usize {
        self.n_inner.unwrap_or(self.n_embd.saturating_mul(4))
    }
}

/// A decoder-only transformer with learned positions and an output layer tied to the token embedding.
#[derive(Module, Debug)]
pub struct Gpt2 {
    pub wte: Embedding,
    pub wpe: Embedding,
    pub h: Vec<Block>,
    pub ln_f: LayerNorm,
    n_head: usize,
    epsilon: f64,
    #[module(skip)]
    compute: Compute,
}

impl Gpt2 {
    /// The same network with its matrix products computed in another way.
    pub fn with_compute(self, compute: Compute) -> Self {
        Self { compute, ..self }
    }

    /// The same network with its embeddings and the first `blocks` blocks frozen: what training never changes is
    /// shared with every copy.
    pub fn with_frozen_trunk(mut self, blocks: usize) -> Self {
        self.wte = self.wte.no_grad();
        self.wpe = self.wpe.no_grad();
        self.h =
            self.h.into_iter().enumerate().map(|(i, block)| if i < blocks { block.no_grad() } else { block }).collect();
        self
    }

    /// The last hidden states, after the final layer norm.
    ///
    /// # Shapes
    /// - tokens: `[B, T]`
    /// - positions: `[B, T]`, below `n_positions`
    /// - attention: `[B, T]`, true at real tokens; `None` where there is no padding
    /// - output: `[B, T, H]`; meaningless at padding, but finite
    pub fn hidden(
        &self,
        tokens: Tensor<2, Int>,
        positions: Tensor<2, Int>,
        attention: impl Into<Option<Tensor<2, Bool>>>,
    ) -> Tensor<3> {
        let [rows, steps] = tokens.dims();
        let mask = AttentionMask::causal(attention.into());
        let mut x = self.embed(tokens, positions);
        for block in &self.h {
            x = block.forward(x, rows, &mask, None, &self.compute);
        }
        self.normalize(x).reshape([rows as i64, steps as i64, -1])
    }

    /// Scores of all tokens to follow each hidden state: `[N, H]` to `[N, V]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.compute.logits(hidden, self.wte.weight.val())
    }

    /// Log-probabilities of `targets` `[N]` to follow the hidden states `[N, H]`, in f32.
    pub fn log_prob(&self, hidden: Tensor<2>, targets: Tensor<1, Int>, want_entropy: bool) -> TokenLogProb {
        self.compute.token_log_prob(hidden, self.wte.weight.val(), targets, want_entropy)
    }

    /// Log-probabilities of all tokens to follow the hidden states: `[N, H]` to `[N, V]`, in f32.
    pub fn full_log_prob(&self, hidden: Tensor<2>) -> Tensor<2> {
        activation::log_softmax(self.logits(hidden).cast(DType::F32), 1)
    }

    /// Width of the hidden states.
    pub fn hidden_size(&self) -> usize {
        self.wte.weight.dims()[1]
    }

    /// `[B, T]` to `[B·T, H]`.
    fn embed(&self, tokens: Tensor<2, Int>, positions: Tensor<2, Int>) -> Tensor<2> {
        (self.wte.forward(tokens) + self.wpe.forward(positions)).reshape([-1, self.hidden_size() as i64])
    }

    fn normalize(&self, x: Tensor<2>) -> Tensor<2> {
        layer_norm(&self.ln_f, x, self.epsilon)
    }
}

impl Decoder for Gpt2 {
    type Cache = KvCache;

    fn vocab_size(&self) -> usize {
        self.wte.weight.dims()[0]
    }

    fn context_length(&self) -> usize {
        self.wpe.weight.dims()[0]
    }

    fn new_cache(&self, rows: usize, capacity: usize, device: &Device) -> KvCache {
        let dtype = self.wte.weight.val().dtype();
        KvCache::new(self.h.len(), [rows, self.n_head, capacity, self.hidden_size() / self.n_head], (device, dtype))
    }

    fn decode(
        &self,
        tokens: Tensor<2, Int>,
        positions: Tensor<2, Int>,
        attention: Tensor<2, Bool>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        let [rows, steps] = tokens.dims();
        let mask = AttentionMask::causal(Some(attention));
        let mut x = self.embed(tokens, positions);
        for (block, layer) in self.h.iter().zip(cache.advance(steps)) {
            x = block.forward(x, rows, &mask, Some(layer), &self.compute);
        }
        let last = match steps {
            1 => x,
            _ => x.reshape([rows as i64, steps as i64, -1]).slice(s![.., -1]).squeeze_dim(1),
        };
        self.logits(self.normalize(last))
    }
}

/// Attention and perceptron, each after a layer norm and added to the residual stream.
#[derive(Module, Debug)]
pub struct Block {
    pub ln_1: LayerNorm,
    pub attn: Attention,
    pub ln_2: LayerNorm,
    pub mlp: Mlp,
    epsilon: f64,
}

impl Block {
    fn new(config: &Gpt2Config, new: &mut Initialize) -> Self {
        let (width, inner, epsilon) = (config.n_embd, config.inner(), config.layer_norm_epsilon);
        let deviation = config.initializer_range;
        let residual = deviation / (2.0 * config.n_layer as f64).sqrt();
        Self {
            ln_1: new.layer_norm(width, epsilon),
            attn: Attention {
                c_attn: new.linear(width, 3 * width, deviation),
                c_proj: new.linear(width, width, residual),
                n_head: config.n_head,
            },
            ln_2: new.layer_norm(width, epsilon),
            mlp: Mlp { c_fc: new.linear(width, inner, deviation), c_proj: new.linear(inner, width, residual) },
            epsilon,
        }
    }

    /// `[B·T, H]` to `[B·T, H]`, where `rows` is `B`.
    fn forward(
        &self,
        x: Tensor<2>,
        rows: usize,
        mask: &AttentionMask,
        cache: Option<LayerCache>,
        compute: &Compute,
    ) -> Tensor<2> {
        let attended = self.attn.forward(layer_norm(&self.ln_1, x.clone(), self.epsilon), rows, mask, cache, compute);
        let x = x + attended;
        x.clone() + self.mlp.forward(layer_norm(&self.ln_2, x, self.epsilon), compute)
    }
}

/// Causal self-attention; queries, keys and values come from one projection.
#[derive(Module, Debug)]
pub struct Attention {
    pub c_attn: Linear,
    pub c_proj: Linear,
    n_head: usize,
}

impl Attention {
    fn forward(
        &self,
        x: Tensor<2>,
        rows: usize,
        mask: &AttentionMask,
        cache: Option<LayerCache>,
        compute: &Compute,
    ) -> Tensor<2> {
        let [samples, width] = x.dims();
        let (heads, steps) = (self.n_head, samples / rows);
        let projected = linear(&self.c_attn, x, compute);
        let Some(layer) = cache else {
            return linear(&self.c_proj, kernel::self_attention(projected, rows, heads, mask), compute);
        };
        let projected = projected.reshape([rows, steps, 3 * heads, width / heads]).swap_dims(1, 2);
        let [query, key, value] =
            [0, 1, 2].map(|part| projected.clone().slice(s![.., part * heads..(part + 1) * heads]));
        let (key, value) = layer.append(key, value);
        let attended = kernel::attention(query, key, value, mask);
        linear(&self.c_proj, attended.swap_dims(1, 2).reshape([samples, width]), compute)
    }
}

/// The position-wise perceptron of a block.
#[derive(Module, Debug)]
pub struct Mlp {
    pub c_fc: Linear,
    pub c_proj: Linear,
}

impl Mlp {
    fn forward(&self, x: Tensor<2>, compute: &Compute) -> Tensor<2> {
        linear(&self.c_proj, kernel::gelu_tanh(linear(&self.c_fc, x, compute)), compute)
    }
}

#[cfg(test)]
mod tests;
