use crate::environment::{ObservationKind, Observations};

/// Observations row by row, in the smallest type that holds them: frames stay bytes, everything else becomes f32.
#[derive(Clone, Debug, PartialEq)]
pub enum ObservationBuffer {
    U8(Vec<u8>),
    F32(Vec<f32>),
}

impl ObservationBuffer {
    /// An empty buffer with room for `entries` numbers.
    pub fn with_capacity(kind: ObservationKind, entries: usize) -> Self {
        match kind {
            ObservationKind::U8 => Self::U8(Vec::with_capacity(entries)),
            ObservationKind::F32 | ObservationKind::F64 => Self::F32(Vec::with_capacity(entries)),
        }
    }

    /// Adds all rows of one step.
    pub fn push(&mut self, observations: Observations) {
        match (self, observations) {
            (Self::U8(buffer), Observations::U8(values)) => buffer.extend_from_slice(values),
            (Self::U8(buffer), Observations::F32(values)) => buffer.extend(values.iter().map(|&value| value as u8)),
            (Self::U8(buffer), Observations::F64(values)) => buffer.extend(values.iter().map(|&value| value as u8)),
            (Self::F32(buffer), Observations::U8(values)) => {
                buffer.extend(values.iter().map(|&value| f32::from(value)))
            }
            (Self::F32(buffer), Observations::F32(values)) => buffer.extend_from_slice(values),
            (Self::F32(buffer), Observations::F64(values)) => buffer.extend(values.iter().map(|&value| value as f32)),
        }
    }

    /// Adds what another buffer of the same kind holds.
    pub fn append(&mut self, other: &Self) {
        match (self, other) {
            (Self::U8(buffer), Self::U8(values)) => buffer.extend_from_slice(values),
            (Self::F32(buffer), Self::F32(values)) => buffer.extend_from_slice(values),
            (Self::U8(buffer), Self::F32(values)) => buffer.extend(values.iter().map(|&value| value as u8)),
            (Self::F32(buffer), Self::U8(values)) => buffer.extend(values.iter().map(|&value| f32::from(value))),
        }
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        match self {
            Self::U8(buffer) => buffer.clear(),
            Self::F32(buffer) => buffer.clear(),
        }
    }

    /// The numbers of `rows`, each of `features` of them, as f32.
    pub fn gather(&self, rows: &[usize], features: usize) -> Vec<f32> {
        let mut gathered = Vec::with_capacity(rows.len() * features);
        for range in rows.iter().map(|row| row * features..(row + 1) * features) {
            match self {
                Self::U8(buffer) => gathered.extend(buffer[range].iter().map(|&value| f32::from(value))),
                Self::F32(buffer) => gathered.extend_from_slice(&buffer[range]),
            }
        }
        gathered
    }

    /// All numbers as f32.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::U8(buffer) => buffer.iter().map(|&value| f32::from(value)).collect(),
            Self::F32(buffer) => buffer.clone(),
        }
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        match self {
            Self::U8(buffer) => buffer.len(),
            Self::F32(buffer) => 4 * buffer.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stay_bytes_and_come_out_as_numbers() {
        let mut frames = ObservationBuffer::with_capacity(ObservationKind::U8, 4);
        frames.push(Observations::U8(&[0, 255, 7, 9]));
        assert_eq!(frames.bytes(), 4);
        assert_eq!(frames.gather(&[1, 0], 2), [7.0, 9.0, 0.0, 255.0]);
    }

    #[test]
    fn double_precision_becomes_single() {
        let mut states = ObservationBuffer::with_capacity(ObservationKind::F64, 2);
        states.push(Observations::F64(&[0.1, 1e-40]));
        assert_eq!(states.to_f32(), [0.1f32, 1e-40]);
        states.clear();
        assert_eq!(states.bytes(), 0);
    }
}
