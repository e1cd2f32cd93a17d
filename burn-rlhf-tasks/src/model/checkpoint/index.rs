//! Checkpoints in several files, with an index that says which file holds which tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;

use super::{Stored, read_file};
use crate::model::ModelError;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_path_buf(), source })?;
        let index: Self = serde_json::from_slice(&text)
            .map_err(|error| ModelError::IndexMalformed { path: path.to_path_buf(), message: error.to_string() })?;
        match index.weight_map.values().find(|name| !is_file_name(name)) {
            Some(name) => Err(ModelError::ShardOutsideFolder { path: path.to_path_buf(), name: name.clone() }),
            None => Ok(index),
        }
    }

    fn shards(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

/// The files that the index at `path` names, all of them beside it.
///
/// # Errors
/// If the index is malformed or names files outside its folder.
pub(in crate::model) fn shard_names(path: &Path) -> Result<Vec<String>, ModelError> {
    Ok(Index::read(path)?.shards().into_iter().map(str::to_owned).collect())
}

/// The tensors of all shards that the index at `path` names.
///
/// # Errors
/// As [`shard_names`], and if a shard is missing, broken, or does not hold what the index says.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Stored>, ModelError> {
    let index = Index::read(path)?;
    let mut tensors = BTreeMap::new();
    for shard in index.shards() {
        let shard = path.with_file_name(shard);
        if !shard.is_file() {
            return Err(ModelError::ShardMissing { path: shard, index: path.to_path_buf() });
        }
        tensors.append(&mut read_file(&shard)?);
    }
    for (key, shard) in &index.weight_map {
        let shard = path.with_file_name(shard);
        if tensors.get(key).is_none_or(|stored: &Stored| stored.path != shard) {
            return Err(ModelError::KeyNotInShard { path: shard, key: key.clone() });
        }
    }
    Ok(tensors)
}

fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(part)), None) if part == name)
}
