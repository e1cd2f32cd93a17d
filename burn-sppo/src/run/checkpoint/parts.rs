use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use serde::{Serialize, de::DeserializeOwned};
use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{RunError, write_file, write_json};

/// The files in the folder of one checkpoint: what each of them holds goes in and comes out whole.
///
/// Every method fails with a [`RunError`] that names the file.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a>(pub &'a Path);

impl Parts<'_> {
    /// Writes the parameters of a module.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_module<M: Module>(self, name: &str, module: &M) -> Result<(), RunError> {
        module.clone().into_record().save(self.path(name)).map_err(|error| self.broken(name, error))
    }

    /// Gives `module` its parameters back.
    ///
    /// # Errors
    /// If the file cannot be read, or is that of another module.
    pub fn load_module<M: Module>(self, name: &str, module: M) -> Result<M, RunError> {
        let record = ModuleRecord::load(self.path(name)).map_err(|error| self.broken(name, error))?;
        module.try_load_record(record).map_err(|error| self.broken(name, error))
    }

    /// Writes the state of an optimiser.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_optimizer(self, name: &str, optimizer: &ModuleOptimizer) -> Result<(), RunError> {
        optimizer.save(self.path(name)).map_err(|error| self.broken(name, error))
    }

    /// Gives `optimizer` its state back.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn load_optimizer(self, name: &str, optimizer: ModuleOptimizer) -> Result<ModuleOptimizer, RunError> {
        optimizer.load(self.path(name)).map_err(|error| self.broken(name, error))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_json<T: Serialize>(self, name: &str, value: &T) -> Result<(), RunError> {
        write_json(&self.path(name), value)
    }

    /// Reads a value from JSON.
    ///
    /// # Errors
    /// If the file cannot be read, or holds another value.
    pub fn load_json<T: DeserializeOwned>(self, name: &str) -> Result<T, RunError> {
        let text = fs::read_to_string(self.path(name)).map_err(|error| self.broken(name, error))?;
        serde_json::from_str(&text).map_err(|error| self.broken(name, error))
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_bytes(self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        write_file(&self.path(name), bytes)
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn load_bytes(self, name: &str) -> Result<Vec<u8>, RunError> {
        fs::read(self.path(name)).map_err(|error| self.broken(name, error))
    }

    /// Whether there is a file of this name.
    pub fn has(self, name: &str) -> bool {
        self.path(name).is_file()
    }

    fn path(self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn broken(self, name: &str, error: impl std::fmt::Display) -> RunError {
        RunError::Part { path: self.path(name), reason: error.to_string() }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    fn layer(inputs: usize) -> Linear {
        LinearConfig::new(inputs, 2).init(&Device::flex())
    }

    #[test]
    fn what_goes_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts(folder.path());
        let saved = layer(3);
        parts.save_module("policy.bpk", &saved).unwrap();
        let loaded = parts.load_module("policy.bpk", layer(3)).unwrap();
        assert_eq!(loaded.weight.val().into_data(), saved.weight.val().into_data());
        parts.save_json("state.json", &(1, "a")).unwrap();
        assert_eq!(parts.load_json::<(u64, String)>("state.json").unwrap(), (1, "a".to_owned()));
        parts.save_bytes("environment.bin", &[7, 8]).unwrap();
        assert_eq!(parts.load_bytes("environment.bin").unwrap(), [7, 8]);
        assert!(parts.has("state.json") && !parts.has("other.json"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts(folder.path());
        parts.save_module("policy.bpk", &layer(3)).unwrap();
        parts.save_json("state.json", &"text").unwrap();
        for (name, result) in [
            ("policy.bpk", parts.load_module("policy.bpk", layer(4)).map(|_| ())),
            ("missing.bpk", parts.load_module("missing.bpk", layer(3)).map(|_| ())),
            ("state.json", parts.load_json::<u64>("state.json").map(|_| ())),
            ("missing.bin", parts.load_bytes("missing.bin").map(|_| ())),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(&error, RunError::Part { path, .. } if path.ends_with(name)), "{name}: {error}");
        }
    }
}
