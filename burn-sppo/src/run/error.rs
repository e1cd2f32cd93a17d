use super::checkpoint::Damage;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What can go wrong with the files of a run.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("the checkpoint's {} cannot be used: {reason}", .path.display())]
    Part { path: PathBuf, reason: String },
    #[error("{} cannot be written, because {} is a file, not a folder; choose another place", .path.display(), .file.display())]
    BelowAFile { path: PathBuf, file: PathBuf },
    #[error("{} may not be written ({source}); change its owner or mode, or choose another place", .path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error(
        "no room to write {} ({source}); free some space or raise the limit, then resume: nothing that was saved \
         before is lost",
        .path.display()
    )]
    DiskFull { path: PathBuf, source: io::Error },
    #[error("{} does not exist; check the path", .path.display())]
    Missing { path: PathBuf },
    #[error("{doing} {} failed: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not empty and holds no run ({entry:?} is in it); choose a new or an empty folder", .path.display())]
    Foreign { path: PathBuf, entry: String },
    #[error("{} already holds a run; resume that one, or choose another folder for a new one", .path.display())]
    Occupied { path: PathBuf },
    #[error("{} is not the folder of a run: it has no config.toml", .path.display())]
    NotARun { path: PathBuf },
    #[error("{} is in use by another process; wait for it, or stop it", .path.display())]
    InUse { path: PathBuf },
    #[error("what belongs into {} cannot be written as JSON: {source}", .path.display())]
    Encode { path: PathBuf, source: serde_json::Error },
    #[error("{}, line {line}: {reason}; mend or delete that line", .path.display())]
    Line { path: PathBuf, line: usize, reason: String },
    #[error("{}, byte {offset}: {reason}; delete the file: metrics.jsonl holds the same numbers", .path.display())]
    Event { path: PathBuf, offset: usize, reason: &'static str },
    #[error("iteration {iteration} is logged after iteration {last}; log each iteration once, in ascending order")]
    Order { iteration: u64, last: u64 },
    #[error(
        "checkpoint {} has format {found}, but this version reads formats up to {supported}; use burn-sppo {version} \
         or later",
        .path.display()
    )]
    NewerFormat { path: PathBuf, found: u32, supported: u32, version: String },
    #[error("{} is not a checkpoint; name a folder step-N", .path.display())]
    NotACheckpoint { path: PathBuf },
    #[error("no checkpoint in {} can be used: {}", .folder.display(), list(.damaged))]
    AllDamaged { folder: PathBuf, damaged: Vec<Damage> },
}

fn list(damaged: &[Damage]) -> String {
    damaged.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl RunError {
    /// The variant that fits a failure while `doing` ("writing", "renaming") something with `path`: sorted by what a
    /// user can do about it.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::DiskFull { path, source }
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Unwritable { path, source },
            ErrorKind::NotFound => Self::Missing { path },
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => match path.ancestors().find(|part| part.is_file()) {
                Some(file) => Self::BelowAFile { file: file.to_path_buf(), path },
                None => Self::Io { doing, path, source },
            },
            _ => Self::Io { doing, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_what_can_be_done() {
        let sorted = |kind: ErrorKind| RunError::io("writing", Path::new("/nowhere/x"), kind.into());
        assert!(matches!(sorted(ErrorKind::StorageFull), RunError::DiskFull { .. }));
        assert!(matches!(sorted(ErrorKind::FileTooLarge), RunError::DiskFull { .. }));
        assert!(matches!(sorted(ErrorKind::QuotaExceeded), RunError::DiskFull { .. }));
        assert!(matches!(sorted(ErrorKind::PermissionDenied), RunError::Unwritable { .. }));
        assert!(matches!(sorted(ErrorKind::ReadOnlyFilesystem), RunError::Unwritable { .. }));
        assert!(matches!(sorted(ErrorKind::NotFound), RunError::Missing { .. }));
        let other = sorted(ErrorKind::Interrupted);
        assert!(matches!(other, RunError::Io { doing: "writing", .. }));
        assert!(other.to_string().contains("/nowhere/x"), "{other}");
    }
}
