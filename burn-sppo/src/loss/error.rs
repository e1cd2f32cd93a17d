use crate::loss::ReverseForm;

/// Why a policy loss cannot be made or computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LossError {
    /// A coefficient that is not a number, or of the wrong sign.
    #[error("{name} is {value}: it must be {must_be}")]
    Coefficient {
        /// Name of the coefficient.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        must_be: &'static str,
    },

    /// Two tensors that describe the same samples have different lengths.
    #[error("{name} has {found} entries, but there are {expected} samples: give one entry for each sample")]
    Length {
        /// Name of the tensor.
        name: &'static str,
        /// Number of samples, that is, of log-probabilities.
        expected: usize,
        /// Its length.
        found: usize,
    },

    /// The reverse form is a sum over all actions, and the samples hold only the action taken.
    #[error(
        "the reverse form {form} needs {missing}: \
         evaluate with `full_log_prob` and pass `PolicySamples::with_distribution`, or choose the form rce or mae"
    )]
    DistributionRequired {
        /// The reverse form.
        form: ReverseForm,
        /// What the samples lack.
        missing: &'static str,
    },
}

pub(crate) fn check_coefficient(
    name: &'static str,
    value: f64,
    valid: bool,
    must_be: &'static str,
) -> Result<(), LossError> {
    if value.is_finite() && valid { Ok(()) } else { Err(LossError::Coefficient { name, value, must_be }) }
}

pub(crate) fn check_length(name: &'static str, found: usize, expected: usize) -> Result<(), LossError> {
    if found == expected { Ok(()) } else { Err(LossError::Length { name, expected, found }) }
}
