//! Models from checkpoint folders in Hugging Face layout.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::store::{FloatCastAdapter, ModuleAdapter, ModuleSnapshot};
use burn::tensor::{DType, Device};

use super::adapter::ToBurn;
use super::checkpoint::Stored;
use super::distilbert::{DistilBertClassifier, DistilBertConfig};
use super::gpt2::{Gpt2, Gpt2Config};
use super::keys::{DISTILBERT, GPT2, Keys};
use super::{ModelError, configuration, keys};

/// Reads the configuration of the GPT-2 in `folder`.
///
/// # Errors
/// If there is none, it is malformed, or it describes another or an impossible model.
pub fn read_gpt2_config(folder: impl AsRef<Path>) -> Result<Gpt2Config, ModelError> {
    configuration::read(folder.as_ref())
}

/// Reads the configuration of the DistilBERT in `folder`.
///
/// # Errors
/// As [`read_gpt2_config`].
pub fn read_distilbert_config(folder: impl AsRef<Path>) -> Result<DistilBertConfig, ModelError> {
    configuration::read(folder.as_ref())
}

/// Loads the GPT-2 in `folder` with f32 weights, whatever the files hold: safetensors or PyTorch files, in one piece
/// or sharded, in f64, f32, f16 or bf16.
///
/// # Errors
/// If a file is missing or broken, or the tensors are not exactly those that the configuration asks for.
pub fn load_gpt2(folder: impl AsRef<Path>, device: &Device) -> Result<Gpt2, ModelError> {
    let folder = folder.as_ref();
    let config = read_gpt2_config(folder)?;
    let tensors = GPT2.read(folder, keys::gpt2(&config))?;
    fill(config.uninitialized(device), tensors, &GPT2, folder)
}

/// Loads the DistilBERT sequence classifier in `folder`; see [`load_gpt2`].
///
/// # Errors
/// As [`load_gpt2`].
pub fn load_distilbert_classifier(
    folder: impl AsRef<Path>,
    device: &Device,
) -> Result<DistilBertClassifier, ModelError> {
    let folder = folder.as_ref();
    let config = read_distilbert_config(folder)?;
    let tensors = DISTILBERT.read(folder, keys::distilbert(&config))?;
    fill(config.uninitialized(device), tensors, &DISTILBERT, folder)
}

/// Puts the tensors, by their paths in the module, into it.
fn fill<M: Module>(
    mut module: M,
    tensors: BTreeMap<String, Stored>,
    keys: &'static Keys,
    folder: &Path,
) -> Result<M, ModelError> {
    let tensors = tensors
        .into_iter()
        .map(|(path, Stored { mut tensor, .. })| {
            tensor.name = path;
            tensor
        })
        .collect();
    let adapter = ToBurn(keys).chain(FloatCastAdapter::to(DType::F32));
    let result = module.apply(tensors, None, Some(Box::new(adapter)), false);
    match result.errors.is_empty() && result.missing.is_empty() && result.unused.is_empty() {
        true => Ok(module),
        false => Err(ModelError::Apply { folder: folder.to_path_buf(), message: result.to_string() }),
    }
}

#[cfg(test)]
mod tests;
