//! PyTorch files (`pytorch_model.bin`): a pickle of tensors. It is interpreted, never executed.

use std::path::Path;

use burn::store::bridge;
use burn::store::burn_pack::Tensor;
use burn::store::pytorch::PytorchReader;
use burn::store::pytorch_reader::PickleValue;

use crate::model::ModelError;

/// What the reader calls a tensor among the values of a pickle.
const TENSOR: &str = "torch.Tensor";

/// The tensors of a PyTorch file, their data still unread.
///
/// # Errors
/// If the file is damaged or holds Python objects other than tensors.
pub(super) fn read(path: &Path) -> Result<Vec<Tensor>, ModelError> {
    let malformed = |error: burn::store::pytorch::PytorchError| ModelError::PytorchMalformed {
        path: path.to_path_buf(),
        message: error.to_string(),
    };
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Err(ModelError::EmptyFile { path: path.to_path_buf() });
    }
    // The reader leaves out what it does not interpret; whoever wrote such a file may have meant it to be called.
    let values = PytorchReader::read_pickle_data(path, None).map_err(malformed)?;
    if let Some((key, global)) = foreign(&values, "") {
        return Err(ModelError::PickleGlobal { path: path.to_path_buf(), key, global });
    }
    let reader = PytorchReader::new(path).map_err(malformed)?;
    Ok(reader.into_tensors().into_values().map(bridge::from_pytorch).collect())
}

/// The place and type of the first value that is neither a tensor nor plain data.
fn foreign(value: &PickleValue, key: &str) -> Option<(String, String)> {
    match value {
        PickleValue::Unsupported(name) if name != TENSOR => Some((key.to_owned(), name.clone())),
        PickleValue::List(items) => items.iter().find_map(|item| foreign(item, key)),
        PickleValue::Dict(entries) => entries.iter().find_map(|(name, value)| {
            let separator = if key.is_empty() { "" } else { "." };
            foreign(value, &format!("{key}{separator}{name}"))
        }),
        _ => None,
    }
}
