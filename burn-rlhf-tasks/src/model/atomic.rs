use std::io::Write;
use std::path::Path;

use burn::store::burn_pack::AtomicFile;

/// Writes a file that is there as a whole or not at all.
pub(super) fn write(path: &Path, content: &str) -> std::io::Result<()> {
    let (scratch, mut file) = AtomicFile::create(path).map_err(std::io::Error::other)?;
    file.write_all(content.as_bytes())?;
    drop(file);
    scratch.commit().map_err(std::io::Error::other)
}
