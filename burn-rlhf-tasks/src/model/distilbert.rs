//! DistilBERT as a sequence classifier (<https://arxiv.org/abs/1910.01108>).
//!
//! Field names are those of the Hugging Face checkpoints, but for `layer_norm`, which they spell `LayerNorm`.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    nn::{Embedding, LayerNorm, Linear},
    tensor::{Bool, Device, Int, Tensor, activation, s},
};
use burn_sppo::run::Stream;
use serde::{Deserialize, Serialize};

use super::{
    ArchitectureError,
    architecture::Checks,
    initialize::Initialize,
    kernel::{self, AttentionMask, Compute},
    layer_norm, linear,
};

/// The published models' epsilon, which their configuration does not name.
const EPSILON: f64 = 1e-12;

/// The shape of a DistilBERT classifier, with the names and defaults of Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DistilBertConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    pub n_layers: usize,
    /// Attention heads of a block; divides `dim`.
    pub n_heads: usize,
    /// Width of the hidden states.
    pub dim: usize,
    /// Width inside a block's perceptron.
    pub hidden_dim: usize,
    pub activation: String,
    /// Standard deviation of new weights.
    pub initializer_range: f64,
    pub pad_token_id: Option<u32>,
    /// Number of classes; that of `id2label` if absent, else 2.
    pub num_labels: Option<usize>,
    /// Names of the classes.
    pub id2label: Option<BTreeMap<String, String>>,
}

impl Default for DistilBertConfig {
    /// DistilBERT with 66 million parameters and two classes.
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            max_position_embeddings: 512,
            n_layers: 6,
            n_heads: 12,
            dim: 768,
            hidden_dim: 3072,
            activation: "gelu".into(),
            initializer_range: 0.02,
            pad_token_id: Some(0),
            num_labels: None,
            id2label: None,
        }
    }
}

impl DistilBertConfig {
    /// How many classes there are.
    pub fn labels(&self) -> usize {
        self.num_labels.or(self.id2label.as_ref().map(BTreeMap::len)).unwrap_or(2)
    }

    /// Whether such a network can be built.
    ///
    /// # Errors
    /// For sizes of zero, heads that do not divide the width, and unsupported activations.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        let checks = Checks("distilbert");
        checks.at_least_one(&[
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("dim", self.dim),
            ("hidden_dim", self.hidden_dim),
            ("num_labels", self.labels()),
        ])?;
        checks.divides(("dim", self.dim), ("n_heads", self.n_heads))?;
        checks.supported("activation", &self.activation, self.activation == "gelu", "gelu")
    }

    /// A network with new weights from `stream`: normal with deviation `initializer_range`, biases zero.
    ///
    /// # Panics
    /// If [`check`](Self::check) refuses this configuration.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> DistilBertClassifier {
        self.build(Initialize { stream: Some(stream), device })
    }

    /// A network whose weights are still to be loaded.
    pub(super) fn uninitialized(&self, device: &Device) -> DistilBertClassifier {
        self.build(Initialize { stream: None, device })
    }

    fn build(&self, mut new: Initialize) -> DistilBertClassifier {
        self.check().unwrap_or_else(|error| panic!("{error}"));
        let deviation = self.initializer_range;
        let embeddings = Embeddings {
            word_embeddings: new.embedding(self.vocab_size, self.dim, deviation),
            position_embeddings: new.embedding(self.max_position_embeddings, self.dim, deviation),
            layer_norm: new.layer_norm(self.dim, EPSILON),
        };
        let layer = (0..self.n_layers).map(|_| Block::new(self, &mut new)).collect();
        DistilBertClassifier {
            distilbert: DistilBert { embeddings, transformer: Transformer { layer }, compute: Compute::default() },
            pre_classifier: new.linear(self.dim, self.dim, deviation),
            classifier: new.linear(self.dim, self.labels(), deviation),
        }
    }
}

/// Scores of each class for a sequence.
#[derive(Module, Debug)]
pub struct DistilBertClassifier {
    pub distilbert: DistilBert,
    pub pre_classifier: Linear,
    pub classifier: Linear,
}

impl DistilBertClassifier {
    /// The same network with its matrix products computed in another way.
    pub fn with_compute(mut self, compute: Compute) -> Self {
        self.distilbert.compute = compute;
        self
    }

    /// Class scores, read at the first position.
    ///
    /// # Shapes
    /// - tokens: `[B, T]`, with T at most `max_position_embeddings`
    /// - attention: `[B, T]`, true at real tokens; `None` where there is no padding
    /// - output: `[B, labels]`
    pub fn forward(&self, tokens: Tensor<2, Int>, attention: impl Into<Option<Tensor<2, Bool>>>) -> Tensor<2> {
        let first = self.distilbert.hidden(tokens, attention).slice(s![.., 0]).squeeze_dim(1);
        let compute = &self.distilbert.compute;
        linear(&self.classifier, activation::relu(linear(&self.pre_classifier, first, compute)), compute)
    }

    pub fn vocab_size(&self) -> usize {
        self.distilbert.embeddings.word_embeddings.weight.dims()[0]
    }

    /// Longest sequence.
    pub fn context_length(&self) -> usize {
        self.distilbert.embeddings.position_embeddings.weight.dims()[0]
    }

    pub fn labels(&self) -> usize {
        self.classifier.weight.dims()[1]
    }
}

/// The encoder.
#[derive(Module, Debug)]
pub struct DistilBert {
    pub embeddings: Embeddings,
    pub transformer: Transformer,
    #[module(skip)]
    compute: Compute,
}

impl DistilBert {
    /// Last hidden states: `[B, T]` to `[B, T, H]`.
    pub fn hidden(&self, tokens: Tensor<2, Int>, attention: impl Into<Option<Tensor<2, Bool>>>) -> Tensor<3> {
        let [rows, steps] = tokens.dims();
        let mask = AttentionMask::padding(attention.into());
        let mut x = self.embeddings.forward(tokens);
        for block in &self.transformer.layer {
            x = block.forward(x, rows, &mask, &self.compute);
        }
        x.reshape([rows as i64, steps as i64, -1])
    }
}

#[derive(Module, Debug)]
pub struct Embeddings {
    pub word_embeddings: Embedding,
    pub position_embeddings: Embedding,
    pub layer_norm: LayerNorm,
}

impl Embeddings {
    /// `[B, T]` to `[B·T, H]`; positions always count from the left edge.
    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<2> {
        let [rows, steps] = tokens.dims();
        let words = self.word_embeddings.forward(tokens);
        let width = words.dims()[2];
        let positions = self.position_embeddings.weight.val().slice(s![0..steps]);
        let x = words + positions.unsqueeze();
        layer_norm(&self.layer_norm, x.reshape([rows * steps, width]), EPSILON)
    }
}

#[derive(Module, Debug)]
pub struct Transformer {
    pub layer: Vec<Block>,
}

/// Attention and perceptron, each added to its input and followed by a layer norm.
#[derive(Module, Debug)]
pub struct Block {
    pub attention: Attention,
    pub sa_layer_norm: LayerNorm,
    pub ffn: Ffn,
    pub output_layer_norm: LayerNorm,
}

impl Block {
    fn new(config: &DistilBertConfig, new: &mut Initialize) -> Self {
        let (width, deviation) = (config.dim, config.initializer_range);
        Self {
            attention: Attention {
                q_lin: new.linear(width, width, deviation),
                k_lin: new.linear(width, width, deviation),
                v_lin: new.linear(width, width, deviation),
                out_lin: new.linear(width, width, deviation),
                n_heads: config.n_heads,
            },
            sa_layer_norm: new.layer_norm(width, EPSILON),
            ffn: Ffn {
                lin1: new.linear(width, config.hidden_dim, deviation),
                lin2: new.linear(config.hidden_dim, width, deviation),
            },
            output_layer_norm: new.layer_norm(width, EPSILON),
        }
    }

    fn forward(&self, x: Tensor<2>, rows: usize, mask: &AttentionMask, compute: &Compute) -> Tensor<2> {
        let attended = self.attention.forward(x.clone(), rows, mask, compute);
        let x = layer_norm(&self.sa_layer_norm, x + attended, EPSILON);
        let inner = linear(&self.ffn.lin2, kernel::gelu(linear(&self.ffn.lin1, x.clone(), compute)), compute);
        layer_norm(&self.output_layer_norm, x + inner, EPSILON)
    }
}

/// Self-attention in both directions.
#[derive(Module, Debug)]
pub struct Attention {
    pub q_lin: Linear,
    pub k_lin: Linear,
    pub v_lin: Linear,
    pub out_lin: Linear,
    n_heads: usize,
}

impl Attention {
    fn forward(&self, x: Tensor<2>, rows: usize, mask: &AttentionMask, compute: &Compute) -> Tensor<2> {
        let [samples, width] = x.dims();
        let [query, key, value] = [&self.q_lin, &self.k_lin, &self.v_lin].map(|layer| {
            let heads = [rows, samples / rows, self.n_heads, width / self.n_heads];
            linear(layer, x.clone(), compute).reshape(heads).swap_dims(1, 2)
        });
        let attended = kernel::attention(query, key, value, mask);
        linear(&self.out_lin, attended.swap_dims(1, 2).reshape([samples, width]), compute)
    }
}

/// The position-wise perceptron of a block.
#[derive(Module, Debug)]
pub struct Ffn {
    pub lin1: Linear,
    pub lin2: Linear,
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;
    use burn_sppo::run::{Purpose, Streams};

    use super::*;

    fn config() -> DistilBertConfig {
        DistilBertConfig {
            vocab_size: 30,
            max_position_embeddings: 12,
            n_layers: 2,
            n_heads: 2,
            dim: 8,
            hidden_dim: 16,
            initializer_range: 0.3,
            ..DistilBertConfig::default()
        }
    }

    #[test]
    fn padding_changes_no_score() {
        let device = Device::flex();
        let model = config().init(&mut Streams::new(1).stream(Purpose::Initialization, 0, 0), &device);
        let tokens = [3, 4, 5, 6];
        let alone = model.forward(Tensor::from_data([tokens], &device), None);
        for pad in [0, 29] {
            let padded = [[3, 4, 5, 6, pad, pad, pad]];
            let attention = Tensor::<2, Bool>::from_data([[true, true, true, true, false, false, false]], &device);
            let scores = model.forward(Tensor::from_data(padded, &device), attention);
            scores.into_data().assert_approx_eq::<f32>(&alone.to_data(), Tolerance::absolute(1e-5));
        }
        let shorter = model.forward(Tensor::from_data([[3, 4, 5]], &device), None);
        assert!((shorter - alone).abs().max().into_scalar::<f32>() > 1e-3, "the last token counts");
    }

    #[test]
    fn the_number_of_classes_comes_from_the_names_unless_given() {
        let names: BTreeMap<String, String> = (0..3).map(|id| (id.to_string(), format!("LABEL_{id}"))).collect();
        let named = DistilBertConfig { id2label: Some(names), ..config() };
        assert_eq!(config().labels(), 2);
        assert_eq!(named.labels(), 3);
        assert_eq!(DistilBertConfig { num_labels: Some(5), ..named }.labels(), 5);
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let heads = DistilBertConfig { n_heads: 3, ..config() }.check().unwrap_err().to_string();
        assert!(heads.contains("n_heads = 3") && heads.contains("dim = 8"), "{heads}");
        let activation = DistilBertConfig { activation: "relu".into(), ..config() }.check().unwrap_err().to_string();
        assert!(activation.contains("activation = relu"), "{activation}");
    }
}
