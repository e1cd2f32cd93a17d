use crate::advantage::AdvantageError;
use crate::advantage::error::check_length;
use crate::advantage::moments::Moments;
use crate::advantage::transform::sign;

/// How often pre-processing turned the sign of an advantage, and so whether its action is made likelier or less
/// likely.
///
/// Zero is a sign of its own. Counts run on until the value is replaced; one value per update is usual.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SignChanges {
    /// Samples whose sign changed.
    pub changed: u64,
    /// Samples seen.
    pub total: u64,
    /// Largest magnitude after pre-processing.
    pub max_abs: f32,
}

impl SignChanges {
    /// Counts the samples of one minibatch; with a mask, those where it is true.
    ///
    /// # Errors
    /// If the lengths differ.
    pub fn record(&mut self, before: &[f32], after: &[f32], mask: Option<&[bool]>) -> Result<(), AdvantageError> {
        check_length("the advantages after", after.len(), before.len())?;
        check_length("mask", mask.map_or(before.len(), <[bool]>::len), before.len())?;
        for (i, (&before, &after)) in before.iter().zip(after).enumerate() {
            if mask.is_none_or(|mask| mask[i]) {
                self.total += 1;
                self.changed += u64::from(sign(before) != sign(after));
                self.max_abs = self.max_abs.max(after.abs());
            }
        }
        Ok(())
    }

    /// Share of the samples whose sign changed, in percent; 0 where none were seen.
    pub fn percent(&self) -> f64 {
        100.0 * self.changed as f64 / self.total.max(1) as f64
    }
}

/// How much of the variance of the returns the critic explains: `1 - Var(returns - predictions) / Var(returns)`.
///
/// 1 is perfect, 0 no better than a constant, negative worse than one. NaN if the returns are all equal, or none.
///
/// # Errors
/// If the lengths differ.
pub fn explained_variance(returns: &[f32], predictions: &[f32]) -> Result<f64, AdvantageError> {
    let (errors, returns) = error_and_return_moments(returns, predictions)?;
    let variance = returns.population_variance();
    Ok(if variance == 0.0 { f64::NAN } else { 1.0 - errors.population_variance() / variance })
}

/// [`explained_variance`] with 1e-8 added to the variance of the returns, which keeps it finite: the form in which
/// language-model trainers log it.
///
/// # Errors
/// If the lengths differ.
pub fn explained_variance_stabilized(returns: &[f32], predictions: &[f32]) -> Result<f64, AdvantageError> {
    let (errors, returns) = error_and_return_moments(returns, predictions)?;
    Ok(1.0 - errors.unbiased_variance() / (returns.unbiased_variance() + 1e-8))
}

fn error_and_return_moments(returns: &[f32], predictions: &[f32]) -> Result<(Moments, Moments), AdvantageError> {
    check_length("predictions", predictions.len(), returns.len())?;
    let errors = returns.iter().zip(predictions).map(|(&r, &p)| f64::from(r) - f64::from(p));
    Ok((Moments::of(errors), Moments::of(returns.iter().map(|&r| f64::from(r)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advantage::normalize;

    #[test]
    fn worked_example_of_sign_changes() {
        let before = [3.0, 1.0, 2.0, -1.0, 0.0];
        let mut after = before;
        normalize(&mut after, None).unwrap();
        let mut changes = SignChanges::default();
        changes.record(&before, &after, None).unwrap();
        assert_eq!((changes.changed, changes.total, changes.percent()), (2, 5, 40.0));
    }

    #[test]
    fn masked_samples_do_not_count() {
        let mut changes = SignChanges::default();
        changes.record(&[1.0, 1.0], &[-1.0, -9.0], Some(&[true, false])).unwrap();
        assert_eq!(changes, SignChanges { changed: 1, total: 1, max_abs: 1.0 });
        assert_eq!(SignChanges::default().percent(), 0.0);
    }

    #[test]
    fn worked_example_of_explained_variance() {
        let got = explained_variance(&[1.0, 2.0, 3.0, 4.0], &[1.1, 1.9, 3.2, 3.7]).unwrap();
        assert!((got - 0.9705).abs() < 1e-6, "{got}");
        assert!(explained_variance(&[1.0], &[1.0, 2.0]).is_err());
    }
}
