//! TensorBoard's event files: records of a length, a protocol buffer and check sums.
//!
//! The few messages that scalars need are encoded by hand; the layout is that of TensorFlow's `record_writer.cc` and
//! `event.proto`.

use crate::run::RunError;
use crate::run::lines::{AppendFile, cut};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub(super) struct Events {
    file: AppendFile,
}

impl Events {
    pub(super) fn open(path: PathBuf, kept: Option<u64>) -> Result<Self, RunError> {
        cut(&path, |bytes| kept_records(&path, bytes, kept))?;
        let mut file = AppendFile::open(path)?;
        if file.is_empty() {
            let mut event = Message::default();
            event.fixed64(1, seconds().to_bits());
            event.bytes(3, b"brain.Event:2");
            file.append(&record(&event.0))?;
        }
        Ok(Self { file })
    }

    /// Adds a record of scalars, their names preceded by `group`.
    pub(super) fn append(&mut self, iteration: u64, group: &str, entries: &[(&str, f64)]) -> Result<(), RunError> {
        let mut summary = Message::default();
        for (key, value) in entries {
            let mut scalar = Message::default();
            scalar.bytes(1, format!("{group}{key}").as_bytes());
            scalar.fixed32(2, (*value as f32).to_bits());
            summary.bytes(1, &scalar.0);
        }
        let mut event = Message::default();
        event.fixed64(1, seconds().to_bits());
        event.varint(2, iteration);
        event.bytes(5, &summary.0);
        self.file.append(&record(&event.0))
    }

    pub(super) fn sync(&self) -> Result<(), RunError> {
        self.file.sync()
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A protocol buffer under construction.
#[derive(Default)]
struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3 | VARINT);
        self.raw_varint(value);
    }

    fn fixed64(&mut self, field: u64, bits: u64) {
        self.raw_varint(field << 3 | FIXED64);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    fn fixed32(&mut self, field: u64, bits: u32) {
        self.raw_varint(field << 3 | FIXED32);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.raw_varint(field << 3 | BYTES);
        self.raw_varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_crc(data).to_le_bytes());
    record
}

fn kept_records(path: &Path, bytes: &[u8], kept: Option<u64>) -> Result<Vec<u8>, RunError> {
    let (mut result, mut offset) = (Vec::new(), 0);
    let Some(kept) = kept else { return Ok(result) };
    while let Some((record, data)) =
        next_record(&bytes[offset..]).map_err(|reason| RunError::Event { path: path.to_path_buf(), offset, reason })?
    {
        let step = step(data).ok_or_else(|| RunError::Event {
            path: path.to_path_buf(),
            offset,
            reason: "it is not an event",
        })?;
        if step <= kept {
            result.extend_from_slice(record);
        }
        offset += record.len();
    }
    Ok(result)
}

/// A record and the data in it.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The record in front; `None` at the end, and at a last record that was being written when its process died.
fn next_record(bytes: &[u8]) -> Result<Option<Record<'_>>, &'static str> {
    let Some((header, rest)) = bytes.split_at_checked(12) else { return Ok(None) };
    let (length, crc) = header.split_at(8);
    if crc != masked_crc(length).to_le_bytes() {
        return Err("the check sum of a length does not fit");
    }
    let length = length.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    let Some(length) = usize::try_from(length).ok().filter(|length| rest.len().saturating_sub(4) >= *length) else {
        return Ok(None);
    };
    let (data, rest) = rest.split_at(length);
    if rest[..4] != masked_crc(data).to_le_bytes() {
        return Err("the check sum of an event does not fit");
    }
    Ok(Some((&bytes[..12 + length + 4], data)))
}

/// The step of an event, 0 if it has none.
fn step(mut event: &[u8]) -> Option<u64> {
    let mut step = 0;
    while !event.is_empty() {
        let (number, value, _) = field(&mut event)?;
        if number == 2 {
            step = value;
        }
    }
    Some(step)
}

/// Takes one field off the front of a message: its number, and its value as an integer or as bytes.
fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, u64, &'a [u8])> {
    let key = take_varint(message)?;
    let (value, bytes) = match key & 7 {
        VARINT => (take_varint(message)?, &[][..]),
        FIXED64 => (0, take(message, 8)?),
        FIXED32 => (0, take(message, 4)?),
        BYTES => {
            let length = usize::try_from(take_varint(message)?).ok()?;
            (0, take(message, length)?)
        }
        _ => return None,
    };
    Some((key >> 3, value, bytes))
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Step, name and number of every scalar, and the file version.
    fn decoded(bytes: &[u8]) -> (String, Vec<(u64, String, f32)>) {
        let (mut version, mut scalars, mut offset) = (String::new(), Vec::new(), 0);
        while let Some((record, mut event)) = next_record(&bytes[offset..]).unwrap() {
            let step = step(event).unwrap();
            while !event.is_empty() {
                match field(&mut event).unwrap() {
                    (1, _, time) => assert!(f64::from_le_bytes(time.try_into().unwrap()) > 1.7e9),
                    (3, _, text) => version = String::from_utf8(text.to_vec()).unwrap(),
                    (5, _, mut summary) => {
                        while let Some((1, _, mut scalar)) = field(&mut summary) {
                            let (Some((1, _, name)), Some((2, _, number))) = (field(&mut scalar), field(&mut scalar))
                            else {
                                panic!("no scalar")
                            };
                            let number = f32::from_le_bytes(number.try_into().unwrap());
                            scalars.push((step, String::from_utf8(name.to_vec()).unwrap(), number));
                        }
                    }
                    _ => {}
                }
            }
            offset += record.len();
        }
        assert_eq!(offset, bytes.len());
        (version, scalars)
    }

    fn filled() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents.x");
        let mut events = Events::open(path.clone(), None).unwrap();
        events.append(1, "", &[("loss", 0.5), ("kl", -1e-3)]).unwrap();
        events.append(300, "timing/", &[("seconds", 2.0)]).unwrap();
        (folder, path)
    }

    #[test]
    fn check_sums_are_those_of_the_format() {
        // RFC 3720, appendix B.4: 32 bytes of zero have the sum 8a9136aa; the mask is TensorFlow's.
        assert_eq!(masked_crc(&[0; 32]), 0x8a91_36aau32.rotate_right(15).wrapping_add(0xa282_ead8));
        // The first bytes of every event file with this version and no time, as TensorFlow writes them.
        assert_eq!(masked_crc(&24u64.to_le_bytes()).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn scalars_are_decoded_as_they_were_logged() {
        let (_folder, path) = filled();
        let (version, scalars) = decoded(&fs::read(path).unwrap());
        assert_eq!(version, "brain.Event:2");
        let expected = [(1, "loss".into(), 0.5), (1, "kl".into(), -1e-3), (300, "timing/seconds".into(), 2.0)];
        assert_eq!(scalars, expected);
    }

    #[test]
    fn a_resumed_file_keeps_the_records_up_to_its_iteration_and_goes_on() {
        let (_folder, path) = filled();
        Events::open(path.clone(), Some(1)).unwrap().append(2, "", &[("loss", 0.25)]).unwrap();
        let (version, scalars) = decoded(&fs::read(path).unwrap());
        assert_eq!(version, "brain.Event:2");
        assert_eq!(scalars, [(1, "loss".into(), 0.5), (1, "kl".into(), -1e-3), (2, "loss".into(), 0.25)]);
    }

    #[test]
    fn a_torn_last_record_goes_wherever_it_was_torn() {
        let (_folder, path) = filled();
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            Events::open(path.clone(), Some(300)).unwrap().append(301, "", &[("last", 1.0)]).unwrap();
            let (version, scalars) = decoded(&fs::read(&path).unwrap());
            assert_eq!(version, "brain.Event:2", "torn after {length} bytes");
            assert_eq!(scalars.last(), Some(&(301, "last".into(), 1.0)), "torn after {length} bytes");
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_anywhere() {
        let (_folder, path) = filled();
        let bytes = fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[place] ^= 4;
            fs::write(&path, &broken).unwrap();
            let error = Events::open(path.clone(), Some(300)).unwrap_err();
            assert!(matches!(error, RunError::Event { .. }), "byte {place}: {error}");
        }
    }
}
