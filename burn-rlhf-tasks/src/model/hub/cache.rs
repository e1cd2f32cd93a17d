//! One repository in the folder of downloads, in the layout that Hugging Face's own tools use: contents under `blobs`,
//! named by the server; files under `snapshots/COMMIT`, which point to them; the commits of branches under `refs`.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo};
use serde::{Deserialize, Serialize};

use super::HubError;
use crate::model::atomic;

/// The files of a repository at one commit.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Listing {
    pub commit: String,
    pub files: Vec<String>,
}

pub(super) struct RepositoryCache {
    root: PathBuf,
    revision: String,
    layout: CacheRepo,
}

impl RepositoryCache {
    pub fn new(cache: &Path, repository: &Repo) -> Self {
        Self {
            root: cache.join(repository.folder_name()),
            revision: repository.revision().to_owned(),
            layout: Cache::new(cache.to_path_buf()).repo(repository.clone()),
        }
    }

    /// The folder of the files at `commit`.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    pub fn file(&self, commit: &str, name: &str) -> Option<PathBuf> {
        let path = self.snapshot(commit).join(name);
        path.is_file().then_some(path)
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.layout.blob_path(etag)
    }

    /// Opens the unfinished download of a blob, waiting for another process that is at it.
    pub fn open_part(&self, etag: &str) -> Result<(PathBuf, File), HubError> {
        let path = self.blob(&format!("{etag}.incomplete"));
        create_parent(&path)?;
        loop {
            let file = OpenOptions::new().create(true).append(true).open(&path).map_err(write_error(&path))?;
            // Some network file systems have no locks; one process at a time still works there.
            let locked = file.lock().is_ok();
            // While this process waited, the other one may have finished the file or given it up.
            if !locked || path.exists() || self.blob(etag).exists() {
                return Ok((path, file));
            }
        }
    }

    /// Makes `name` at `commit` point to a finished blob.
    pub fn link(&self, etag: &str, commit: &str, name: &str) -> Result<PathBuf, HubError> {
        let path = self.snapshot(commit).join(name);
        create_parent(&path)?;
        let up = "../".repeat(2 + name.matches('/').count());
        // What was there points to nothing, or it would have been found.
        let _ = fs::remove_file(&path);
        match link_or_copy(Path::new(&format!("{up}blobs/{etag}")), &self.blob(etag), &path) {
            // Another process was faster.
            Err(_) if path.is_file() => Ok(path),
            result => result.map_err(write_error(&path)).map(|()| path),
        }
    }

    /// What the cache knows of the revision.
    pub fn listing(&self) -> Option<Listing> {
        let commit = match fs::read_to_string(self.reference()) {
            Ok(commit) => commit.trim().to_owned(),
            Err(_) => self.revision.clone(),
        };
        let kept = fs::read(self.listing_path(&commit)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        // Other tools keep no listing: what they downloaded is all that is known.
        kept.or_else(|| {
            let files = files_below(&self.snapshot(&commit));
            (!commit.is_empty() && !files.is_empty()).then_some(Listing { commit, files })
        })
    }

    pub fn keep_listing(&self, listing: &Listing) -> Result<(), HubError> {
        let text = serde_json::to_string(listing).unwrap_or_default();
        for (path, content) in
            [(self.listing_path(&listing.commit), text.as_str()), (self.reference(), listing.commit.as_str())]
        {
            create_parent(&path)?;
            atomic::write(&path, content).map_err(write_error(&path))?;
        }
        Ok(())
    }

    fn reference(&self) -> PathBuf {
        self.root.join("refs").join(&self.revision)
    }

    fn listing_path(&self, commit: &str) -> PathBuf {
        self.root.join("listings").join(format!("{commit}.json"))
    }
}

#[cfg(unix)]
fn link_or_copy(relative: &Path, _blob: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, path)
}

#[cfg(not(unix))]
fn link_or_copy(_relative: &Path, blob: &Path, path: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(|_| ()))
}

fn files_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}

fn create_parent(path: &Path) -> Result<(), HubError> {
    path.parent().map_or(Ok(()), |folder| fs::create_dir_all(folder).map_err(write_error(folder)))
}

pub(super) fn write_error(path: &Path) -> impl Fn(std::io::Error) -> HubError {
    let path = path.to_path_buf();
    move |source| HubError::Write { path: path.clone(), source }
}
