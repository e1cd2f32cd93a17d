use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::environment::{EnvironmentError, Episode};

/// A file of finished episodes as Stable-Baselines3 writes it, whose tools read it where it is called `monitor.csv`: a
/// line `#{"t_start": …, "env_id": …}`, then `r,l,t`, the raw return, the length and the seconds since the start.
///
/// Clones write into the same file. Before it is opened, episodes are forgotten.
#[derive(Clone, Debug, Default)]
pub struct EpisodeLog {
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// Seconds before `start`.
    before: f64,
    start: Instant,
}

impl EpisodeLog {
    /// Begins a file, in the place of one that is there, for environments of the task `id`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(&self, path: &Path, id: &str) -> Result<(), EnvironmentError> {
        let file = begin(path, id).map_err(|source| failure(path, source))?;
        *self.lock() = Some(Open { path: path.to_path_buf(), file, before: 0.0, start: Instant::now() });
        Ok(())
    }

    /// Goes on with a file after `seconds` of training, when it had `length` bytes: lines that came later are cut off. A
    /// file that has got lost is begun anew.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn resume(&self, path: &Path, id: &str, length: u64, seconds: f64) -> Result<(), EnvironmentError> {
        let file = cut(path, length).and_then(|kept| match kept {
            Some(file) => Ok(file),
            None => begin(path, id),
        });
        let file = file.map_err(|source| failure(path, source))?;
        *self.lock() = Some(Open { path: path.to_path_buf(), file, before: seconds, start: Instant::now() });
        Ok(())
    }

    /// Bytes so far; `None` before it is opened.
    ///
    /// # Errors
    /// If the file cannot be asked.
    pub fn length(&self) -> Result<Option<u64>, EnvironmentError> {
        let open = self.lock();
        let Some(Open { path, file, .. }) = open.as_ref() else { return Ok(None) };
        file.metadata().map(|metadata| Some(metadata.len())).map_err(|source| failure(path, source))
    }

    /// Adds an episode that has just ended.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, episode: &Episode) -> Result<(), EnvironmentError> {
        let mut open = self.lock();
        let Some(Open { path, file, before, start }) = open.as_mut() else { return Ok(()) };
        let seconds = rounded(*before + start.elapsed().as_secs_f64());
        let line = format!("{:?},{},{seconds:?}\n", rounded(episode.episode_return), episode.length);
        file.write_all(line.as_bytes()).map_err(|source| failure(path, source))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn begin(path: &Path, id: &str) -> io::Result<File> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut file = File::create(path)?;
    write!(file, "#{{\"t_start\": {now:.6}, \"env_id\": {}}}\nr,l,t\n", serde_json::Value::from(id))?;
    Ok(file)
}

/// Cuts a file off after `length` bytes, or after its last whole line if it is shorter; `None` if nothing is left of it.
fn cut(path: &Path, length: u64) -> io::Result<Option<File>> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut kept = fs::read(path)?;
    kept.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    let lines = kept.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    file.set_len(lines as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok((lines > 0).then_some(file))
}

/// As Python writes a number that was rounded to six digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.6}").parse().unwrap_or(value)
}

fn failure(path: &Path, source: io::Error) -> EnvironmentError {
    EnvironmentError::Io { doing: "writing", path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(episode_return: f64) -> Episode {
        Episode { episode_return, length: 12 }
    }

    fn returns(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let mut lines = text.lines();
        let head: serde_json::Value = serde_json::from_str(lines.next().unwrap().strip_prefix('#').unwrap()).unwrap();
        assert!(head["t_start"].as_f64().unwrap() > 1.7e9 && head["env_id"] == "Task-v0", "{head}");
        assert_eq!(lines.next(), Some("r,l,t"));
        lines.map(|line| line.split_once(",12,").unwrap().0.to_string()).collect()
    }

    #[test]
    fn what_came_after_a_checkpoint_is_cut_off_and_time_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monitor.csv");
        let log = EpisodeLog::default();
        log.write(&episode(9.0)).unwrap();
        assert_eq!(log.length().unwrap(), None);
        log.create(&path, "Task-v0").unwrap();
        log.write(&episode(1.0)).unwrap();
        log.clone().write(&episode(0.123_456_789)).unwrap();
        let length = log.length().unwrap().unwrap();
        log.write(&episode(-3.0)).unwrap();
        assert_eq!(returns(&path), ["1.0", "0.123457", "-3.0"]);

        let resumed = EpisodeLog::default();
        resumed.resume(&path, "Task-v0", length, 1000.0).unwrap();
        resumed.write(&episode(4.0)).unwrap();
        assert_eq!(returns(&path), ["1.0", "0.123457", "4.0"]);
        let text = fs::read_to_string(&path).unwrap();
        let seconds: f64 = text.lines().last().unwrap().rsplit_once(',').unwrap().1.parse().unwrap();
        assert!((1000.0..1060.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_damaged_file_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monitor.csv");
        let log = EpisodeLog::default();
        log.resume(&path, "Task-v0", 500, 1.0).unwrap();
        log.write(&episode(1.0)).unwrap();
        assert_eq!(returns(&path), ["1.0"]);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("2.0,1");
        fs::write(&path, &text).unwrap();
        log.resume(&path, "Task-v0", 5000, 1.0).unwrap();
        log.write(&episode(3.0)).unwrap();
        assert_eq!(returns(&path), ["1.0", "3.0"]);
        fs::write(&path, "").unwrap();
        log.resume(&path, "Task-v0", 50, 1.0).unwrap();
        assert_eq!(returns(&path).len(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let error = EpisodeLog::default().create(Path::new("/nowhere/monitor.csv"), "Task-v0").unwrap_err();
        assert!(error.to_string().contains("/nowhere/monitor.csv"), "{error}");
    }
}
