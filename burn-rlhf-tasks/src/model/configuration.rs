//! `config.json` of a checkpoint folder.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::distilbert::DistilBertConfig;
use super::gpt2::Gpt2Config;
use super::{ArchitectureError, ModelError};

pub(super) const CONFIG: &str = "config.json";

/// A configuration that a folder can hold.
pub(super) trait Configuration: DeserializeOwned {
    /// The `model_type` in the file.
    const MODEL_TYPE: &'static str;

    /// Whether such a model can be built.
    fn check(&self) -> Result<(), ArchitectureError>;
}

impl Configuration for Gpt2Config {
    const MODEL_TYPE: &'static str = "gpt2";

    fn check(&self) -> Result<(), ArchitectureError> {
        self.check()
    }
}

impl Configuration for DistilBertConfig {
    const MODEL_TYPE: &'static str = "distilbert";

    fn check(&self) -> Result<(), ArchitectureError> {
        self.check()
    }
}

/// Reads the configuration of the model in `folder`.
///
/// # Errors
/// If there is none, it is malformed, or it describes another or an impossible model.
pub(super) fn read<C: Configuration>(folder: &Path) -> Result<C, ModelError> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        return Err(ModelError::ConfigMissing { path });
    }
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(source) => return Err(ModelError::Read { path, source }),
    };
    let malformed =
        |error: serde_json::Error| ModelError::ConfigMalformed { path: path.clone(), message: error.to_string() };
    let value: Value = serde_json::from_slice(&text).map_err(malformed)?;
    let found = value["model_type"].as_str().unwrap_or_default();
    if found != C::MODEL_TYPE {
        return Err(ModelError::OtherArchitecture { found: found.into(), path, expected: C::MODEL_TYPE });
    }
    let config: C = serde_json::from_value(value).map_err(malformed)?;
    match config.check() {
        Ok(()) => Ok(config),
        Err(source) => Err(ModelError::Architecture { path, source }),
    }
}
