//! The tensors of each architecture's checkpoints: their names and shapes in Hugging Face files.
//!
//! Modules carry the same names, but for the few that [`Keys::module_path`] and [`Keys::file_key`] exchange.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::DType;

use super::checkpoint::Stored;
use super::distilbert::DistilBertConfig;
use super::gpt2::Gpt2Config;
use super::{ModelError, checkpoint};

/// A tensor that a checkpoint must hold, in the layout of the file.
type Entry = (String, Vec<usize>);

/// What distinguishes the files of one architecture.
pub(super) struct Keys {
    /// The part in front of every module path, which some files leave out.
    prefix: &'static str,
    /// Names of parts in files and in modules.
    renamed: &'static [(&'static str, &'static str)],
    /// Tensors without a place in the module: buffers, and weights tied to others.
    ignored: fn(&str) -> bool,
    /// Whether linear weights are stored as `[out, in]`.
    pub transposed: bool,
}

/// GPT-2 stores its linear weights as `[in, out]`. Its output layer is the token embedding, and older files hold the
/// causal masks of the attention.
pub(super) const GPT2: Keys = Keys {
    prefix: "transformer.",
    renamed: &[],
    ignored: |key| key == "lm_head.weight" || key.ends_with(".attn.bias") || key.ends_with(".attn.masked_bias"),
    transposed: false,
};

/// A classifier on DistilBERT. Older files hold the position numbers.
pub(super) const DISTILBERT: Keys = Keys {
    prefix: "",
    renamed: &[("LayerNorm", "layer_norm")],
    ignored: |key| key == "distilbert.embeddings.position_ids",
    transposed: true,
};

impl Keys {
    /// The path in the module of a tensor that the file calls `key`; `None` if the module has no place for it.
    fn module_path(&self, key: &str) -> Option<String> {
        let path = key.strip_prefix(self.prefix).unwrap_or(key);
        match (self.ignored)(path) {
            true => None,
            false => Some(self.rename(path, |&(file, module)| (file, module))),
        }
    }

    /// The name in files of the parameter at `path` of the module.
    pub fn file_key(&self, path: &str) -> String {
        format!("{}{}", self.prefix, self.rename(path, |&(file, module)| (module, file)))
    }

    fn rename(
        &self,
        path: &str,
        pair: impl Fn(&(&'static str, &'static str)) -> (&'static str, &'static str),
    ) -> String {
        let part = |part| self.renamed.iter().map(&pair).find(|(from, _)| *from == part).map_or(part, |(_, to)| to);
        path.split('.').map(part).collect::<Vec<_>>().join(".")
    }

    /// The tensors of the checkpoint in `folder` by their paths in the module, once it is sure that they are exactly
    /// `entries`.
    ///
    /// # Errors
    /// If the files are broken, or tensors are missing, too many, or of another shape or dtype.
    pub fn read(
        &self,
        folder: &Path,
        entries: impl Iterator<Item = Entry>,
    ) -> Result<BTreeMap<String, Stored>, ModelError> {
        let stored = checkpoint::read(folder)?;
        // Names in messages are those of the file, which may go without the prefix.
        let prefix = if stored.keys().any(|key| key.starts_with(self.prefix)) { self.prefix } else { "" };
        let mut found: BTreeMap<String, Stored> =
            stored.into_iter().filter_map(|(key, stored)| Some((self.module_path(&key)?, stored))).collect();

        let (mut tensors, mut missing) = (BTreeMap::new(), Vec::new());
        for (key, shape) in entries {
            match found.remove_entry(&self.rename(&key, |&(file, module)| (file, module))) {
                Some((path, stored)) => {
                    check(&stored, shape)?;
                    tensors.insert(path, stored);
                }
                None => missing.push(format!("{prefix}{key}")),
            }
            // A configuration may ask for any number of layers.
            if missing.len() > MISSING_LIMIT {
                break;
            }
        }
        let folder = folder.to_path_buf();
        if !missing.is_empty() {
            return Err(ModelError::MissingKeys { folder, keys: missing });
        }
        if !found.is_empty() {
            let keys = found.into_values().map(|stored| stored.tensor.name).collect();
            return Err(ModelError::UnexpectedKeys { folder, keys });
        }
        Ok(tensors)
    }
}

const MISSING_LIMIT: usize = 1000;

fn check(stored: &Stored, expected: Vec<usize>) -> Result<(), ModelError> {
    let Stored { tensor, path } = stored;
    let (path, key) = (path.clone(), tensor.name.clone());
    if !matches!(tensor.dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
        return Err(ModelError::Dtype { path, key, found: format!("{:?}", tensor.dtype) });
    }
    let found = tensor.shape.to_vec();
    match found == expected {
        true => Ok(()),
        false => Err(ModelError::Shape { path, key, expected, found }),
    }
}

/// The tensors of a GPT-2, without prefix.
pub(super) fn gpt2(config: &Gpt2Config) -> impl Iterator<Item = Entry> {
    let width = config.n_embd;
    let inner = config.n_inner.unwrap_or(width.saturating_mul(4));
    let layers = (0..config.n_layer).flat_map(move |layer| {
        let linear = |name: &str, inputs, outputs| weight_and_bias(name, vec![inputs, outputs], outputs);
        [
            weight_and_bias("ln_1", vec![width], width),
            linear("attn.c_attn", width, width.saturating_mul(3)),
            linear("attn.c_proj", width, width),
            weight_and_bias("ln_2", vec![width], width),
            linear("mlp.c_fc", width, inner),
            linear("mlp.c_proj", inner, width),
        ]
        .into_iter()
        .flatten()
        .map(move |(key, shape)| (format!("h.{layer}.{key}"), shape))
    });
    let embeddings =
        [("wte.weight".into(), vec![config.vocab_size, width]), ("wpe.weight".into(), vec![config.n_positions, width])];
    embeddings.into_iter().chain(layers).chain(weight_and_bias("ln_f", vec![width], width))
}

/// The tensors of a DistilBERT classifier.
pub(super) fn distilbert(config: &DistilBertConfig) -> impl Iterator<Item = Entry> {
    let (width, inner) = (config.dim, config.hidden_dim);
    let linear = |name: &str, inputs, outputs| weight_and_bias(name, vec![outputs, inputs], outputs);
    let layers = (0..config.n_layers).flat_map(move |layer| {
        [
            linear("attention.q_lin", width, width),
            linear("attention.k_lin", width, width),
            linear("attention.v_lin", width, width),
            linear("attention.out_lin", width, width),
            weight_and_bias("sa_layer_norm", vec![width], width),
            linear("ffn.lin1", width, inner),
            linear("ffn.lin2", inner, width),
            weight_and_bias("output_layer_norm", vec![width], width),
        ]
        .into_iter()
        .flatten()
        .map(move |(key, shape)| (format!("distilbert.transformer.layer.{layer}.{key}"), shape))
    });
    let embedding = |name: &str, entries| [(format!("distilbert.embeddings.{name}.weight"), vec![entries, width])];
    embedding("word_embeddings", config.vocab_size)
        .into_iter()
        .chain(embedding("position_embeddings", config.max_position_embeddings))
        .chain(weight_and_bias("distilbert.embeddings.LayerNorm", vec![width], width))
        .chain(layers)
        .chain(linear("pre_classifier", width, width))
        .chain(linear("classifier", width, config.labels()))
}

fn weight_and_bias(name: &str, weight: Vec<usize>, bias: usize) -> [Entry; 2] {
    [(format!("{name}.weight"), weight), (format!("{name}.bias"), vec![bias])]
}
