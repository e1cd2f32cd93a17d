//! Files that are either whole or not there.

use super::RunError;
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file so that a crash at any moment leaves the old one or the new one, never a part.
///
/// # Errors
///
/// A [`RunError`] naming `path`; an older file is then still as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let temporary = temporary(path);
    let result = write_and_sync(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| RunError::io("writing", path, source));
    if result.is_err() {
        // What remains of a failed write is of no use, and its failure is the one to report.
        let _ = fs::remove_file(&temporary);
        return result;
    }
    match path.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Writes a value as indented JSON, as [`write_file`] does.
///
/// # Errors
///
/// [`RunError::Encode`] if the value has no JSON form, else those of [`write_file`].
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), RunError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|source| RunError::Encode { path: path.to_path_buf(), source })?;
    text.push(b'\n');
    write_file(path, &text)
}

pub(super) fn write_and_sync(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a folder survive a power failure.
pub(super) fn sync_folder(folder: &Path) -> Result<(), RunError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) {
        File::open(folder).and_then(|handle| handle.sync_all()).map_err(|e| RunError::io("saving", folder, e))?;
    }
    Ok(())
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{TEMPORARY}"))
}

const TEMPORARY: &str = ".partial";

/// Whether a name is one that only an interrupted [`write_file`] leaves behind.
pub(super) fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_file(&path, b"first, and longer").unwrap();
        write_file(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("old"), "old").unwrap();
        assert!(write_file(&path, b"new").is_err());
        assert_eq!(fs::read(path.join("old")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_below_a_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_file(&file.join("below/a.txt"), b"").unwrap_err();
        assert!(matches!(&error, RunError::BelowAFile { file: found, .. } if *found == file), "{error}");
    }

    #[test]
    fn json_ends_with_a_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_json(&path, &[1, 2]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\n  1,\n  2\n]\n");
    }
}
