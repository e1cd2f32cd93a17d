//! The header of a safetensors file, checked before anything is mapped or allocated by it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::ModelError;

/// The limit of the safetensors format.
const LARGEST_HEADER: u64 = 100_000_000;
/// Bytes of the header's length, in front of it.
const LENGTH: u64 = 8;
/// The first bytes of the text that git-lfs leaves in place of a large file.
const LFS_POINTER: &[u8] = b"version https://git-lfs";
const METADATA: &str = "__metadata__";

/// Checks a safetensors file without reading its data: the header is sound and the tensors fill the file exactly.
///
/// # Errors
/// With the variant of [`ModelError`] for what is broken.
pub(super) fn check(path: &Path) -> Result<(), ModelError> {
    let unreadable = |source| ModelError::Read { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut start = Vec::new();
    file.by_ref().take(LFS_POINTER.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
    let header = header_length(path, &start, length)?;

    file.seek(SeekFrom::Start(LENGTH)).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(header).read_to_end(&mut text).map_err(unreadable)?;
    let text = String::from_utf8(text).map_err(|_| ModelError::HeaderNotUtf8 { path: path.to_path_buf() })?;
    let tensors = serde_json::from_str(&text).map_err(|error| malformed(path, error))?;
    check_tensors(path, tensors, length - LENGTH - header)
}

/// The length of the header, at most what the file holds and the format allows.
fn header_length(path: &Path, start: &[u8], length: u64) -> Result<u64, ModelError> {
    let path = path.to_path_buf();
    if length == 0 {
        return Err(ModelError::EmptyFile { path });
    }
    if start == LFS_POINTER {
        return Err(ModelError::LfsPointer { path });
    }
    let Some(header) = start.first_chunk::<{ LENGTH as usize }>().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return Err(ModelError::HeaderLengthMissing { path, length });
    };
    let available = length.saturating_sub(LENGTH);
    if header > available {
        return Err(ModelError::HeaderLongerThanFile { path, header, available });
    }
    if header > LARGEST_HEADER {
        return Err(ModelError::HeaderTooLarge { path, header, limit: LARGEST_HEADER });
    }
    Ok(header)
}

/// What a header says of one tensor.
#[derive(Deserialize)]
struct Declaration {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl Declaration {
    /// The bytes that the tensor needs for its shape and dtype.
    fn size(&self, path: &Path, tensor: &str) -> Result<u64, ModelError> {
        let dtype: Dtype = serde_json::from_value(self.dtype.as_str().into()).map_err(|_| {
            ModelError::UnknownDtype { path: path.to_path_buf(), tensor: tensor.into(), dtype: self.dtype.clone() }
        })?;
        let bits = self.shape.iter().try_fold(dtype.bitsize() as u64, |bits, &size| bits.checked_mul(size));
        bits.map(|bits| bits.div_ceil(8)).ok_or_else(|| ModelError::ShapeOverflow {
            path: path.to_path_buf(),
            tensor: tensor.into(),
            shape: self.shape.clone(),
        })
    }
}

fn check_tensors(path: &Path, tensors: Map<String, Value>, available: u64) -> Result<(), ModelError> {
    let mut declarations = Vec::with_capacity(tensors.len());
    for (name, value) in tensors.into_iter().filter(|(name, _)| name != METADATA) {
        let declaration: Declaration =
            serde_json::from_value(value).map_err(|error| malformed(path, format!("tensor {name}: {error}")))?;
        declarations.push((name, declaration));
    }
    declarations.sort_by_key(|(_, declaration)| declaration.data_offsets);

    let mut due = 0;
    for (tensor, declaration) in declarations {
        let expected = declaration.size(path, &tensor)?;
        let ([start, end], path) = (declaration.data_offsets, path.to_path_buf());
        if end < start {
            return Err(ModelError::OffsetsReversed { path, tensor, start, end });
        }
        if end - start != expected {
            return Err(ModelError::OffsetsDisagreeWithShape { path, tensor, expected, found: end - start });
        }
        if start != due {
            return Err(ModelError::OffsetsNotContiguous { path, tensor, expected: due, found: start });
        }
        if end > available {
            return Err(ModelError::DataTruncated { path, tensor, end, available });
        }
        due = end;
    }
    match available - due {
        0 => Ok(()),
        extra => Err(ModelError::TrailingData { path: path.to_path_buf(), extra }),
    }
}

fn malformed(path: &Path, message: impl ToString) -> ModelError {
    ModelError::HeaderMalformed { path: path.to_path_buf(), message: message.to_string() }
}
