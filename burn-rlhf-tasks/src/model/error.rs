use std::path::PathBuf;

use thiserror::Error;

use super::ArchitectureError;
use super::tokenizer::TokenizerError;

/// Why a checkpoint could not be read or written: one variant for each way in which a file can be broken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("{path}: cannot be written: {source}", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },

    #[error("{path}: not found; a checkpoint folder needs a config.json", path = path.display())]
    ConfigMissing { path: PathBuf },

    #[error("{path}: not a valid configuration: {message}", path = path.display())]
    ConfigMalformed { path: PathBuf, message: String },

    #[error("{path}: the model_type is {found:?}, but a {expected:?} is needed here", path = path.display())]
    OtherArchitecture { path: PathBuf, found: String, expected: &'static str },

    #[error("{path}: {source}", path = path.display())]
    Architecture { path: PathBuf, source: ArchitectureError },

    #[error(
        "{folder}: no weights found; expected model.safetensors, model.safetensors.index.json, pytorch_model.bin or \
         pytorch_model.bin.index.json", folder = folder.display()
    )]
    WeightsMissing { folder: PathBuf },

    #[error("{path}: the file is empty; download it again", path = path.display())]
    EmptyFile { path: PathBuf },

    #[error(
        "{path}: a git-lfs pointer, not the weights themselves; fetch them with `git lfs pull`", path = path.display()
    )]
    LfsPointer { path: PathBuf },

    #[error(
        "{path}: truncated: {length} bytes are too few for the length of a safetensors header", path = path.display()
    )]
    HeaderLengthMissing { path: PathBuf, length: u64 },

    #[error(
        "{path}: the header length of {header} bytes is larger than the {available} bytes that follow: the file is \
         truncated or not in the safetensors format", path = path.display()
    )]
    HeaderLongerThanFile { path: PathBuf, header: u64, available: u64 },

    #[error(
        "{path}: the header length of {header} bytes is larger than the {limit} bytes that safetensors allows",
        path = path.display()
    )]
    HeaderTooLarge { path: PathBuf, header: u64, limit: u64 },

    #[error("{path}: the header is not UTF-8 text; the file is damaged", path = path.display())]
    HeaderNotUtf8 { path: PathBuf },

    #[error("{path}: the header is not the JSON of a safetensors file: {message}", path = path.display())]
    HeaderMalformed { path: PathBuf, message: String },

    #[error("{path}: tensor {tensor} has the unknown dtype {dtype}", path = path.display())]
    UnknownDtype { path: PathBuf, tensor: String, dtype: String },

    #[error("{path}: the shape {shape:?} of tensor {tensor} overflows 64 bits", path = path.display())]
    ShapeOverflow { path: PathBuf, tensor: String, shape: Vec<u64> },

    #[error("{path}: tensor {tensor} has invalid data offsets: it ends at {end}, before its start {start}", path = path.display())]
    OffsetsReversed { path: PathBuf, tensor: String, start: u64, end: u64 },

    #[error(
        "{path}: tensor {tensor} needs {expected} bytes for its shape and dtype, but its data offsets span {found}",
        path = path.display()
    )]
    OffsetsDisagreeWithShape { path: PathBuf, tensor: String, expected: u64, found: u64 },

    #[error(
        "{path}: the data offsets of tensor {tensor} start at {found} where {expected} was due: tensors overlap or \
         leave a hole", path = path.display()
    )]
    OffsetsNotContiguous { path: PathBuf, tensor: String, expected: u64, found: u64 },

    #[error(
        "{path}: truncated: the data offset of tensor {tensor} ends at {end}, but the file holds {available} bytes of \
         data; download it again", path = path.display()
    )]
    DataTruncated { path: PathBuf, tensor: String, end: u64, available: u64 },

    #[error("{path}: {extra} bytes of the file's length belong to no tensor; the file is damaged", path = path.display())]
    TrailingData { path: PathBuf, extra: u64 },

    #[error("{path}: not a valid index of shards: {message}", path = path.display())]
    IndexMalformed { path: PathBuf, message: String },

    #[error("{path}: the index names {name:?}, a path outside its folder; only plain file names are read", path = path.display())]
    ShardOutsideFolder { path: PathBuf, name: String },

    #[error("{path}: not found, although the index {index} names it; download it too", path = path.display(), index = index.display())]
    ShardMissing { path: PathBuf, index: PathBuf },

    #[error("{path}: does not hold {key}, although the index says so", path = path.display())]
    KeyNotInShard { path: PathBuf, key: String },

    #[error("{path}: not a readable PyTorch file (truncated or corrupt archive?): {message}", path = path.display())]
    PytorchMalformed { path: PathBuf, message: String },

    #[error(
        "{path}: the pickle holds {global} at {key:?}, which is not allowed: only tensors are read from a PyTorch file \
         and nothing in it is ever called", path = path.display()
    )]
    PickleGlobal { path: PathBuf, key: String, global: String },

    #[error("{folder}: missing from the checkpoint: {}", list(keys), folder = folder.display())]
    MissingKeys { folder: PathBuf, keys: Vec<String> },

    #[error(
        "{folder}: the checkpoint holds tensors that this model has no place for: {}; it belongs to another model",
        list(keys), folder = folder.display()
    )]
    UnexpectedKeys { folder: PathBuf, keys: Vec<String> },

    #[error(
        "{path}: {key} has the shape {found:?}, but the configuration asks for {expected:?}", path = path.display()
    )]
    Shape { path: PathBuf, key: String, expected: Vec<usize>, found: Vec<usize> },

    #[error("{path}: {key} has the dtype {found}, but weights are f64, f32, f16 or bf16", path = path.display())]
    Dtype { path: PathBuf, key: String, found: String },

    #[error("{folder}: the weights cannot be put into the model: {message}", folder = folder.display())]
    Apply { folder: PathBuf, message: String },

    #[error("{path}: the weights cannot be written: {message}", path = path.display())]
    WriteWeights { path: PathBuf, message: String },

    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// How many names a message lists.
const LISTED: usize = 8;

fn list(keys: &[String]) -> String {
    let mut text = keys[..keys.len().min(LISTED)].join(", ");
    if keys.len() > LISTED {
        text.push_str(&format!(" and {} more", keys.len() - LISTED));
    }
    text
}
