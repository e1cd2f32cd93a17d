use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::input::{self, Compression, Input};
use super::{Columns, LONGEST_ROW, Row, label};
use crate::task::DataError;

/// One JSON object a line. Row numbers are line numbers; blank lines are skipped.
pub(super) struct JsonLines {
    path: PathBuf,
    columns: Columns,
    reader: BufReader<Input>,
    line: Vec<u8>,
    row: u64,
}

impl JsonLines {
    pub(super) fn open(path: PathBuf, columns: Columns, compression: Compression) -> Result<Self, DataError> {
        let reader = BufReader::with_capacity(1 << 16, input::open(&path, compression)?);
        Ok(Self { path, columns, reader, line: Vec::new(), row: 0 })
    }

    fn malformed(&self, message: String) -> DataError {
        DataError::MalformedRow { path: self.path.clone(), row: self.row, message }
    }

    fn missing(&self, column: &str) -> DataError {
        DataError::MissingValue { path: self.path.clone(), row: self.row, column: column.to_string() }
    }

    /// Reads the next line that is not blank. `false` at the end.
    fn advance(&mut self) -> Result<bool, DataError> {
        loop {
            self.line.clear();
            self.row += 1;
            let read = (&mut self.reader).take(LONGEST_ROW).read_until(b'\n', &mut self.line);
            if read.map_err(|error| DataError::reading(&self.path, error))? == 0 {
                return Ok(false);
            }
            if self.line.len() as u64 == LONGEST_ROW && !self.line.ends_with(b"\n") {
                return Err(self.malformed(format!("the line is longer than {} MiB", LONGEST_ROW >> 20)));
            }
            if self.row == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn parse(&self) -> Result<Row, DataError> {
        let line = std::str::from_utf8(&self.line).map_err(|_| DataError::InvalidUtf8 {
            path: self.path.clone(),
            row: self.row,
            what: "the line".to_string(),
        })?;
        let value: Value = serde_json::from_str(line)
            .map_err(|error| self.malformed(format!("the line is not JSON: {}", without_line(&error))))?;
        let Value::Object(mut fields) = value else {
            return Err(self.malformed(format!("the line is {}, not an object", kind(&value))));
        };
        let label = self.columns.label.as_deref().map(|column| self.label(&fields, column)).transpose()?;
        let text = match fields.remove(&self.columns.text) {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => return Err(self.missing(&self.columns.text)),
            Some(other) => {
                return Err(DataError::ValueType {
                    path: self.path.clone(),
                    row: self.row,
                    column: self.columns.text.clone(),
                    found: kind(&other),
                    expected: "a text",
                });
            }
        };
        Ok(Row { text, label })
    }

    fn label(&self, fields: &Map<String, Value>, column: &str) -> Result<u8, DataError> {
        let value = fields.get(column).filter(|value| !value.is_null()).ok_or_else(|| self.missing(column))?;
        label::of_json(value).ok_or_else(|| DataError::Label {
            path: self.path.clone(),
            row: self.row,
            column: column.to_string(),
            value: value.to_string(),
        })
    }
}

impl Iterator for JsonLines {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(self.parse()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The message without "at line 1 column 5": the row is already named.
fn without_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) => format!("{} at column {}", &message[..end], error.column()),
        None => message,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
