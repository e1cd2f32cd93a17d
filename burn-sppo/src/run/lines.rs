use super::directory::open_to_append;
use super::{RunError, write_file};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A file of JSON objects, one a line, each with the iteration that it belongs to first.
///
/// A line is written at once and in whole. Numbers have the shortest form that reads back as the same number; NaN and
/// the infinities, which JSON does not know, become `null`.
pub struct JsonLines<T> {
    file: AppendFile,
    record: PhantomData<fn(&T)>,
}

impl<T> fmt::Debug for JsonLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("file", &self.file).finish()
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    iteration: u64,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Deserialize)]
struct Iteration {
    iteration: u64,
}

impl<T: Serialize> JsonLines<T> {
    /// Opens or makes a file. Of what is there, the lines of iterations up to `kept` stay, and none if it is `None`; a
    /// last line that was being written when its process died goes in any case.
    ///
    /// # Errors
    ///
    /// [`RunError::Line`] naming a line that is no object with an iteration, or a [`RunError`] of the disk.
    pub fn open(path: impl Into<PathBuf>, kept: Option<u64>) -> Result<Self, RunError> {
        let path = path.into();
        cut(&path, |bytes| kept_lines(&path, bytes, kept))?;
        Ok(Self { file: AppendFile::open(path)?, record: PhantomData })
    }

    /// Adds a line: the iteration, then the fields of `record`.
    ///
    /// # Errors
    ///
    /// [`RunError::Encode`] if `record` is not an object, or a [`RunError`] of the disk; the file is then as before.
    pub fn append(&mut self, iteration: u64, record: &T) -> Result<(), RunError> {
        let mut line = serde_json::to_vec(&Line { iteration, record })
            .map_err(|source| RunError::Encode { path: self.file.path.clone(), source })?;
        line.push(b'\n');
        self.file.append(&line)
    }

    /// Makes everything so far survive a power failure.
    ///
    /// # Errors
    ///
    /// A [`RunError`] naming the file.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync()
    }
}

fn kept_lines(path: &Path, bytes: &[u8], kept: Option<u64>) -> Result<Vec<u8>, RunError> {
    let mut result = Vec::new();
    let Some(kept) = kept else { return Ok(result) };
    for (number, line) in whole_lines(bytes).enumerate() {
        let Iteration { iteration } = serde_json::from_slice(line).map_err(|error| RunError::Line {
            path: path.to_path_buf(),
            line: number + 1,
            reason: error.to_string(),
        })?;
        if iteration <= kept {
            result.extend_from_slice(line);
        }
    }
    Ok(result)
}

/// Lines with their ends; a last one without an end is torn and left out.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// Replaces the content of a file, if there is one, by a part of it.
pub(super) fn cut(path: &Path, part: impl FnOnce(&[u8]) -> Result<Vec<u8>, RunError>) -> Result<(), RunError> {
    match fs::read(path) {
        Ok(bytes) => {
            let rest = part(&bytes)?;
            if rest == bytes { Ok(()) } else { write_file(path, &rest) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RunError::io("reading", path, error)),
    }
}

/// A file that grows by whole records.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl AppendFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, RunError> {
        let file = open_to_append(&path)?;
        let length = file.metadata().map_err(|source| RunError::io("reading", &path, source))?.len();
        Ok(Self { path, file, length })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), RunError> {
        if let Err(error) = self.file.write_all(record) {
            // Without this, the next record would be glued to the written part of this one.
            let _ = self.file.set_len(self.length);
            return Err(RunError::io("writing", &self.path, error));
        }
        self.length += record.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|source| RunError::io("saving", &self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Text {
        text: &'static str,
        score: f64,
    }

    fn open(folder: &Path, kept: Option<u64>) -> Result<JsonLines<Text>, RunError> {
        JsonLines::open(folder.join("a.jsonl"), kept)
    }

    fn content(folder: &Path) -> String {
        fs::read_to_string(folder.join("a.jsonl")).unwrap()
    }

    fn filled(iterations: &[u64]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = open(folder.path(), None).unwrap();
        for &iteration in iterations {
            lines.append(iteration, &Text { text: "a\nb", score: 0.5 }).unwrap();
        }
        folder
    }

    #[test]
    fn a_record_is_one_line_that_begins_with_its_iteration() {
        let folder = filled(&[3]);
        assert_eq!(content(folder.path()), "{\"iteration\":3,\"text\":\"a\\nb\",\"score\":0.5}\n");
    }

    #[test]
    fn a_number_that_json_does_not_know_is_null() {
        let folder = filled(&[]);
        open(folder.path(), None).unwrap().append(1, &Text { text: "", score: f64::NAN }).unwrap();
        assert_eq!(content(folder.path()), "{\"iteration\":1,\"text\":\"\",\"score\":null}\n");
    }

    #[test]
    fn what_is_not_an_object_is_refused_and_nothing_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = JsonLines::open(folder.path().join("a.jsonl"), None).unwrap();
        assert!(matches!(lines.append(1, &7), Err(RunError::Encode { .. })));
        assert_eq!(content(folder.path()), "");
    }

    #[test]
    fn a_resumed_file_keeps_the_lines_up_to_its_iteration_and_goes_on() {
        let folder = filled(&[0, 1, 2, 2, 3, 1]);
        let whole = content(folder.path());
        open(folder.path(), Some(9)).unwrap();
        assert_eq!(content(folder.path()), whole);
        open(folder.path(), Some(2)).unwrap().append(3, &Text { text: "x", score: 1.0 }).unwrap();
        let iterations: Vec<_> = content(folder.path()).lines().map(|line| line[13..14].to_string()).collect();
        assert_eq!(iterations, ["0", "1", "2", "2", "1", "3"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_run_that_starts_over_keeps_nothing() {
        let folder = filled(&[0, 1]);
        open(folder.path(), None).unwrap();
        assert_eq!(content(folder.path()), "");
    }

    #[test]
    fn a_torn_last_line_goes_wherever_it_was_torn() {
        let whole = content(filled(&[1, 2]).path());
        let first = whole.find('\n').unwrap() + 1;
        for length in first..whole.len() {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.jsonl"), &whole[..length]).unwrap();
            open(folder.path(), Some(5)).unwrap();
            assert_eq!(content(folder.path()), whole[..first], "torn after {length} bytes");
        }
    }

    #[test]
    fn a_broken_line_in_the_middle_is_named_and_nothing_is_lost() {
        let folder = filled(&[1]);
        let broken = content(folder.path()) + "{\"iteration\"\n{\"iteration\":2}\n";
        fs::write(folder.path().join("a.jsonl"), &broken).unwrap();
        let error = open(folder.path(), Some(1)).unwrap_err();
        assert!(matches!(&error, RunError::Line { line: 2, .. }), "{error}");
        assert_eq!(content(folder.path()), broken);
    }
}
