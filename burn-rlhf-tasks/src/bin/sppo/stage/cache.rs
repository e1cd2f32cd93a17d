use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Changes when stages are made differently from the same settings.
const VERSION: u32 = 1;

/// A hash of everything that a stage depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The hash of a stage's name, its settings and what it builds on.
    pub fn of(stage: &str, settings: &impl Serialize, inputs: &[&Self]) -> Result<Self, Failure> {
        let settings = serde_json::to_string(settings).map_err(Failure::failed)?;
        let mut hash = Sha256::new();
        hash.update(format!("{VERSION}\n{stage}\n{settings}\n"));
        for input in inputs {
            hash.update(&input.0);
        }
        Ok(Self(hex(&hash.finalize())))
    }

    /// The hash of files' contents, in the order of the paths.
    pub fn of_files(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut hash = Sha256::new();
        for path in paths {
            add_file(&mut hash, path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        }
        Ok(Self(hex(&hash.finalize())))
    }

    /// Enough of the hash to tell stages apart.
    pub fn short(&self) -> &str {
        &self.0[..16]
    }
}

fn add_file(hash: &mut Sha256, path: &Path) -> std::io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            count => hash.update(&block[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_everything_that_it_is_made_of() {
        let base = Fingerprint::of("policy", &(1, "x"), &[]).unwrap();
        assert_eq!(base, Fingerprint::of("policy", &(1, "x"), &[]).unwrap());
        assert_ne!(base, Fingerprint::of("policy", &(2, "x"), &[]).unwrap());
        assert_ne!(base, Fingerprint::of("judge", &(1, "x"), &[]).unwrap());
        assert_ne!(base, Fingerprint::of("policy", &(1, "x"), &[&base]).unwrap());
    }
}
