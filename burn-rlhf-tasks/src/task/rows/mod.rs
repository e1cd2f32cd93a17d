//! Labelled texts from JSON Lines, CSV and parquet files, row by row.
//!
//! A file is never held whole: JSON Lines and CSV go through small buffers, parquet page by page, gzip and Zstandard
//! are undone on the way. The exception is a parquet file that is compressed as a whole, since its index stands at its
//! end.

mod csv;
mod input;
mod jsonl;
mod label;
mod parquet;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::input::Compression;
use super::DataError;

/// Bytes of the longest row. A longer one is taken for a broken file instead of being collected in memory.
const LONGEST_ROW: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// One row of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub text: String,
    /// 0 negative, 1 positive. `None` if no label column was asked for.
    pub label: Option<u8>,
}

/// The columns to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub text: String,
    /// No label is read where this is `None`, whatever the file holds.
    pub label: Option<String>,
}

impl Columns {
    pub fn new(text: impl Into<String>, label: Option<&str>) -> Self {
        Self { text: text.into(), label: label.map(str::to_string) }
    }
}

/// The rows of one file, in order. Ends after the first error.
pub struct Rows {
    rows: Option<Box<dyn Iterator<Item = Result<Row, DataError>> + Send>>,
}

impl Rows {
    /// Opens `path`; its name tells the format: `.jsonl`, `.json`, `.ndjson` (one object a line), `.csv` or `.parquet`,
    /// with `.gz` or `.zst` after it where it is compressed.
    ///
    /// # Errors
    /// If the file cannot be opened, its format is unknown or its header lacks a column. What is wrong with a row is
    /// told when the row is reached.
    pub fn open(path: &Path, columns: &Columns) -> Result<Self, DataError> {
        let (format, compression) =
            format_of(path).ok_or_else(|| DataError::UnknownFormat { path: path.to_path_buf() })?;
        let (path, columns) = (path.to_path_buf(), columns.clone());
        let rows: Box<dyn Iterator<Item = Result<Row, DataError>> + Send> = match format {
            Format::JsonLines => Box::new(jsonl::JsonLines::open(path, columns, compression)?),
            Format::Csv => Box::new(csv::Csv::open(path, columns, compression)?),
            Format::Parquet => Box::new(parquet::Parquet::open(path, columns, compression)?),
        };
        Ok(Self { rows: Some(rows) })
    }
}

impl Iterator for Rows {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.rows.as_mut()?.next();
        if !matches!(item, Some(Ok(_))) {
            self.rows = None;
        }
        item
    }
}

/// Whether the name of `path` is one that [`Rows::open`] can read.
pub(super) fn is_readable(path: &Path) -> bool {
    format_of(path).is_some()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    JsonLines,
    Csv,
    Parquet,
}

fn format_of(path: &Path) -> Option<(Format, Compression)> {
    let extension = |path: &Path| Some(path.extension()?.to_str()?.to_ascii_lowercase());
    let (compression, inner) = match extension(path)?.as_str() {
        "gz" => (Compression::Gzip, path.with_extension("")),
        "zst" | "zstd" => (Compression::Zstandard, path.with_extension("")),
        _ => (Compression::None, PathBuf::from(path)),
    };
    let format = match extension(&inner)?.as_str() {
        "jsonl" | "json" | "ndjson" => Format::JsonLines,
        "csv" => Format::Csv,
        "parquet" => Format::Parquet,
        _ => return None,
    };
    Some((format, compression))
}
