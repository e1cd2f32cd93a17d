use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::input::{self, Compression};
use super::{Columns, Row, label};
use crate::task::DataError;

/// Rows decoded at a time.
const BATCH: usize = 256;

/// The text and label columns of a parquet file.
pub(super) struct Parquet {
    path: PathBuf,
    columns: Columns,
    file: Box<dyn FileReader + Send>,
    text: usize,
    label: Option<usize>,
    next_group: usize,
    group: Option<Group>,
    batch: std::vec::IntoIter<(Option<ByteArray>, Option<Cell>)>,
    row: u64,
}

struct Group {
    text: Column<ByteArrayType>,
    label: Option<LabelColumn>,
}

enum LabelColumn {
    Bool(Column<BoolType>),
    Int32(Column<Int32Type>),
    Int64(Column<Int64Type>),
    Text(Column<ByteArrayType>),
}

/// A label as it is stored; `None` inside is null.
enum Cell {
    Number(Option<i64>),
    Text(Option<ByteArray>),
}

impl Parquet {
    pub(super) fn open(path: PathBuf, columns: Columns, compression: Compression) -> Result<Self, DataError> {
        let failed = |error| DataError::Parquet { path: path.clone(), message: message(&error) };
        let file: Box<dyn FileReader + Send> = if compression == Compression::None {
            let file = input::open_file(&path)?;
            Box::new(guarded(|| SerializedFileReader::new(file)).map_err(failed)?)
        } else {
            let mut bytes = Vec::new();
            let read = input::open(&path, compression)?.read_to_end(&mut bytes);
            read.map_err(|error| DataError::reading(&path, error))?;
            Box::new(guarded(|| SerializedFileReader::new(Bytes::from(bytes))).map_err(failed)?)
        };
        let mut parquet = Self {
            path,
            columns,
            file,
            text: 0,
            label: None,
            next_group: 0,
            group: None,
            batch: Vec::new().into_iter(),
            row: 0,
        };
        parquet.text = parquet.place(&parquet.columns.text, &[Type::BYTE_ARRAY], "a text")?;
        let kinds = [Type::BOOLEAN, Type::INT32, Type::INT64, Type::BYTE_ARRAY];
        let label = parquet.columns.label.as_deref();
        parquet.label = label.map(|column| parquet.place(column, &kinds, "a label")).transpose()?;
        Ok(parquet)
    }

    /// Number of the leaf column of this name.
    fn place(&self, column: &str, kinds: &[Type], expected: &'static str) -> Result<usize, DataError> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let names = || schema.columns().iter().map(|leaf| leaf.path().string());
        let place = names().position(|name| name == column).ok_or_else(|| DataError::MissingColumn {
            path: self.path.clone(),
            column: column.to_string(),
            available: names().collect(),
        })?;
        let leaf = schema.column(place);
        if leaf.max_rep_level() > 0 || !kinds.contains(&leaf.physical_type()) {
            let list = if leaf.max_rep_level() > 0 { "lists of " } else { "" };
            return Err(DataError::ColumnType {
                path: self.path.clone(),
                column: column.to_string(),
                found: format!("{list}{}", leaf.physical_type()),
                expected,
            });
        }
        Ok(place)
    }

    fn next_batch(&mut self) -> Result<bool, ParquetError> {
        loop {
            let Some(group) = &mut self.group else {
                if self.next_group == self.file.num_row_groups() {
                    return Ok(false);
                }
                let reader = self.file.get_row_group(self.next_group)?;
                let schema = self.file.metadata().file_metadata().schema_descr();
                let leaf = |place| Ok((reader.get_column_reader(place)?, schema.column(place).max_def_level()));
                let text = leaf(self.text).and_then(Column::of)?;
                let label = self.label.map(|place| leaf(place).and_then(LabelColumn::of)).transpose()?;
                self.group = Some(Group { text, label });
                self.next_group += 1;
                continue;
            };
            let texts = group.text.read()?;
            let labels = group.label.as_mut().map(LabelColumn::read).transpose()?;
            if labels.as_ref().is_some_and(|labels| labels.len() != texts.len()) {
                return Err(ParquetError::General("the columns differ in length".to_string()));
            }
            if texts.is_empty() {
                self.group = None;
                continue;
            }
            let labels = labels.into_iter().flatten().map(Some).chain(std::iter::repeat_with(|| None));
            self.batch = texts.into_iter().zip(labels).collect::<Vec<_>>().into_iter();
            return Ok(true);
        }
    }

    fn row(&self, text: Option<ByteArray>, label: Option<Cell>) -> Result<Row, DataError> {
        let text = self.utf8(text, &self.columns.text)?;
        let column = self.columns.label.as_deref().unwrap_or_default();
        let label = label.map(|cell| self.label(cell, column)).transpose()?;
        Ok(Row { text, label })
    }

    fn label(&self, cell: Cell, column: &str) -> Result<u8, DataError> {
        let (label, value) = match cell {
            Cell::Number(None) => return Err(self.missing(column)),
            Cell::Number(Some(number)) => (label::of_integer(number), number.to_string()),
            Cell::Text(text) => {
                let text = self.utf8(text, column)?;
                (label::of_text(&text), format!("{text:?}"))
            }
        };
        label.ok_or_else(|| DataError::Label {
            path: self.path.clone(),
            row: self.row,
            column: column.to_string(),
            value,
        })
    }

    fn utf8(&self, bytes: Option<ByteArray>, column: &str) -> Result<String, DataError> {
        let bytes = bytes.ok_or_else(|| self.missing(column))?;
        String::from_utf8(bytes.data().to_vec()).map_err(|_| DataError::InvalidUtf8 {
            path: self.path.clone(),
            row: self.row,
            what: format!("column {column:?}"),
        })
    }

    fn missing(&self, column: &str) -> DataError {
        DataError::MissingValue { path: self.path.clone(), row: self.row, column: column.to_string() }
    }
}

impl Iterator for Parquet {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((text, label)) = self.batch.next() {
                self.row += 1;
                return Some(self.row(text, label));
            }
            match guarded(|| self.next_batch()) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    return Some(Err(DataError::Parquet { path: self.path.clone(), message: message(&error) }));
                }
            }
        }
    }
}

impl LabelColumn {
    fn of(leaf: (ColumnReader, i16)) -> Result<Self, ParquetError> {
        match leaf.0 {
            ColumnReader::BoolColumnReader(_) => Column::of(leaf).map(Self::Bool),
            ColumnReader::Int32ColumnReader(_) => Column::of(leaf).map(Self::Int32),
            ColumnReader::Int64ColumnReader(_) => Column::of(leaf).map(Self::Int64),
            _ => Column::of(leaf).map(Self::Text),
        }
    }

    fn read(&mut self) -> Result<Vec<Cell>, ParquetError> {
        fn numbers<T: Into<i64>>(values: Vec<Option<T>>) -> Vec<Cell> {
            values.into_iter().map(|value| Cell::Number(value.map(Into::into))).collect()
        }
        Ok(match self {
            Self::Bool(column) => numbers(column.read()?),
            Self::Int32(column) => numbers(column.read()?),
            Self::Int64(column) => numbers(column.read()?),
            Self::Text(column) => column.read()?.into_iter().map(Cell::Text).collect(),
        })
    }
}

/// A flat column of one row group.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// The definition level of a value that is there.
    present: i16,
}

impl<T: DataType> Column<T> {
    fn of((reader, present): (ColumnReader, i16)) -> Result<Self, ParquetError> {
        let reader = T::get_column_reader(reader)
            .ok_or_else(|| ParquetError::General("a column is not of the type of the schema".to_string()))?;
        Ok(Self { reader, present })
    }

    /// The next values, `None` for nulls. Empty at the end of the group.
    fn read(&mut self) -> Result<Vec<Option<T::T>>, ParquetError> {
        let (mut levels, mut values) = (Vec::new(), Vec::with_capacity(BATCH));
        self.reader.read_records(BATCH, Some(&mut levels), None, &mut values)?;
        let mut values = values.into_iter();
        if self.present == 0 {
            return Ok(values.map(Some).collect());
        }
        Ok(levels.into_iter().map(|level| if level == self.present { values.next() } else { None }).collect())
    }
}

/// Runs a call of the parquet library, which answers some damaged files with a panic.
fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    // What the call leaves behind is dropped: `Rows` ends after an error.
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(ParquetError::General("its structure is damaged".to_string())))
}

/// The message without its class name.
fn message(error: &ParquetError) -> String {
    match error {
        ParquetError::General(text) | ParquetError::NYI(text) | ParquetError::EOF(text) => text.clone(),
        other => other.to_string(),
    }
}
