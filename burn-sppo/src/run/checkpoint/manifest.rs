use super::{Damage, Reason};
use crate::run::RunError;
use crate::run::file::{sync_folder, write_and_sync};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path};

/// The table of contents of a checkpoint, written last: without it, a checkpoint does not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// Version of this crate that wrote it.
    version: String,
    step: u64,
    files: BTreeMap<String, Content>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Content {
    bytes: u64,
    sha256: String,
}

/// Read before anything else, because the rest of a newer format may look different.
#[derive(Deserialize)]
struct Header {
    format: u32,
    #[serde(default)]
    version: String,
}

const FORMAT: u32 = 1;
pub(super) const MANIFEST: &str = "manifest.json";

/// Makes every file below `folder` durable, then writes and saves the manifest.
pub(super) fn seal(folder: &Path, step: u64) -> Result<(), RunError> {
    let mut files = BTreeMap::new();
    seal_folder(folder, "", &mut files)?;
    let manifest = Manifest { format: FORMAT, version: env!("CARGO_PKG_VERSION").into(), step, files };
    let path = folder.join(MANIFEST);
    let mut text =
        serde_json::to_vec_pretty(&manifest).map_err(|source| RunError::Encode { path: path.clone(), source })?;
    text.push(b'\n');
    write_and_sync(&path, &text).map_err(|source| RunError::io("writing", &path, source))?;
    sync_folder(folder)
}

fn seal_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Content>) -> Result<(), RunError> {
    let reading = |source| RunError::io("reading", folder, source);
    for entry in fs::read_dir(folder).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            seal_folder(&path, &format!("{name}/"), files)?;
            sync_folder(&path)?;
        } else {
            // Some systems make a file durable only through a handle that may write.
            let content = File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.sync_all())
                .and_then(|()| Content::of(&path))
                .map_err(|source| RunError::io("saving", &path, source))?;
            files.insert(name, content);
        }
    }
    Ok(())
}

impl Content {
    fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            hash.update(&buffer[..read]);
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { bytes, sha256 })
    }
}

/// Compares a checkpoint with its manifest.
///
/// The outer error is a checkpoint that is sound but too new; the inner one is damage.
pub(super) fn verify(folder: &Path, step: u64) -> Result<Result<(), Damage>, RunError> {
    let damaged = |reason| Ok(Err(Damage { step, path: folder.to_path_buf(), reason }));
    let path = folder.join(MANIFEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return damaged(Reason::NoManifest),
        Err(error) => return damaged(Reason::Unreadable { file: MANIFEST.into(), message: error.to_string() }),
    };
    let malformed = |error: serde_json::Error| damaged(Reason::Manifest { message: error.to_string() });
    match serde_json::from_slice::<Header>(&text) {
        Ok(header) if header.format > FORMAT => {
            let (found, version) = (header.format, header.version);
            return Err(RunError::NewerFormat { path: folder.to_path_buf(), found, supported: FORMAT, version });
        }
        Ok(_) => {}
        Err(error) => return malformed(error),
    }
    let manifest: Manifest = match serde_json::from_slice(&text) {
        Ok(manifest) => manifest,
        Err(error) => return malformed(error),
    };
    if manifest.step != step {
        return damaged(Reason::Step { found: manifest.step });
    }
    for (file, expected) in manifest.files {
        if let Err(reason) = verify_file(folder, &file, &expected) {
            return damaged(reason);
        }
    }
    Ok(Ok(()))
}

fn verify_file(folder: &Path, name: &str, expected: &Content) -> Result<(), Reason> {
    let file = name.to_string();
    let path = Path::new(name);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Reason::Manifest { message: format!("{file:?} leads out of the checkpoint") });
    }
    let path = folder.join(path);
    let bytes = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(_) => return Err(Reason::MissingFile { file }),
    };
    if bytes != expected.bytes {
        return Err(Reason::Size { file, expected: expected.bytes, found: bytes });
    }
    match Content::of(&path) {
        Ok(found) if found.sha256 == expected.sha256 => Ok(()),
        Ok(_) => Err(Reason::Hash { file }),
        Err(error) => Err(Reason::Unreadable { file, message: error.to_string() }),
    }
}
