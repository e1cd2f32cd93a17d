//! Checkpoints that are whole or not there.

mod damage;
mod manifest;
mod parts;
#[cfg(test)]
mod tests;

pub use damage::{Damage, Reason};
pub use parts::Parts;

use super::RunError;
use super::file::sync_folder;
use std::fs;
use std::path::{Path, PathBuf};

/// The checkpoints of one run: folders `step-N` with a manifest of sizes and hashes.
///
/// A checkpoint is written beside its place, made durable file by file, sealed with its manifest and only then renamed,
/// so a crash or a full disk at any moment costs at most the checkpoint that was being written.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

/// The newest sound checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub step: u64,
    pub path: PathBuf,
    /// Newer ones that had to be passed over, newest first.
    pub damaged: Vec<Damage>,
}

const STEP: &str = "step-";
/// Of folders that are being written or removed: worth nothing after a crash.
const TEMPORARY: &str = ".tmp-";
/// Of a checkpoint that one of the same step is about to replace: still good if that did not happen.
const REPLACED: &str = ".replaced-";

impl Checkpoints {
    /// Keeps the `keep` newest checkpoints in `folder`, and always at least one.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Self {
        Self { folder: folder.into(), keep: keep.max(1) }
    }

    /// The folder that holds them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Saves a checkpoint: `write` fills the folder it is given, in any layout. Then removes those of later steps,
    /// which belong to a past that this run has left, and the oldest beyond the number to keep.
    ///
    /// # Errors
    ///
    /// The error of `write`, or a [`RunError`]. Checkpoints that existed before are then still there.
    pub fn save<E: From<RunError>>(&self, step: u64, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<PathBuf, E> {
        fs::create_dir_all(&self.folder).map_err(|source| RunError::io("creating", &self.folder, source))?;
        self.tidy()?;
        let temporary = self.folder.join(format!("{TEMPORARY}{STEP}{step}-{}", std::process::id()));
        fs::create_dir(&temporary).map_err(|source| RunError::io("creating", &temporary, source))?;
        let path = self.folder.join(format!("{STEP}{step}"));
        let written = write(&temporary)
            .and_then(|()| Ok(manifest::seal(&temporary, step)?))
            .and_then(|()| Ok(self.put(&temporary, &path)?));
        if let Err(error) = written {
            // The first failure is the one to report; `tidy` tries again next time.
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
        self.prune(step)?;
        Ok(path)
    }

    /// The newest sound checkpoint; `None` if there are none at all.
    ///
    /// # Errors
    ///
    /// [`RunError::AllDamaged`] if there are some but none is sound, [`RunError::NewerFormat`] if the newest is of a
    /// later version of this crate.
    pub fn latest(&self) -> Result<Option<Found>, RunError> {
        let mut damaged = Vec::new();
        for (step, path) in self.candidates()?.into_iter().rev() {
            match manifest::verify(&path, step)? {
                Ok(()) => return Ok(Some(Found { step, path, damaged })),
                Err(damage) => damaged.push(damage),
            }
        }
        if damaged.is_empty() { Ok(None) } else { Err(RunError::AllDamaged { folder: self.folder.clone(), damaged }) }
    }

    /// Checks one checkpoint, wherever it lies; its step is in its name.
    ///
    /// # Errors
    ///
    /// [`RunError::NotACheckpoint`], [`RunError::AllDamaged`] saying what is wrong with it, or [`RunError::NewerFormat`].
    pub fn open(path: &Path) -> Result<Found, RunError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unnamed = || RunError::NotACheckpoint { path: path.to_path_buf() };
        let step = step_of(&name, STEP).filter(|_| path.is_dir()).ok_or_else(unnamed)?;
        match manifest::verify(path, step)? {
            Ok(()) => Ok(Found { step, path: path.to_path_buf(), damaged: Vec::new() }),
            Err(damage) => Err(RunError::AllDamaged { folder: path.to_path_buf(), damaged: vec![damage] }),
        }
    }

    /// Removes the checkpoints after `step` when a run goes on from there: damaged ones, or those of a past it leaves.
    ///
    /// # Errors
    ///
    /// A [`RunError`] naming what could not be removed.
    pub fn rewind(&self, step: u64) -> Result<(), RunError> {
        self.tidy()?;
        for (later, path) in self.candidates()? {
            if later > step {
                self.discard(&path)?;
            }
        }
        Ok(())
    }

    /// Renames a finished checkpoint into its place.
    fn put(&self, temporary: &Path, path: &Path) -> Result<(), RunError> {
        let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| RunError::io("renaming", from, e));
        if path.exists() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let replaced = self.folder.join(format!("{REPLACED}{name}"));
            rename(path, &replaced)?;
            if let Err(error) = rename(temporary, path) {
                rename(&replaced, path)?;
                return Err(error);
            }
            self.discard(&replaced)?;
        } else {
            rename(temporary, path)?;
        }
        sync_folder(&self.folder)
    }

    fn prune(&self, step: u64) -> Result<(), RunError> {
        self.rewind(step)?;
        let candidates = self.candidates()?;
        let surplus = candidates.len().saturating_sub(self.keep);
        for (_, path) in &candidates[..surplus] {
            self.discard(path)?;
        }
        Ok(())
    }

    /// Removes what a crash has left behind, and puts back a checkpoint whose replacement never came.
    fn tidy(&self) -> Result<(), RunError> {
        for name in self.names()? {
            let path = self.folder.join(&name);
            if name.starts_with(TEMPORARY) {
                fs::remove_dir_all(&path).map_err(|source| RunError::io("removing", &path, source))?;
            } else if let Some(step) = step_of(&name, &format!("{REPLACED}{STEP}")) {
                let home = self.folder.join(format!("{STEP}{step}"));
                if home.exists() {
                    self.discard(&path)?;
                } else {
                    fs::rename(&path, &home).map_err(|source| RunError::io("renaming", &path, source))?;
                }
            }
        }
        Ok(())
    }

    /// Removes a checkpoint; renamed first, so that a crash cannot leave a part of it under its name.
    fn discard(&self, path: &Path) -> Result<(), RunError> {
        let removing = |source| RunError::io("removing", path, source);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self.folder.join(format!("{TEMPORARY}discarded-{name}"));
        fs::rename(path, &temporary).map_err(removing)?;
        fs::remove_dir_all(&temporary).map_err(removing)
    }

    /// Checkpoints by step, oldest first.
    fn candidates(&self) -> Result<Vec<(u64, PathBuf)>, RunError> {
        let mut found = std::collections::BTreeMap::new();
        for name in self.names()? {
            let path = self.folder.join(&name);
            if let Some(step) = step_of(&name, STEP) {
                found.insert(step, path);
            } else if let Some(step) = step_of(&name, &format!("{REPLACED}{STEP}")) {
                found.entry(step).or_insert(path);
            }
        }
        Ok(found.into_iter().collect())
    }

    fn names(&self) -> Result<Vec<String>, RunError> {
        let reading = |source| RunError::io("reading", &self.folder, source);
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(reading)? {
            let entry = entry.map_err(reading)?;
            if entry.path().is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }
}

fn step_of(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    digits.parse().ok().filter(|step: &u64| step.to_string() == digits)
}
