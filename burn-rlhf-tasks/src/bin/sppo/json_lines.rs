use std::{fs, io::ErrorKind, path::Path};

use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// The lines of a file; none if it is not there. A last one without an end was being written when its process died, and
/// is left out.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::failed(format!("{}: {error}", path.display()))),
    };
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                Failure::failed(format!("{}, line {}: {error}; mend or delete it", path.display(), number + 1))
            })
        })
        .collect()
}
