use serde::{Deserialize, Serialize};

use crate::advantage::AdvantageError;
use crate::advantage::error::check_length;
use crate::advantage::moments::Moments;

/// Added to the standard deviation, so that equal advantages become 0.
const EPSILON: f64 = 1e-8;

/// Over which samples advantages are brought to mean 0 and standard deviation 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// They are left as they are.
    None,
    /// Over the samples of each minibatch, each time it is visited.
    #[default]
    Minibatch,
    /// Over the samples of the whole rollout, once.
    Rollout,
    /// Over all entries of each minibatch, padding included, as the reference implementation does for tokens: padded
    /// entries are 0 and pull the mean towards 0. For comparisons.
    AllTokens,
}

/// Brings `advantages` to mean 0 and standard deviation 1 (the unbiased one, plus 1e-8).
///
/// With a mask, only its true entries count, and the others become 0. Fewer than two samples are left as they are.
///
/// # Errors
/// If the mask has another length.
pub fn normalize(advantages: &mut [f32], mask: Option<&[bool]>) -> Result<(), AdvantageError> {
    if let Some(mask) = mask {
        check_length("mask", mask.len(), advantages.len())?;
        for (advantage, _) in advantages.iter_mut().zip(mask).filter(|(_, counts)| !**counts) {
            *advantage = 0.0;
        }
    }
    let counts = |i: usize| mask.is_none_or(|mask| mask[i]);
    let moments = Moments::of(advantages.iter().enumerate().filter(|(i, _)| counts(*i)).map(|(_, &a)| f64::from(a)));
    if moments.count < 2 {
        return Ok(());
    }
    let scale = 1.0 / (moments.unbiased_variance().sqrt() + EPSILON);
    for (i, advantage) in advantages.iter_mut().enumerate() {
        if counts(i) {
            *advantage = ((f64::from(*advantage) - moments.mean) * scale) as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(advantages: &[f32], mask: Option<&[bool]>) -> Vec<f32> {
        let mut advantages = advantages.to_vec();
        normalize(&mut advantages, mask).unwrap();
        advantages
    }

    fn assert_close(got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} where {want} was expected");
        }
    }

    #[test]
    fn worked_example() {
        let want = [1.26491106, 0.0, 0.63245553, -1.26491106, -0.63245553];
        assert_close(&normalized(&[3.0, 1.0, 2.0, -1.0, 0.0], None), &want);
    }

    #[test]
    fn worked_example_of_padding() {
        let advantages = [0.72682215, 0.6803, 0.6, 0.38015, 0.3, 0.0];
        let mask = [true, true, true, true, true, false];
        let with_padding = [1.00915475, 0.84084806, 0.55034071, -0.24502719, -0.53499187, -1.62032446];
        assert_close(&normalized(&advantages, None), &with_padding);
        let without = [1.00752370, 0.76000438, 0.33277131, -0.83693219, -1.26336720, 0.0];
        assert_close(&normalized(&advantages, Some(&mask)), &without);
    }

    #[test]
    fn what_is_masked_may_be_anything() {
        let mask = [true, false, true];
        assert_eq!(normalized(&[1.0, f32::NAN, 2.0], Some(&mask)), normalized(&[1.0, 0.0, 2.0], Some(&mask)));
    }

    #[test]
    fn few_or_equal_samples_stay_finite() {
        assert_eq!(normalized(&[], None), Vec::<f32>::new());
        assert_eq!(normalized(&[0.5], None), [0.5]);
        assert_eq!(normalized(&[0.1; 7], None), [0.0; 7]);
    }
}
