use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;

use super::input::{self, Compression, Input};
use super::{Columns, LONGEST_ROW, Row, label};
use crate::task::DataError;

/// Comma-separated values with a header.
pub(super) struct Csv {
    path: PathBuf,
    columns: Columns,
    reader: csv::Reader<Budget>,
    text: usize,
    label: Option<usize>,
    record: ByteRecord,
    row: u64,
    /// Bytes read since the last record was complete.
    pending: Arc<AtomicU64>,
}

impl Csv {
    pub(super) fn open(path: PathBuf, columns: Columns, compression: Compression) -> Result<Self, DataError> {
        let pending = Arc::new(AtomicU64::new(0));
        let source = Budget { inner: input::open(&path, compression)?, pending: pending.clone() };
        let reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(source);
        let mut csv = Self { path, columns, reader, text: 0, label: None, record: ByteRecord::new(), row: 0, pending };
        let header = match csv.reader.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(csv.error(error)),
        };
        if header.is_empty() {
            return Err(DataError::Empty { paths: vec![csv.path] });
        }
        csv.text = csv.place(&header, &csv.columns.text)?;
        csv.label = csv.columns.label.as_deref().map(|column| csv.place(&header, column)).transpose()?;
        Ok(csv)
    }

    fn place(&self, header: &ByteRecord, column: &str) -> Result<usize, DataError> {
        header.iter().position(|name| name == column.as_bytes()).ok_or_else(|| DataError::MissingColumn {
            path: self.path.clone(),
            column: column.to_string(),
            available: header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
        })
    }

    fn error(&self, error: csv::Error) -> DataError {
        let (path, row) = (self.path.clone(), self.row);
        let message = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("the row has {len} fields, the header has {expected_len}")
            }
            csv::ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::QuotaExceeded => {
                format!("the row is longer than {} MiB: is a quotation mark left open?", LONGEST_ROW >> 20)
            }
            _ => match error.into_kind() {
                csv::ErrorKind::Io(cause) => return DataError::reading(&path, cause),
                other => format!("{other:?}"),
            },
        };
        DataError::MalformedRow { path, row, message }
    }

    fn parse(&self) -> Result<Row, DataError> {
        let label = match self.label {
            None => None,
            Some(place) => {
                let value = self.field(place)?;
                let column = || self.columns.label.clone().unwrap_or_default();
                let (path, row) = (|| self.path.clone(), self.row);
                if value.trim().is_empty() {
                    return Err(DataError::MissingValue { path: path(), row, column: column() });
                }
                let label = label::of_text(value).ok_or_else(|| DataError::Label {
                    path: path(),
                    row,
                    column: column(),
                    value: format!("{value:?}"),
                })?;
                Some(label)
            }
        };
        Ok(Row { text: self.field(self.text)?.to_string(), label })
    }

    fn field(&self, place: usize) -> Result<&str, DataError> {
        let bytes = self.record.get(place).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| {
            let column = if place == self.text { Some(&self.columns.text) } else { self.columns.label.as_ref() };
            let what = format!("column {:?}", column.map(String::as_str).unwrap_or_default());
            DataError::InvalidUtf8 { path: self.path.clone(), row: self.row, what }
        })
    }
}

impl Iterator for Csv {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row += 1;
        self.pending.store(0, Ordering::Relaxed);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Some(self.parse()),
            Ok(false) => None,
            Err(error) => Some(Err(self.error(error))),
        }
    }
}

/// Refuses to feed a record without end: after an open quotation mark the reader would collect the rest of the file.
struct Budget {
    inner: Input,
    pending: Arc<AtomicU64>,
}

impl Read for Budget {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if self.pending.fetch_add(count as u64, Ordering::Relaxed) > LONGEST_ROW {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(count)
    }
}
