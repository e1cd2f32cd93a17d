//! Saved states as bytes. Numbers are written bit for bit, which text formats do not promise.

use rand::SeedableRng;

use super::EnvironmentError;
use crate::run::Stream;

/// Writes a state, part by part.
#[derive(Debug, Default)]
pub struct StateWriter {
    bytes: Vec<u8>,
}

impl StateWriter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.u64(value.to_bits())
    }

    /// Bytes, preceded by their number.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn f32s(&mut self, values: &[f32]) -> &mut Self {
        self.u64(values.len() as u64);
        values.iter().for_each(|value| self.bytes.extend_from_slice(&value.to_le_bytes()));
        self
    }

    pub fn f64s(&mut self, values: &[f64]) -> &mut Self {
        self.u64(values.len() as u64);
        values.iter().for_each(|value| self.bytes.extend_from_slice(&value.to_le_bytes()));
        self
    }

    pub fn stream(&mut self, stream: &Stream) -> &mut Self {
        self.bytes.extend_from_slice(&stream.get_seed());
        self.u64(stream.get_stream());
        self.bytes.extend_from_slice(&stream.get_word_pos().to_le_bytes());
        self
    }

    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Reads what a [`StateWriter`] wrote, in the same order.
#[derive(Debug)]
pub struct StateReader<'a> {
    id: &'a str,
    bytes: &'a [u8],
}

impl<'a> StateReader<'a> {
    /// `id` names the environment in errors.
    pub fn new(id: &'a str, bytes: &'a [u8]) -> Self {
        Self { id, bytes }
    }

    /// The error of a state that does not fit, for a reason.
    pub fn error(&self, reason: impl Into<String>) -> EnvironmentError {
        EnvironmentError::State { id: self.id.to_string(), reason: reason.into() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], EnvironmentError> {
        match self.bytes.split_at_checked(count) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(self.error(format!("it ends {} bytes too early", count - self.bytes.len()))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvironmentError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn u64(&mut self) -> Result<u64, EnvironmentError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn f64(&mut self) -> Result<f64, EnvironmentError> {
        Ok(f64::from_bits(self.u64()?))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], EnvironmentError> {
        let count = self.u64()?;
        let count = usize::try_from(count).map_err(|_| self.error(format!("a part of it has {count} bytes")))?;
        self.take(count)
    }

    /// Fills `values`, which must be as many as were written.
    pub fn f32s(&mut self, values: &mut [f32]) -> Result<(), EnvironmentError> {
        self.count(values.len())?;
        let bytes = self.take(4 * values.len())?;
        values.iter_mut().zip(bytes.as_chunks().0).for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes));
        Ok(())
    }

    /// Fills `values`, which must be as many as were written.
    pub fn f64s(&mut self, values: &mut [f64]) -> Result<(), EnvironmentError> {
        self.count(values.len())?;
        let bytes = self.take(8 * values.len())?;
        values.iter_mut().zip(bytes.as_chunks().0).for_each(|(value, bytes)| *value = f64::from_le_bytes(*bytes));
        Ok(())
    }

    fn count(&mut self, expected: usize) -> Result<(), EnvironmentError> {
        match self.u64()? {
            found if found == expected as u64 => Ok(()),
            found => Err(self.error(format!("it holds {found} numbers where {expected} are needed"))),
        }
    }

    /// Checks a number that must be the same here and there.
    pub fn expect(&mut self, what: &str, expected: u64) -> Result<(), EnvironmentError> {
        match self.u64()? {
            found if found == expected => Ok(()),
            found => Err(self.error(format!("its {what} is {found}, not {expected}"))),
        }
    }

    pub fn stream(&mut self) -> Result<Stream, EnvironmentError> {
        let mut stream = Stream::from_seed(self.array()?);
        stream.set_stream(self.u64()?);
        stream.set_word_pos(u128::from_le_bytes(self.array()?));
        Ok(stream)
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<(), EnvironmentError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(self.error(format!("it has {left} bytes too many"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};
    use rand::{Rng, RngExt};

    #[test]
    fn a_stream_goes_on_where_it_was_after_any_number_of_draws() {
        for draws in [0, 1, 7, 63, 64, 1001] {
            let mut stream = Streams::new(5).stream(Purpose::Environment, 0, 3);
            (0..draws).for_each(|_| _ = stream.next_u32());
            let bytes = StateWriter::new().stream(&stream).finish();
            let mut restored = StateReader::new("Task", &bytes).stream().unwrap();
            for _ in 0..100 {
                assert_eq!(restored.random::<f64>().to_bits(), stream.random::<f64>().to_bits(), "{draws}");
            }
        }
    }

    #[test]
    fn numbers_come_back_bit_for_bit() {
        let numbers = [0.1, -0.0, f64::NAN, f64::MIN_POSITIVE / 8.0, 1e300];
        let bytes = StateWriter::new().f64s(&numbers).f32s(&[0.1]).bytes(b"more").finish();
        let mut reader = StateReader::new("Task", &bytes);
        let (mut back, mut single) = ([0.0; 5], [0.0]);
        reader.f64s(&mut back).unwrap();
        reader.f32s(&mut single).unwrap();
        assert_eq!(back.map(f64::to_bits), numbers.map(f64::to_bits));
        assert_eq!((single, reader.bytes().unwrap()), ([0.1], b"more".as_slice()));
        reader.end().unwrap();
    }

    #[test]
    fn bytes_that_are_cut_or_of_something_else_are_refused() {
        let bytes = StateWriter::new().f64s(&[1.0, 2.0]).finish();
        for cut in 0..bytes.len() {
            assert!(StateReader::new("Task", &bytes[..cut]).f64s(&mut [0.0; 2]).is_err(), "{cut}");
        }
        assert!(StateReader::new("Task", &bytes).f64s(&mut [0.0; 3]).is_err());
        assert!(StateReader::new("Task", &u64::MAX.to_le_bytes()).bytes().is_err());
        assert!(StateReader::new("Task", &bytes).end().is_err());
    }
}
