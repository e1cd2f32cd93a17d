/// Why advantages cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdvantageError {
    /// Two slices that describe the same samples have different lengths.
    #[error("{name} has {found} entries where {expected} were expected: give one entry for each sample")]
    Length {
        /// Name of the slice.
        name: &'static str,
        /// Its length, had it been right.
        expected: usize,
        /// Its length.
        found: usize,
    },

    /// The number of samples is not a whole number of rows.
    #[error("{samples} samples do not fill rows of {row}: give whole rows")]
    Rows {
        /// Number of samples.
        samples: usize,
        /// Length of a row.
        row: usize,
    },

    /// A setting outside its range.
    #[error("{name} is {value}: it must be {must_be}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        must_be: &'static str,
    },
}

pub(crate) fn check_length(name: &'static str, found: usize, expected: usize) -> Result<(), AdvantageError> {
    if found == expected { Ok(()) } else { Err(AdvantageError::Length { name, expected, found }) }
}

pub(crate) fn check_rows(samples: usize, row: usize) -> Result<(), AdvantageError> {
    if row > 0 && samples.is_multiple_of(row) { Ok(()) } else { Err(AdvantageError::Rows { samples, row }) }
}
