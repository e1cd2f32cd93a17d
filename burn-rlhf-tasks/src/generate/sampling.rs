use serde::{Deserialize, Serialize};

use super::GenerateError;

/// How the next token is chosen from the scores of all tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// Draw at random; else take the likeliest token.
    pub do_sample: bool,
    /// Divides the scores; below 1, likely tokens become likelier.
    pub temperature: f64,
    /// Draw among so many of the likeliest tokens; 0: among all.
    pub top_k: usize,
    /// Draw from the smallest set of the likeliest tokens with at least this probability; 1: among all.
    pub top_p: f64,
    /// The end token is impossible before so many new tokens.
    pub min_length: usize,
    /// Generation stops after so many tokens.
    pub max_new_tokens: usize,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { do_sample: true, temperature: 1.0, top_k: 50, top_p: 1.0, min_length: 0, max_new_tokens: 48 }
    }
}

impl SamplingConfig {
    /// Always the likeliest token.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self { do_sample: false, max_new_tokens, ..Self::default() }
    }

    /// Whether tokens can be chosen so.
    ///
    /// # Errors
    /// For a temperature, `top_p` or `min_length` outside its range.
    pub fn check(&self) -> Result<(), GenerateError> {
        let Self { temperature, top_p, min_length, max_new_tokens, .. } = *self;
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(GenerateError::Temperature(temperature));
        }
        if !(0.0..=1.0).contains(&top_p) {
            return Err(GenerateError::TopP(top_p));
        }
        if min_length > max_new_tokens {
            return Err(GenerateError::MinLength { min_length, max_new_tokens });
        }
        Ok(())
    }
}
