use crate::run::RunError;
use crate::run::lines::{AppendFile, cut};
use std::fs;
use std::path::{Path, PathBuf};

/// `metrics.csv`: the columns are those of the first row, so that every row has as many cells as the header.
#[derive(Debug)]
pub(super) struct Table {
    path: PathBuf,
    file: AppendFile,
    columns: Vec<String>,
}

const ITERATION: &str = "iteration";

impl Table {
    pub(super) fn open(path: PathBuf, kept: Option<u64>) -> Result<Self, RunError> {
        cut(&path, |bytes| kept_rows(&path, bytes, kept))?;
        let file = AppendFile::open(path.clone())?;
        let columns = if file.is_empty() { Vec::new() } else { columns(&path)? };
        Ok(Self { path, file, columns })
    }

    pub(super) fn append(&mut self, iteration: u64, entries: &[(&str, f64)]) -> Result<(), RunError> {
        let mut text = Vec::new();
        let columns = if self.file.is_empty() {
            let columns: Vec<String> = entries.iter().map(|(key, _)| key.to_string()).collect();
            let header = std::iter::once(ITERATION).chain(columns.iter().map(String::as_str));
            self.write(&mut text, header)?;
            Some(columns)
        } else {
            None
        };
        let row = columns.as_ref().unwrap_or(&self.columns).iter().map(|column| {
            entries.iter().find(|(key, _)| key == column).map(|&(_, value)| cell(value)).unwrap_or_default()
        });
        self.write(&mut text, std::iter::once(iteration.to_string()).chain(row))?;
        self.file.append(&text)?;
        if let Some(columns) = columns {
            self.columns = columns;
        }
        Ok(())
    }

    fn write<C: AsRef<[u8]>>(&self, text: &mut Vec<u8>, cells: impl Iterator<Item = C>) -> Result<(), RunError> {
        write_row(text, cells).map_err(|error| RunError::io("writing", &self.path, error.into()))
    }

    pub(super) fn sync(&self) -> Result<(), RunError> {
        self.file.sync()
    }
}

fn write_row<C: AsRef<[u8]>>(text: &mut Vec<u8>, cells: impl Iterator<Item = C>) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(text);
    writer.write_record(cells)?;
    Ok(writer.flush()?)
}

/// The shortest form that reads back as the same number.
fn cell(value: f64) -> String {
    if value.is_finite() { serde_json::json!(value).to_string() } else { value.to_string() }
}

fn columns(path: &Path) -> Result<Vec<String>, RunError> {
    let bytes = fs::read(path).map_err(|source| RunError::io("reading", path, source))?;
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let header = reader.headers().map_err(|error| malformed(path, 1, error.to_string()))?;
    Ok(header.iter().skip(1).map(str::to_string).collect())
}

fn kept_rows(path: &Path, bytes: &[u8], kept: Option<u64>) -> Result<Vec<u8>, RunError> {
    let (mut result, mut rows) = (Vec::new(), 0);
    let Some(kept) = kept else { return Ok(result) };
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..end]);
    for (number, record) in reader.byte_records().enumerate() {
        let wrong = |reason: String| malformed(path, number + 1, reason);
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let first = String::from_utf8_lossy(record.get(0).unwrap_or_default()).into_owned();
        if number > 0 {
            let iteration: u64 = first.parse().map_err(|_| wrong(format!("{first:?} is not an iteration")))?;
            if iteration > kept {
                continue;
            }
            rows += 1;
        } else if first != ITERATION {
            return Err(wrong(format!("the first column is {first:?} instead of {ITERATION:?}")));
        }
        write_row(&mut result, record.iter()).map_err(|error| wrong(error.to_string()))?;
    }
    // The row that would have fixed the columns is gone, so the next one does.
    if rows == 0 {
        result.clear();
    }
    Ok(result)
}

fn malformed(path: &Path, line: usize, reason: String) -> RunError {
    RunError::Line { path: path.to_path_buf(), line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, kept: Option<u64>) -> Result<Table, RunError> {
        Table::open(folder.join("a.csv"), kept)
    }

    fn content(folder: &Path) -> String {
        fs::read_to_string(folder.join("a.csv")).unwrap()
    }

    #[test]
    fn later_names_make_no_new_cells_and_absent_ones_leave_theirs_empty() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = open(folder.path(), None).unwrap();
        table.append(1, &[("a", 1.0), ("b, c", 2.0)]).unwrap();
        table.append(2, &[("new", 9.0), ("b, c", 3.0)]).unwrap();
        let mut table = open(folder.path(), Some(2)).unwrap();
        table.append(3, &[("b, c", 4.0), ("new", 9.0), ("a", 5.0)]).unwrap();
        assert_eq!(content(folder.path()), "iteration,a,\"b, c\"\n1,1.0,2.0\n2,,3.0\n3,5.0,4.0\n");
    }

    #[test]
    fn a_torn_row_goes_wherever_it_was_torn() {
        let whole = "iteration,a\n1,0.5\n2,0.25\n";
        for length in 0..whole.len() {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.csv"), &whole[..length]).unwrap();
            let mut table = open(folder.path(), Some(9)).unwrap();
            table.append(3, &[("a", 1.0)]).unwrap();
            let expected = if length < 18 { "iteration,a\n3,1.0\n" } else { "iteration,a\n1,0.5\n3,1.0\n" };
            assert_eq!(content(folder.path()), expected, "torn after {length} bytes");
        }
    }

    #[test]
    fn what_is_no_table_of_metrics_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (text, line) in [("name,a\nx,1\n", 1), ("iteration,a\n1,2\nx,3\n", 3), ("iteration,a\n1,2,3\n", 2)] {
            fs::write(folder.path().join("a.csv"), text).unwrap();
            let error = open(folder.path(), Some(9)).unwrap_err();
            assert!(matches!(&error, RunError::Line { line: found, .. } if *found == line), "{error}");
            assert_eq!(content(folder.path()), text);
        }
    }
}
