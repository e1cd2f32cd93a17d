use std::ops::Range;

use super::{EnvironmentError, EnvironmentSpec, ObservationKind, Observations, StateReader, StateWriter};

/// Observations of all environments, owned, in the kind in which they are shown.
#[derive(Clone, Debug)]
pub(in crate::environment) enum Storage {
    U8(Vec<u8>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Storage {
    /// Zeros for every environment.
    pub fn new(spec: &EnvironmentSpec) -> Self {
        Self::zeros(spec.observation_kind, spec.num_envs * spec.features())
    }

    pub fn zeros(kind: ObservationKind, len: usize) -> Self {
        match kind {
            ObservationKind::U8 => Self::U8(vec![0; len]),
            ObservationKind::F32 => Self::F32(vec![0.0; len]),
            ObservationKind::F64 => Self::F64(vec![0.0; len]),
        }
    }

    pub fn view(&self) -> Observations<'_> {
        match self {
            Self::U8(numbers) => Observations::U8(numbers),
            Self::F32(numbers) => Observations::F32(numbers),
            Self::F64(numbers) => Observations::F64(numbers),
        }
    }

    /// Takes over the observations of all environments, or of one.
    ///
    /// # Errors
    /// If they are not what `spec` says.
    pub fn copy(
        &mut self,
        spec: &EnvironmentSpec,
        from: Observations<'_>,
        env: Option<usize>,
    ) -> Result<(), EnvironmentError> {
        from.check(spec)?;
        let features = spec.features();
        self.copy_range(env.map_or(0..from.len(), |env| env * features..(env + 1) * features), from);
        Ok(())
    }

    /// Takes over the numbers of `range`.
    ///
    /// # Panics
    /// If they are not as many or of another kind.
    pub fn copy_range(&mut self, range: Range<usize>, from: Observations<'_>) {
        match (self, from) {
            (Self::U8(to), Observations::U8(from)) => to[range.clone()].copy_from_slice(&from[range]),
            (Self::F32(to), Observations::F32(from)) => to[range.clone()].copy_from_slice(&from[range]),
            (Self::F64(to), Observations::F64(from)) => to[range.clone()].copy_from_slice(&from[range]),
            _ => unreachable!("both are of the kind of one specification"),
        }
    }

    pub fn save(&self, state: &mut StateWriter) {
        match self {
            Self::U8(numbers) => state.bytes(numbers),
            Self::F32(numbers) => state.f32s(numbers),
            Self::F64(numbers) => state.f64s(numbers),
        };
    }

    pub fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        match self {
            Self::U8(numbers) => {
                let saved = state.bytes()?;
                if saved.len() != numbers.len() {
                    return Err(state.error(format!(
                        "it holds {} bytes of pictures, not {}",
                        saved.len(),
                        numbers.len()
                    )));
                }
                numbers.copy_from_slice(saved);
                Ok(())
            }
            Self::F32(numbers) => state.f32s(numbers),
            Self::F64(numbers) => state.f64s(numbers),
        }
    }
}
