use super::file::{is_leftover, sync_folder};
use super::{RunError, write_file};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of one run, and where its files lie.
///
/// | File | What it holds |
/// |---|---|
/// | `config.toml` | the resolved configuration |
/// | `metrics.jsonl`, `metrics.csv` | the numbers of each iteration; same seed, same bytes |
/// | `timing.jsonl` | seconds, throughput and memory of each iteration |
/// | `events.out.tfevents.burn-sppo` | both, for TensorBoard |
/// | `samples.jsonl`, `evaluation.jsonl` | texts and results of evaluations |
/// | `notes.txt` | what environments say of themselves: versions, another name |
/// | `progress.txt`, `monitor.csv` | evaluations and episodes of training in environments, as a table |
/// | `checkpoints/step-N/` | what a run resumes from |
/// | `dumps/` | minibatches of non-finite updates |
/// | `curves.svg` | a picture of the metrics |
/// | `log.txt` | what was printed |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

/// Keeps other processes from writing to a run, until it is dropped or its process ends in any way.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

const CONFIG: &str = "config.toml";
const LOCK: &str = ".lock";

impl RunDirectory {
    /// Makes the folder of a new run, and writes its configuration: the mark by which it is known as a run.
    ///
    /// # Errors
    ///
    /// [`RunError::Occupied`] or [`RunError::Foreign`] if something is in the folder, [`RunError::BelowAFile`],
    /// [`RunError::Unwritable`] or [`RunError::DiskFull`] if it cannot be written.
    pub fn create(path: impl Into<PathBuf>, config: &str) -> Result<Self, RunError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(|source| RunError::io("creating", &path, source))?;
        let reading = |source| RunError::io("reading", &path, source);
        let mut foreign = None;
        for entry in fs::read_dir(&path).map_err(reading)? {
            let name = entry.map_err(reading)?.file_name().to_string_lossy().into_owned();
            if name == CONFIG {
                return Err(RunError::Occupied { path });
            }
            foreign = foreign.or((!is_leftover(&name)).then_some(name));
        }
        if let Some(entry) = foreign {
            return Err(RunError::Foreign { path, entry });
        }
        let directory = Self { path };
        directory.write_config(config)?;
        if let Some(parent) = directory.path.parent() {
            sync_folder(parent)?;
        }
        Ok(directory)
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    ///
    /// [`RunError::Missing`] if there is no such folder, [`RunError::NotARun`] if it has no configuration.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        if !path.exists() {
            return Err(RunError::Missing { path });
        }
        let directory = Self { path };
        if directory.config().is_file() { Ok(directory) } else { Err(RunError::NotARun { path: directory.path }) }
    }

    /// Claims the run for this process. File systems that know no locks are not guarded.
    ///
    /// # Errors
    ///
    /// [`RunError::InUse`] if another process has claimed it.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        // A file of its own, because on some systems a locked file can be neither read nor written by others.
        let file = open_to_append(&self.path.join(LOCK))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(RunError::InUse { path: self.path.clone() }),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(RunLock { _file: file }),
        }
    }

    /// Replaces the saved configuration.
    ///
    /// # Errors
    ///
    /// Those of [`write_file`].
    pub fn write_config(&self, text: &str) -> Result<(), RunError> {
        write_file(&self.config(), text.as_bytes())
    }

    /// Adds lines to `log.txt`.
    ///
    /// # Errors
    ///
    /// A [`RunError`] naming the file.
    pub fn append_log(&self, text: &str) -> Result<(), RunError> {
        let path = self.log();
        let line = format!("{}\n", text.trim_end_matches('\n'));
        open_to_append(&path)?.write_all(line.as_bytes()).map_err(|source| RunError::io("writing", &path, source))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }

    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    pub fn metrics_csv(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }

    pub fn timing(&self) -> PathBuf {
        self.path.join("timing.jsonl")
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.out.tfevents.burn-sppo")
    }

    pub fn samples(&self) -> PathBuf {
        self.path.join("samples.jsonl")
    }

    pub fn evaluation(&self) -> PathBuf {
        self.path.join("evaluation.jsonl")
    }

    pub fn curves(&self) -> PathBuf {
        self.path.join("curves.svg")
    }

    /// Folder of [`Checkpoints`](super::Checkpoints).
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Folder of [`HealthChecks::with_dumps`](super::HealthChecks::with_dumps).
    pub fn dumps(&self) -> PathBuf {
        self.path.join("dumps")
    }
}

pub(super) fn open_to_append(path: &Path) -> Result<File, RunError> {
    File::options().create(true).append(true).open(path).map_err(|source| RunError::io("opening", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_is_made_with_its_parents_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs/imdb/first");
        let made = RunDirectory::create(&path, "seed = 1\n").unwrap();
        assert_eq!(RunDirectory::open(&path).unwrap(), made);
        assert_eq!(fs::read_to_string(made.config()).unwrap(), "seed = 1\n");
        made.append_log("one").unwrap();
        made.append_log("two\n").unwrap();
        assert_eq!(fs::read_to_string(made.log()).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_run_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        RunDirectory::create(folder.path(), "seed = 1\n").unwrap();
        let error = RunDirectory::create(folder.path(), "seed = 2\n").unwrap_err();
        assert!(matches!(error, RunError::Occupied { .. }), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("config.toml")).unwrap(), "seed = 1\n");
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "").unwrap();
        let error = RunDirectory::create(folder.path(), "").unwrap_err();
        assert!(matches!(&error, RunError::Foreign { entry, .. } if entry == "thesis.tex"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_an_interrupted_start_has_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".config.toml.partial"), "se").unwrap();
        RunDirectory::create(folder.path(), "seed = 1\n").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_below_a_file_or_a_file_itself_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("run"), file.join("a/b/run")] {
            let error = RunDirectory::create(&path, "").unwrap_err();
            assert!(matches!(&error, RunError::BelowAFile { file: found, .. } if *found == file), "{error}");
        }
    }

    #[test]
    fn what_is_not_a_run_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(RunDirectory::open(folder.path()), Err(RunError::NotARun { .. })));
        assert!(matches!(RunDirectory::open(folder.path().join("no")), Err(RunError::Missing { .. })));
    }

    #[test]
    fn a_run_has_one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        let lock = directory.lock().unwrap();
        assert!(matches!(directory.lock(), Err(RunError::InUse { .. })));
        directory.append_log("the owner may still write").unwrap();
        drop(lock);
        directory.lock().unwrap();
    }
}
