use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::forward;
use crate::environment::{Actions, EnvironmentError, Observations, StateReader, StateWriter, Step, VectorEnvironment};

/// Writes every finished episode of environment `i` to `<i>.monitor.csv`: a line `#{"t_start": …, "env_id": …}`, then
/// `r,l,t`, the raw return, the length and the seconds since the start.
///
/// A reset begins the files, unless they are being written already. Going back to a saved state cuts off the lines
/// that came after it.
pub struct Monitor<V> {
    inner: V,
    folder: PathBuf,
    files: Vec<File>,
    /// Seconds that earlier runs have taken.
    before: Duration,
    start: Instant,
}

impl<V: VectorEnvironment> Monitor<V> {
    /// The files lie in `folder`, which must exist.
    pub fn new(inner: V, folder: &Path) -> Self {
        Self { inner, folder: folder.to_path_buf(), files: Vec::new(), before: Duration::ZERO, start: Instant::now() }
    }

    fn path(&self, env: usize) -> PathBuf {
        self.folder.join(format!("{env}.monitor.csv"))
    }

    fn failure(&self, env: usize, source: io::Error) -> EnvironmentError {
        EnvironmentError::Io { doing: "writing", path: self.path(env), source }
    }

    fn begin(&mut self) -> Result<(), EnvironmentError> {
        (self.before, self.start) = (Duration::ZERO, Instant::now());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let id = serde_json::Value::from(self.inner.spec().id.as_str());
        let head = format!("#{{\"t_start\": {now:.6}, \"env_id\": {id}}}\nr,l,t\n");
        self.files = self.open(|path| {
            let mut file = File::create(path)?;
            file.write_all(head.as_bytes())?;
            Ok(file)
        })?;
        Ok(())
    }

    fn open(&self, open: impl Fn(&Path) -> io::Result<File>) -> Result<Vec<File>, EnvironmentError> {
        (0..self.inner.spec().num_envs)
            .map(|env| open(&self.path(env)).map_err(|source| self.failure(env, source)))
            .collect()
    }
}

/// As Python writes a number that was rounded to six digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.6}").parse().unwrap_or(value)
}

impl<V: VectorEnvironment> VectorEnvironment for Monitor<V> {
    forward!(spec, restart, render, normalizer);

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        if self.files.is_empty() {
            self.begin()?;
        }
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        let finished = step.episodes.iter().zip(&mut self.files).enumerate();
        for (env, (episode, file)) in
            finished.filter_map(|(env, (episode, file))| Some((env, (episode.as_ref()?, file))))
        {
            let seconds = rounded((self.before + self.start.elapsed()).as_secs_f64());
            writeln!(file, "{:?},{},{seconds:?}", rounded(episode.episode_return), episode.length).map_err(
                |source| EnvironmentError::Io {
                    doing: "writing",
                    path: self.folder.join(format!("{env}.monitor.csv")),
                    source,
                },
            )?;
        }
        Ok(step)
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = StateWriter::new();
        state.bytes(&self.inner.save()?);
        state.f64((self.before + self.start.elapsed()).as_secs_f64()).u64(self.files.len() as u64);
        for file in &self.files {
            state.u64(file.metadata().ok()?.len());
        }
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        let id = self.inner.spec().id.clone();
        let mut reader = StateReader::new(&id, state);
        let inner = reader.bytes()?;
        let seconds = reader.f64()?;
        self.before = Duration::try_from_secs_f64(seconds).map_err(|error| reader.error(error.to_string()))?;
        self.start = Instant::now();
        reader.expect("number of monitored environments", self.inner.spec().num_envs as u64)?;
        self.files = self.open(|path| OpenOptions::new().write(true).open(path))?;
        for (env, file) in self.files.iter().enumerate() {
            let length = reader.u64()?;
            let cut = || {
                if file.metadata()?.len() < length {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has lost lines since"));
                }
                file.set_len(length)?;
                (&*file).seek(SeekFrom::End(0))
            };
            cut().map_err(|source| self.failure(env, source))?;
        }
        reader.end()?;
        self.inner.restore(inner)
    }
}
