use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::Compression as Codec;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn columns() -> Columns {
    Columns::new("text", Some("label"))
}

/// Texts with everything that a format has to escape, and labels.
fn rows(count: usize) -> Vec<Row> {
    let texts =
        ["plain words", "a, \"quoted\"\nword", "déjà vu 🎬", "<br /><br />tab\tand \\n", "'", " spaces  around "];
    (0..count)
        .map(|row| Row { text: format!("{} {row}", texts[row % texts.len()]), label: Some((row % 3 == 0).into()) })
        .collect()
}

fn as_jsonl(rows: &[Row]) -> Vec<u8> {
    let lines = rows.iter().map(|row| format!("{}\n", json!({"id": 1, "label": row.label, "text": row.text})));
    lines.collect::<String>().into_bytes()
}

fn as_csv(rows: &[Row]) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["label", "note", "text"]).unwrap();
    for row in rows {
        writer.write_record([&row.label.unwrap().to_string(), "none", &row.text]).unwrap();
    }
    writer.into_inner().unwrap()
}

enum Labels {
    Int64(Vec<i64>),
    Int32(Vec<i32>),
    Bool(Vec<bool>),
    Text(Vec<&'static str>),
}

/// A parquet file of row groups of `group` rows. Texts are optional where `levels` (1 present, 0 null) are given.
fn parquet_of(texts: &[&[u8]], labels: &Labels, levels: Option<&[i16]>, group: usize, codec: Codec) -> Vec<u8> {
    let kind = match labels {
        Labels::Int64(_) => "required int64 label",
        Labels::Int32(_) => "required int32 label",
        Labels::Bool(_) => "required boolean label",
        Labels::Text(_) => "required binary label (UTF8)",
    };
    let presence = if levels.is_some() { "optional" } else { "required" };
    let schema = format!("message schema {{ required int64 id; {presence} binary text (UTF8); {kind}; }}");
    let properties = WriterProperties::builder().set_compression(codec).build();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let rows = levels.map_or(texts.len(), <[i16]>::len);
    let mut values = texts.iter().map(|text| ByteArray::from(text.to_vec()));
    for start in (0..rows).step_by(group) {
        let span = start..rows.min(start + group);
        let levels = levels.map(|levels| &levels[span.clone()]);
        let present = levels.map_or(span.len(), |levels| levels.iter().filter(|&&level| level == 1).count());
        let mut writer = writer.next_row_group().unwrap();
        let mut column = writer.next_column().unwrap().unwrap();
        let ids: Vec<i64> = span.clone().map(|row| row as i64).collect();
        column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let mut column = writer.next_column().unwrap().unwrap();
        let values: Vec<ByteArray> = values.by_ref().take(present).collect();
        column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
        column.close().unwrap();
        let mut column = writer.next_column().unwrap().unwrap();
        match labels {
            Labels::Int64(values) => column.typed::<Int64Type>().write_batch(&values[span], None, None),
            Labels::Int32(values) => column.typed::<Int32Type>().write_batch(&values[span], None, None),
            Labels::Bool(values) => column.typed::<BoolType>().write_batch(&values[span], None, None),
            Labels::Text(values) => {
                let values: Vec<ByteArray> = values[span].iter().map(|&value| ByteArray::from(value)).collect();
                column.typed::<ByteArrayType>().write_batch(&values, None, None)
            }
        }
        .unwrap();
        column.close().unwrap();
        writer.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn as_parquet(rows: &[Row], codec: Codec) -> Vec<u8> {
    let texts: Vec<&[u8]> = rows.iter().map(|row| row.text.as_bytes()).collect();
    let labels = Labels::Int64(rows.iter().map(|row| row.label.unwrap().into()).collect());
    parquet_of(&texts, &labels, None, 300, codec)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Reads until the end or the first error.
    fn read(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Vec<Row>, DataError> {
        read(&self.write(name, bytes))
    }

    /// The error of reading such a file. It names the file.
    fn error(&self, name: &str, bytes: impl AsRef<[u8]>) -> DataError {
        let error = self.read(name, bytes).expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
        error
    }
}

fn read(path: &Path) -> Result<Vec<Row>, DataError> {
    Rows::open(path, &columns())?.collect()
}

#[test]
fn every_format_and_compression_gives_back_the_rows() {
    let files = Files::new();
    let rows = rows(1_000);
    for (name, bytes) in [
        ("a.jsonl", as_jsonl(&rows)),
        ("a.ndjson", as_jsonl(&rows)),
        ("a.json", as_jsonl(&rows)),
        ("a.csv", as_csv(&rows)),
        ("a.parquet", as_parquet(&rows, Codec::UNCOMPRESSED)),
        ("snappy.parquet", as_parquet(&rows, Codec::SNAPPY)),
        ("gzip.parquet", as_parquet(&rows, Codec::GZIP(Default::default()))),
        ("A.JSONL", as_jsonl(&rows)),
    ] {
        assert_eq!(files.read(name, &bytes).unwrap(), rows, "{name}");
        assert_eq!(files.read(&format!("{name}.gz"), gzip(&bytes)).unwrap(), rows, "{name}.gz");
        assert_eq!(files.read(&format!("{name}.zst"), zstandard(&bytes)).unwrap(), rows, "{name}.zst");
        assert_eq!(files.read(&format!("{name}.zstd"), zstandard(&bytes)).unwrap(), rows, "{name}.zstd");
    }
}

#[test]
fn compressed_files_may_have_several_members() {
    let files = Files::new();
    let rows = rows(40);
    let bytes = as_jsonl(&rows);
    let (first, second) = bytes.split_at(777);
    assert_eq!(files.read("a.jsonl.gz", [gzip(first), gzip(second)].concat()).unwrap(), rows);
    // A skippable frame: magic number, length, content.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [zstandard(first), skipped.clone(), zstandard(second), skipped].concat();
    assert_eq!(files.read("a.jsonl.zst", frames).unwrap(), rows);
}

#[test]
fn no_label_is_read_unless_asked_for() {
    let files = Files::new();
    let path = files.write("a.jsonl", "{\"text\": \"a\"}\n\n  \n{\"text\": \"b\", \"label\": -1}");
    let rows: Result<Vec<Row>, DataError> = Rows::open(&path, &Columns::new("text", None)).unwrap().collect();
    let row = |text: &str| Row { text: text.to_string(), label: None };
    assert_eq!(rows.unwrap(), [row("a"), row("b")]);
    let path =
        files.write("a.parquet", parquet_of(&[b"a", b"b"], &Labels::Int64(vec![-1, -1]), None, 9, Codec::SNAPPY));
    let rows: Result<Vec<Row>, DataError> = Rows::open(&path, &Columns::new("text", None)).unwrap().collect();
    assert_eq!(rows.unwrap(), [row("a"), row("b")]);
}

#[test]
fn labels_have_several_spellings() {
    let files = Files::new();
    let labels = |rows: Vec<Row>| rows.into_iter().map(|row| row.label.unwrap()).collect::<Vec<u8>>();
    let lines = r#"{"text": "", "label": true}
        {"text": "", "label": "neg"}
        {"text": "", "label": 1}
        {"text": "", "label": "positive"}"#;
    assert_eq!(labels(files.read("a.jsonl", lines).unwrap()), [1, 0, 1, 1]);
    assert_eq!(labels(files.read("a.csv", "text,label\na,True\nb,neg\nc,1\n").unwrap()), [1, 0, 1]);
    for kind in [Labels::Int32(vec![0, 1]), Labels::Bool(vec![false, true]), Labels::Text(vec!["neg", "pos"])] {
        let bytes = parquet_of(&[b"a", b"b"], &kind, None, 9, Codec::SNAPPY);
        assert_eq!(labels(files.read("a.parquet", bytes).unwrap()), [0, 1]);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_data() {
    let files = Files::new();
    let rows = [Row { text: "a".to_string(), label: Some(1) }];
    assert_eq!(files.read("a.csv", "\u{feff}text,label\na,1\n").unwrap(), rows);
    assert_eq!(files.read("a.jsonl", "\u{feff}{\"text\": \"a\", \"label\": 1}\n").unwrap(), rows);
}

#[test]
fn a_file_that_is_not_there_or_has_no_format_is_named() {
    let files = Files::new();
    let absent = read(&files.0.path().join("absent.jsonl")).unwrap_err();
    assert!(matches!(absent, DataError::NotFound { .. }) && absent.to_string().contains("absent.jsonl"), "{absent}");
    for name in ["a.txt", "a", "a.gz", "a.xlsx.zst", ".jsonl"] {
        assert!(matches!(files.error(name, ""), DataError::UnknownFormat { .. }), "{name}");
    }
    std::fs::create_dir(files.0.path().join("folder.jsonl")).unwrap();
    for name in ["folder.jsonl", "a.txt/below.csv"] {
        let error = read(&files.0.path().join(name)).unwrap_err();
        assert!(matches!(error, DataError::Io { .. }) && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_missing_column_is_told_with_those_there_are() {
    let files = Files::new();
    let parquet = parquet_of(&[b"a"], &Labels::Int64(vec![1]), None, 9, Codec::SNAPPY);
    for (name, bytes) in [("a.csv", b"id,review\n1,a\n".to_vec()), ("a.parquet", parquet)] {
        let path = files.write(name, bytes);
        let error = Rows::open(&path, &Columns::new("body", None)).map(|_| ()).unwrap_err();
        assert!(matches!(&error, DataError::MissingColumn { column, .. } if column == "body"), "{error}");
        assert!(error.to_string().contains("\"id\", "), "{error}");
    }
    for line in [r#"{"label": 1}"#, r#"{"label": 1, "text": null}"#] {
        let error = files.error("a.jsonl", format!("{{\"label\": 1, \"text\": \"a\"}}\n{line}\n"));
        assert!(matches!(&error, DataError::MissingValue { row: 2, column, .. } if column == "text"), "{error}");
    }
    let error = files.error("b.jsonl", r#"{"text": "a"}"#);
    assert!(matches!(&error, DataError::MissingValue { row: 1, column, .. } if column == "label"), "{error}");
}

#[test]
fn values_that_are_not_there_are_told_with_their_row() {
    let files = Files::new();
    let error = files.error("a.csv", "text,label\na,1\nb,\n");
    assert!(matches!(&error, DataError::MissingValue { row: 2, column, .. } if column == "label"), "{error}");
    let mut levels = vec![1; 700];
    levels[650] = 0;
    let texts = vec![b"a".as_slice(); 699];
    let labels = Labels::Int64(vec![1; 700]);
    let error = files.error("a.parquet", parquet_of(&texts, &labels, Some(&levels), 300, Codec::SNAPPY));
    assert!(matches!(&error, DataError::MissingValue { row: 651, column, .. } if column == "text"), "{error}");
    levels[650] = 1;
    let texts = vec![b"a".as_slice(); 700];
    let bytes = parquet_of(&texts, &labels, Some(&levels), 300, Codec::SNAPPY);
    assert_eq!(files.read("b.parquet", bytes).unwrap().len(), 700);
}

#[test]
fn malformed_rows_are_told_with_their_number() {
    let files = Files::new();
    let good = "{\"text\": \"a\", \"label\": 1}\n";
    for (line, reason) in
        [("{\"text\": \"a\", ", "not JSON"), ("[1, 2]", "a list"), ("words", "not JSON"), ("{} {}", "not JSON")]
    {
        let error = files.error("a.jsonl", format!("{good}\n{line}\n{good}"));
        assert!(matches!(error, DataError::MalformedRow { row: 3, .. }), "{error}");
        assert!(error.to_string().contains(reason) && !error.to_string().contains("line 1"), "{error}");
    }
    let error = files.error("a.csv", "text,label\na,1\nb,1,2\n");
    assert!(matches!(error, DataError::MalformedRow { row: 2, .. }), "{error}");
    assert!(error.to_string().contains("3 fields"), "{error}");
}

#[test]
fn values_of_another_type_are_errors() {
    let files = Files::new();
    let error = files.error("a.jsonl", "{\"text\": 5, \"label\": 1}");
    assert!(matches!(error, DataError::ValueType { row: 1, found: "a number", .. }), "{error}");
    let path = files.write("a.parquet", parquet_of(&[b"a"], &Labels::Int64(vec![1]), None, 9, Codec::SNAPPY));
    let error = Rows::open(&path, &Columns::new("id", None)).map(|_| ()).unwrap_err();
    assert!(matches!(&error, DataError::ColumnType { column, .. } if column == "id"), "{error}");
}

#[test]
fn labels_out_of_range_are_told_with_row_column_and_value() {
    let files = Files::new();
    let good = "{\"text\": \"a\", \"label\": 1}\n";
    for value in ["2", "-1", "0.5", "\"good\"", "[1]"] {
        let error = files.error("a.jsonl", format!("{good}{{\"text\": \"a\", \"label\": {value}}}\n"));
        assert!(matches!(&error, DataError::Label { row: 2, value: got, .. } if got == value), "{error}");
        assert!(error.to_string().contains(value) && error.to_string().contains("\"label\""), "{error}");
    }
    assert!(matches!(files.error("a.csv", "text,label\na,1\nb,7\n"), DataError::Label { row: 2, .. }));
    for labels in [Labels::Int64(vec![1, 7]), Labels::Int32(vec![0, -1]), Labels::Text(vec!["pos", "good"])] {
        let bytes = parquet_of(&[b"a", b"b"], &labels, None, 1, Codec::SNAPPY);
        assert!(matches!(files.error("a.parquet", bytes), DataError::Label { row: 2, .. }));
    }
}

#[test]
fn bytes_that_are_not_utf8_are_told_with_their_row() {
    let files = Files::new();
    let lines =
        [b"{\"text\": \"a\", \"label\": 1}\n{\"text\": \"".as_slice(), &[0xff], b"\", \"label\": 1}\n"].concat();
    assert!(matches!(files.error("a.jsonl", lines), DataError::InvalidUtf8 { row: 2, .. }));
    let error = files.error("a.csv", b"text,label\na,1\n\xc3,1\n");
    assert!(matches!(&error, DataError::InvalidUtf8 { row: 2, what, .. } if what.contains("\"text\"")), "{error}");
    let bytes = parquet_of(&[b"a", b"\xf0\x9f"], &Labels::Int64(vec![1, 1]), None, 9, Codec::SNAPPY);
    let error = files.error("a.parquet", bytes);
    assert!(matches!(&error, DataError::InvalidUtf8 { row: 2, what, .. } if what.contains("\"text\"")), "{error}");
}

#[test]
fn compressed_data_that_end_early_are_told_apart_from_damaged_ones() {
    let files = Files::new();
    let bytes = as_jsonl(&rows(500));
    for (name, packed) in [("a.jsonl.gz", gzip(&bytes)), ("a.jsonl.zst", zstandard(&bytes))] {
        for kept in (1..packed.len()).step_by(97).chain(packed.len() - 8..packed.len()) {
            let error = files.error(name, &packed[..kept]);
            assert!(matches!(error, DataError::Truncated { .. }), "{name} cut to {kept}: {error}");
        }
        let mut damaged = packed.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 0x55;
        let error = files.error(name, damaged);
        assert!(matches!(error, DataError::Compression { .. } | DataError::Truncated { .. }), "{name}: {error}");
        // The checksum (and of gzip the length) stand at the end.
        let mut damaged = packed.clone();
        *damaged.last_mut().unwrap() ^= 0x55;
        let error = files.error(name, damaged);
        assert!(matches!(error, DataError::Compression { .. }), "{name}: {error}");
        let error = files.error(name, b"not compressed at all");
        assert!(matches!(error, DataError::Compression { .. }), "{name}: {error}");
        let error = files.error(name, [packed.as_slice(), b"more bytes after the last member"].concat());
        assert!(matches!(error, DataError::Compression { .. }), "{name}: {error}");
    }
}

#[test]
fn damaged_parquet_is_an_error_or_other_rows_but_no_panic() {
    let files = Files::new();
    let bytes = as_parquet(&rows(12), Codec::SNAPPY);
    for kept in (0..bytes.len()).step_by(17) {
        let error = files.error("a.parquet", &bytes[..kept]);
        assert!(matches!(error, DataError::Parquet { .. }), "cut to {kept}: {error}");
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= [0x01, 0x80, 0xff][place % 3];
        if let Err(error) = files.read("a.parquet", damaged) {
            assert!(error.to_string().contains("a.parquet"), "{error}");
        }
    }
}

#[test]
fn reading_ends_after_the_first_error() {
    let files = Files::new();
    let good = "{\"text\": \"a\", \"label\": 1}\n";
    let path = files.write("a.jsonl", format!("{good}oops\n{good}"));
    let mut rows = Rows::open(&path, &columns()).unwrap();
    assert!(rows.next().unwrap().is_ok());
    assert!(rows.next().unwrap().is_err());
    assert!(rows.next().is_none());
}

#[test]
fn a_row_without_end_is_refused() {
    let files = Files::new();
    let long = vec![b'x'; 2 * LONGEST_ROW as usize];
    let error = files.error("a.jsonl", [b"{\"text\": \"".as_slice(), &long].concat());
    assert!(matches!(error, DataError::MalformedRow { row: 1, .. }), "{error}");
    assert!(error.to_string().contains("longer than"), "{error}");
    let error = files.error("a.csv", [b"text,label\na,1\n\"".as_slice(), &long].concat());
    assert!(matches!(error, DataError::MalformedRow { row: 2, .. }), "{error}");
    assert!(error.to_string().contains("quotation mark"), "{error}");
}

#[test]
fn a_file_may_be_longer_than_the_longest_row() {
    let files = Files::new();
    let row = Row { text: "x".repeat(1000), label: Some(1) };
    let rows = vec![row; 3 * LONGEST_ROW as usize / 1000];
    assert_eq!(files.read("a.jsonl", as_jsonl(&rows)).unwrap().len(), rows.len());
    assert_eq!(files.read("a.csv", as_csv(&rows)).unwrap().len(), rows.len());
}

#[test]
fn an_empty_file_has_no_rows() {
    let files = Files::new();
    assert_eq!(files.read("a.jsonl", "").unwrap(), []);
    assert_eq!(files.read("a.csv", "text,label\n").unwrap(), []);
    assert!(matches!(files.error("b.csv", ""), DataError::Empty { .. }));
    assert_eq!(files.read("a.parquet", as_parquet(&[], Codec::SNAPPY)).unwrap(), []);
}
