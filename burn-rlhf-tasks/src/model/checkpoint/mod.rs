//! The weight files of a checkpoint folder, in every layout that Hugging Face models come in.

mod header;
pub(super) mod index;
mod pytorch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::store::burn_pack::Tensor;
use burn::store::{ModuleStore, SafetensorsStore};

use super::ModelError;

/// The weights in one file; what [`export`](super::export) writes.
pub(super) const SAFETENSORS: &str = "model.safetensors";
/// Weight files in the order in which they are looked for: the safe format first.
pub(super) const LAYOUTS: [(&str, Layout); 4] = [
    (SAFETENSORS, Layout::File),
    ("model.safetensors.index.json", Layout::Index),
    ("pytorch_model.bin", Layout::File),
    ("pytorch_model.bin.index.json", Layout::Index),
];

#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// All weights in this file.
    File,
    /// The file names others.
    Index,
}

/// A tensor whose data are read when they are needed, with the file it lies in.
pub(super) struct Stored {
    pub tensor: Tensor,
    pub path: PathBuf,
}

/// All tensors of the checkpoint in `folder`, by the names they have there. Every file is checked first; no data is
/// read.
///
/// # Errors
/// If there are no weights, or a file is broken.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, Stored>, ModelError> {
    for (name, layout) in LAYOUTS {
        let path = folder.join(name);
        if path.is_file() {
            return match layout {
                Layout::File => read_file(&path),
                Layout::Index => index::read(&path),
            };
        }
    }
    Err(ModelError::WeightsMissing { folder: folder.to_path_buf() })
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Stored>, ModelError> {
    let tensors = match path.extension() {
        Some(extension) if extension == "safetensors" => safetensors(path)?,
        _ => pytorch::read(path)?,
    };
    Ok(tensors.into_iter().map(|tensor| (tensor.name.clone(), Stored { tensor, path: path.to_path_buf() })).collect())
}

fn safetensors(path: &Path) -> Result<Vec<Tensor>, ModelError> {
    header::check(path)?;
    let malformed = |message: String| ModelError::HeaderMalformed { path: path.to_path_buf(), message };
    let mut store = SafetensorsStore::from_file(path);
    let tensors = store.get_all_tensors().map_err(|error| malformed(error.to_string()))?;
    Ok(tensors.values().cloned().collect())
}
