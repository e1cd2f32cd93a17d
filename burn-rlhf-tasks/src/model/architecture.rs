use thiserror::Error;

/// Why a model's configuration describes no network that can be built.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ArchitectureError {
    #[error(
        "{model} config: the width {width_key} = {width} is not divisible by the number of heads {heads_key} = {heads}; choose a multiple of it"
    )]
    HeadsDoNotDivide {
        model: &'static str,
        width_key: &'static str,
        width: usize,
        heads_key: &'static str,
        heads: usize,
    },
    #[error("{model} config: {key} is 0; it must be at least 1")]
    Zero { model: &'static str, key: &'static str },
    #[error("{model} config: {key} = {value} is not supported; supported: {supported}")]
    Unsupported { model: &'static str, key: &'static str, value: String, supported: &'static str },
    #[error("{model} config: {key} = {value} must be a positive finite number")]
    NotPositive { model: &'static str, key: &'static str, value: f64 },
}

/// Checks shared by all configurations of one model.
pub(super) struct Checks(pub &'static str);

impl Checks {
    pub fn at_least_one(&self, sizes: &[(&'static str, usize)]) -> Result<(), ArchitectureError> {
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some((key, _)) => Err(ArchitectureError::Zero { model: self.0, key }),
            None => Ok(()),
        }
    }

    pub fn positive(&self, key: &'static str, value: f64) -> Result<(), ArchitectureError> {
        match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(ArchitectureError::NotPositive { model: self.0, key, value }),
        }
    }

    pub fn divides(
        &self,
        (width_key, width): (&'static str, usize),
        (heads_key, heads): (&'static str, usize),
    ) -> Result<(), ArchitectureError> {
        match width.is_multiple_of(heads) {
            true => Ok(()),
            false => Err(ArchitectureError::HeadsDoNotDivide { model: self.0, width_key, width, heads_key, heads }),
        }
    }

    pub fn supported(
        &self,
        key: &'static str,
        value: &str,
        supported: bool,
        choices: &'static str,
    ) -> Result<(), ArchitectureError> {
        match supported {
            true => Ok(()),
            false => {
                Err(ArchitectureError::Unsupported { model: self.0, key, value: value.into(), supported: choices })
            }
        }
    }
}
