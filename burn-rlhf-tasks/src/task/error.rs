use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with the files of a data set. Rows count from 1, without the header of a CSV file.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{} does not exist: check the path of the data", .path.display())]
    NotFound { path: PathBuf },
    #[error("{}: {source}", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} holds no {part} data: expected files named like {part}.jsonl, {part}.csv or {part}-00000-of-00001.parquet \
         (.gz and .zst are fine)",
        .path.display()
    )]
    NoFiles { path: PathBuf, part: &'static str },
    #[error(
        "{} has no known format: name it .jsonl, .csv or .parquet, with .gz or .zst after it if it is compressed",
        .path.display()
    )]
    UnknownFormat { path: PathBuf },
    #[error("{} ends in the middle of its compressed data: fetch or write it again", .path.display())]
    Truncated { path: PathBuf },
    #[error("{} cannot be decompressed: {message}. Fetch or write it again", .path.display())]
    Compression { path: PathBuf, message: String },
    #[error("{} cannot be read as parquet: {message}. Fetch or write it again", .path.display())]
    Parquet { path: PathBuf, message: String },
    #[error(
        "{} has no column {column:?}: it has {}. Choose another with the text and label column options",
        .path.display(), quoted(.available)
    )]
    MissingColumn { path: PathBuf, column: String, available: Vec<String> },
    #[error("{}: column {column:?} holds {found} where {expected} was expected", .path.display())]
    ColumnType { path: PathBuf, column: String, found: String, expected: &'static str },
    #[error("{}, row {row}: {message}", .path.display())]
    MalformedRow { path: PathBuf, row: u64, message: String },
    #[error("{}, row {row}: there is nothing in column {column:?}", .path.display())]
    MissingValue { path: PathBuf, row: u64, column: String },
    #[error("{}, row {row}: column {column:?} holds {found} where {expected} was expected", .path.display())]
    ValueType { path: PathBuf, row: u64, column: String, found: &'static str, expected: &'static str },
    #[error(
        "{}, row {row}: {value} in column {column:?} is not a label. Labels are 0 or 1, false or true, neg or pos",
        .path.display()
    )]
    Label { path: PathBuf, row: u64, column: String, value: String },
    #[error("{}, row {row}: {what} is not UTF-8. Convert the file to UTF-8", .path.display())]
    InvalidUtf8 { path: PathBuf, row: u64, what: String },
    #[error("{} holds no row", list(.paths))]
    Empty { paths: Vec<PathBuf> },
    #[error("{setting} is {value}, which is not between 0 and 1")]
    Fraction { setting: &'static str, value: f64 },
}

impl DataError {
    /// The error of reading `path`, where decompression has its own kinds (see `rows::input`).
    pub(super) fn reading(path: &Path, error: io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::UnexpectedEof => Self::Truncated { path },
            io::ErrorKind::InvalidData => Self::Compression { path, message: error.to_string() },
            _ => Self::Io { path, source: error },
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    if names.is_empty() { "none".to_string() } else { names.join(", ") }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if paths.is_empty() { "the data set".to_string() } else { paths.join(", ") }
}
