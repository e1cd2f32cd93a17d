use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf};
use thiserror::Error;

use super::write_json;

/// Bounds of the checks that tell a broken run from one that merely learns badly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// Largest |log-ratio| in the first minibatch of an iteration; `None`: 1e-4, or 3e-2 where matrix products are
    /// not f32.
    pub max_log_ratio: Option<f64>,
    /// Largest approximate KL there; `None`: 1e-4, or 3e-2 where matrix products are not f32.
    pub max_kl: Option<f64>,
    /// Non-finite updates in a row after which a run stops.
    pub max_skipped_in_a_row: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { max_log_ratio: None, max_kl: None, max_skipped_in_a_row: 3 }
    }
}

/// How exactly a policy's log-probabilities can be computed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// Everything is f32.
    Single,
    /// Some matrix products have 16-bit operands.
    Half,
}

impl HealthConfig {
    pub fn init(&self, exactness: Exactness) -> HealthChecks {
        let bound = match exactness {
            Exactness::Single => 1e-4,
            Exactness::Half => 3e-2,
        };
        HealthChecks {
            max_log_ratio: self.max_log_ratio.unwrap_or(bound),
            max_kl: self.max_kl.unwrap_or(bound),
            max_skipped_in_a_row: self.max_skipped_in_a_row,
            dumps: None,
            last_dump: None,
            counts: HealthCounts::default(),
        }
    }
}

/// What the checks have counted: part of a checkpoint, so that a resumed run goes on counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCounts {
    /// Updates skipped since the run began.
    pub skipped: u64,
    /// Updates skipped since the last good one.
    pub skipped_in_a_row: u32,
}

/// The health checks of one run.
#[derive(Clone, Debug)]
pub struct HealthChecks {
    max_log_ratio: f64,
    max_kl: f64,
    max_skipped_in_a_row: u32,
    dumps: Option<PathBuf>,
    last_dump: Option<PathBuf>,
    counts: HealthCounts,
}

/// What to do with one update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its gradients are sound.
    Apply,
    /// Leave the weights as they are.
    Skip {
        /// What was not finite.
        cause: NonFinite,
        /// Where the minibatch was written; only the first of a series is worth keeping.
        dump: Option<PathBuf>,
    },
}

/// The number that was NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NonFinite {
    Loss,
    GradientNorm,
}

impl std::fmt::Display for NonFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Loss => "loss",
            Self::GradientNorm => "gradient norm",
        })
    }
}

/// A run that must stop because going on would only hide what is wrong.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum HealthError {
    #[error(
        "iteration {iteration}: the policy has not changed since it sampled, but its log-probabilities have, by up to \
         {log_ratio:.3e} (allowed {bound:.1e}). Sampling and training compute different numbers: look for a wrong \
         cache, wrong positions or attention at padding, active dropout, or another tokenizer; if the numbers are \
         right and only their precision is low, raise health.max_log_ratio"
    )]
    LogRatio { iteration: u64, log_ratio: f64, bound: f64 },
    #[error(
        "iteration {iteration}: the policy has not changed since it sampled, but its approximate KL to itself is \
         {kl:.3e} (allowed {bound:.1e}). Sampling and training compute different numbers: look for a wrong cache, \
         wrong positions or attention at padding, active dropout, or another tokenizer; if the numbers are right and \
         only their precision is low, raise health.max_kl"
    )]
    Kl { iteration: u64, kl: f64, bound: f64 },
    #[error(
        "iteration {iteration}: the {cause} was not finite in {skipped} updates in a row, none of which was applied. \
         Lower the learning rate, look at the rewards, or go back to an earlier checkpoint{}",
        dump_sentence(.dump)
    )]
    NonFinite { iteration: u64, cause: NonFinite, skipped: u32, dump: Option<PathBuf> },
    #[error(
        "iteration {iteration}: the reward of row {row} is {value} ({count} of {rows} rewards are not finite). A \
         reward must be a finite number: mend the reward function, or give such rows a reward of your own choice"
    )]
    Reward { iteration: u64, row: usize, value: f32, count: usize, rows: usize },
}

fn dump_sentence(dump: &Option<PathBuf>) -> String {
    dump.as_ref().map(|path| format!("; the first of these minibatches is in {}", path.display())).unwrap_or_default()
}

impl HealthChecks {
    /// Names a folder for the minibatches of non-finite updates.
    pub fn with_dumps(mut self, folder: impl Into<PathBuf>) -> Self {
        self.dumps = Some(folder.into());
        self
    }

    pub fn counts(&self) -> HealthCounts {
        self.counts
    }

    /// Goes on from the counts of a checkpoint.
    pub fn restore(&mut self, counts: HealthCounts) {
        self.counts = counts;
    }

    /// Checks the first minibatch of an iteration: nothing has been learnt from this rollout yet, so the policy that
    /// is evaluated is the policy that sampled.
    ///
    /// # Errors
    ///
    /// [`HealthError::LogRatio`] or [`HealthError::Kl`] if the two disagree by more than rounding, or are not finite.
    pub fn first_minibatch(&self, iteration: u64, max_abs_log_ratio: f64, kl: f64) -> Result<(), HealthError> {
        let within = |value: f64, bound: f64| value.abs() <= bound;
        if !within(max_abs_log_ratio, self.max_log_ratio) {
            return Err(HealthError::LogRatio { iteration, log_ratio: max_abs_log_ratio, bound: self.max_log_ratio });
        }
        if !within(kl, self.max_kl) {
            return Err(HealthError::Kl { iteration, kl, bound: self.max_kl });
        }
        Ok(())
    }

    /// Judges one update by its loss and the norm of its gradient. Of the first in a series that are not finite,
    /// `minibatch` is kept, if that can be written.
    ///
    /// # Errors
    ///
    /// [`HealthError::NonFinite`] once too many updates in a row had to be skipped.
    pub fn update<D: Serialize>(
        &mut self,
        iteration: u64,
        update: u64,
        loss: f64,
        norm: f64,
        minibatch: impl FnOnce() -> D,
    ) -> Result<Verdict, HealthError> {
        let cause = match (loss.is_finite(), norm.is_finite()) {
            (true, true) => {
                self.counts.skipped_in_a_row = 0;
                return Ok(Verdict::Apply);
            }
            (false, _) => NonFinite::Loss,
            (true, false) => NonFinite::GradientNorm,
        };
        let first_of_series = self.counts.skipped_in_a_row == 0;
        self.counts.skipped += 1;
        self.counts.skipped_in_a_row += 1;
        let dump = if first_of_series {
            self.last_dump = self.dumps.as_ref().and_then(|folder| {
                let path = folder.join(format!("iteration-{iteration}-update-{update}.json"));
                fs::create_dir_all(folder).ok()?;
                write_json(&path, &minibatch()).ok()?;
                Some(path)
            });
            self.last_dump.clone()
        } else {
            None
        };
        if self.counts.skipped_in_a_row < self.max_skipped_in_a_row {
            return Ok(Verdict::Skip { cause, dump });
        }
        let (skipped, dump) = (self.counts.skipped_in_a_row, self.last_dump.clone());
        Err(HealthError::NonFinite { iteration, cause, skipped, dump })
    }

    /// Checks the rewards of a rollout before anything is computed from them.
    ///
    /// # Errors
    ///
    /// [`HealthError::Reward`] naming the first row whose reward is not finite.
    pub fn rewards(iteration: u64, rewards: &[f32]) -> Result<(), HealthError> {
        let mut broken = rewards.iter().enumerate().filter(|(_, value)| !value.is_finite());
        match broken.next() {
            None => Ok(()),
            Some((row, &value)) => {
                Err(HealthError::Reward { iteration, row, value, count: 1 + broken.count(), rows: rewards.len() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> HealthChecks {
        HealthConfig::default().init(Exactness::Single)
    }

    fn update(
        checks: &mut HealthChecks,
        iteration: u64,
        update: u64,
        loss: f64,
        norm: f64,
    ) -> Result<Verdict, HealthError> {
        checks.update(iteration, update, loss, norm, || [update])
    }

    #[test]
    fn an_unchanged_policy_may_differ_by_rounding_only() {
        assert_eq!(checks().first_minibatch(1, 9e-5, -1e-9), Ok(()));
        let error = checks().first_minibatch(7, 2e-4, 0.0);
        assert_eq!(error, Err(HealthError::LogRatio { iteration: 7, log_ratio: 2e-4, bound: 1e-4 }));
        let error = checks().first_minibatch(7, 0.0, 2e-4);
        assert_eq!(error, Err(HealthError::Kl { iteration: 7, kl: 2e-4, bound: 1e-4 }));
    }

    #[test]
    fn sixteen_bit_products_are_allowed_more_and_a_bound_of_ones_own_wins() {
        assert_eq!(HealthConfig::default().init(Exactness::Half).first_minibatch(1, 2e-2, 2e-2), Ok(()));
        let strict = HealthConfig { max_log_ratio: Some(1e-6), ..HealthConfig::default() }.init(Exactness::Half);
        assert!(strict.first_minibatch(1, 1e-5, 0.0).is_err());
    }

    #[test]
    fn a_log_ratio_that_is_not_a_number_is_not_within_bounds() {
        assert!(checks().first_minibatch(1, f64::NAN, 0.0).is_err());
        assert!(checks().first_minibatch(1, 0.0, f64::NAN).is_err());
    }

    #[test]
    fn non_finite_updates_are_skipped_and_counted_until_there_are_too_many_in_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let dumps = folder.path().join("dumps");
        let mut checks = checks().with_dumps(&dumps);
        let first = Some(dumps.join("iteration-1-update-4.json"));
        let skip = |cause, dump| Ok(Verdict::Skip { cause, dump });
        assert_eq!(update(&mut checks, 1, 4, f64::NAN, 1.0), skip(NonFinite::Loss, first));
        assert_eq!(update(&mut checks, 1, 5, 1.0, f64::INFINITY), skip(NonFinite::GradientNorm, None));
        assert_eq!(update(&mut checks, 1, 6, 1.0, 1.0), Ok(Verdict::Apply));
        assert_eq!(checks.counts(), HealthCounts { skipped: 2, skipped_in_a_row: 0 });

        let kept = fs::read_to_string(dumps.join("iteration-1-update-4.json")).unwrap();
        assert_eq!(serde_json::from_str::<Vec<u64>>(&kept).unwrap(), [4]);
        assert_eq!(fs::read_dir(&dumps).unwrap().count(), 1, "only the first of a series is kept");

        let second = Some(dumps.join("iteration-2-update-0.json"));
        assert_eq!(update(&mut checks, 2, 0, f64::NAN, 1.0), skip(NonFinite::Loss, second.clone()));
        assert_eq!(update(&mut checks, 2, 1, f64::NAN, 1.0), skip(NonFinite::Loss, None));
        let stop = HealthError::NonFinite { iteration: 2, cause: NonFinite::Loss, skipped: 3, dump: second };
        assert_eq!(update(&mut checks, 2, 2, f64::NAN, 1.0), Err(stop));
        assert_eq!(checks.counts(), HealthCounts { skipped: 5, skipped_in_a_row: 3 });
    }

    #[test]
    fn counts_of_a_checkpoint_are_gone_on_from() {
        let mut resumed = checks();
        resumed.restore(HealthCounts { skipped: 9, skipped_in_a_row: 2 });
        assert!(update(&mut resumed, 4, 0, f64::NAN, 1.0).is_err());
        assert_eq!(resumed.counts().skipped, 10);
    }

    #[test]
    fn the_first_reward_that_is_not_finite_is_named() {
        assert_eq!(HealthChecks::rewards(1, &[0.0, -1.0]), Ok(()));
        let Err(HealthError::Reward { row, count, rows, .. }) =
            HealthChecks::rewards(1, &[0.5, f32::NEG_INFINITY, f32::NAN])
        else {
            panic!("a broken reward was accepted")
        };
        assert_eq!((row, count, rows), (1, 2, 3));
    }

    #[test]
    fn a_diagnosis_says_what_to_look_at() {
        let text = HealthError::LogRatio { iteration: 3, log_ratio: 0.25, bound: 1e-4 }.to_string();
        assert!(text.contains("iteration 3") && text.contains("2.500e-1") && text.contains("cache"), "{text}");
    }
}
