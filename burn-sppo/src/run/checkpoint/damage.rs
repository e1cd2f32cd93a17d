use std::fmt;
use std::path::PathBuf;

/// A checkpoint that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub step: u64,
    pub path: PathBuf,
    pub reason: Reason,
}

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    NoManifest,
    Manifest { message: String },
    Step { found: u64 },
    MissingFile { file: String },
    Size { file: String, expected: u64, found: u64 },
    Hash { file: String },
    Unreadable { file: String, message: String },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged: {}", self.path.display(), self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoManifest => write!(f, "it has no manifest.json"),
            Self::Manifest { message } => write!(f, "manifest.json is malformed ({message})"),
            Self::Step { found } => write!(f, "manifest.json is that of step {found}"),
            Self::MissingFile { file } => write!(f, "{file} is missing"),
            Self::Size { file, expected, found } => write!(f, "{file} has {found} bytes instead of {expected}"),
            Self::Hash { file } => write!(f, "the content of {file} has changed since it was saved"),
            Self::Unreadable { file, message } => write!(f, "{file} cannot be read ({message})"),
        }
    }
}
