//! Models written in Hugging Face layout, for other software to load.

use std::path::Path;

use burn::module::Module;
use burn::store::{FloatCastAdapter, ModuleAdapter, ModuleSnapshot, SafetensorsStore};
use burn::tensor::DType;
use serde::Serialize;
use serde_json::{Value, json};

use super::adapter::ToHuggingFace;
use super::checkpoint::SAFETENSORS;
use super::configuration::{CONFIG, Configuration};
use super::distilbert::{DistilBertClassifier, DistilBertConfig};
use super::gpt2::{Gpt2, Gpt2Config};
use super::keys::{DISTILBERT, GPT2, Keys};
use super::tokenizer::Tokenizer;
use super::{ModelError, atomic};

/// Writes a GPT-2 and its tokenizer into `folder`, which is made if it is absent: `config.json`, `model.safetensors`
/// in f32, `tokenizer.json` and `tokenizer_config.json`. Files of these names are replaced, each at once.
///
/// # Errors
/// If the folder or a file cannot be written.
pub fn export_gpt2(
    model: &Gpt2,
    config: &Gpt2Config,
    tokenizer: &Tokenizer,
    folder: impl AsRef<Path>,
) -> Result<(), ModelError> {
    export(model, config, "GPT2LMHeadModel", &GPT2, tokenizer, folder.as_ref())
}

/// Writes a DistilBERT sequence classifier and its tokenizer into `folder`; see [`export_gpt2`].
///
/// # Errors
/// As [`export_gpt2`].
pub fn export_distilbert_classifier(
    model: &DistilBertClassifier,
    config: &DistilBertConfig,
    tokenizer: &Tokenizer,
    folder: impl AsRef<Path>,
) -> Result<(), ModelError> {
    let config = DistilBertConfig { num_labels: Some(config.labels()), ..config.clone() };
    export(model, &config, "DistilBertForSequenceClassification", &DISTILBERT, tokenizer, folder.as_ref())
}

fn export<M: Module, C: Configuration + Serialize>(
    model: &M,
    config: &C,
    class: &str,
    keys: &'static Keys,
    tokenizer: &Tokenizer,
    folder: &Path,
) -> Result<(), ModelError> {
    std::fs::create_dir_all(folder).map_err(|source| ModelError::Write { path: folder.to_path_buf(), source })?;
    tokenizer.save(folder)?;
    let path = folder.join(SAFETENSORS);
    // Other software looks at the metadata's "format" before it reads the file.
    let mut store = SafetensorsStore::from_file(&path)
        .overwrite(true)
        .clear_metadata()
        .metadata("format", "pt")
        .with_to_adapter(ToHuggingFace(keys).chain(FloatCastAdapter::to(DType::F32)));
    model
        .save_into(&mut store)
        .map_err(|error| ModelError::WriteWeights { path: path.clone(), message: error.to_string() })?;
    write_config(config, class, tokenizer, folder)
}

fn write_config<C: Configuration + Serialize>(
    config: &C,
    class: &str,
    tokenizer: &Tokenizer,
    folder: &Path,
) -> Result<(), ModelError> {
    let path = folder.join(CONFIG);
    let unwritable = |source| ModelError::Write { path: path.clone(), source };
    let mut value = serde_json::to_value(config).map_err(|error| unwritable(error.into()))?;
    value["model_type"] = C::MODEL_TYPE.into();
    value["architectures"] = json!([class]);
    value["torch_dtype"] = "float32".into();
    for (key, id) in [
        ("bos_token_id", tokenizer.bos_id()),
        ("eos_token_id", tokenizer.eos_id()),
        ("pad_token_id", tokenizer.pad_id().ok()),
    ] {
        value[key] = id.into();
    }
    // Other software tells an absent setting, which has a default, from one set to null.
    if let Value::Object(entries) = &mut value {
        entries.retain(|_, entry| !entry.is_null());
    }
    atomic::write(&path, &format!("{value:#}\n")).map_err(unwritable)
}
