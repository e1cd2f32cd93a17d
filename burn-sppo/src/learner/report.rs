use super::{Samples, SkippedMinibatch, UpdateConfig};
use crate::advantage::{AdvantageError, SignChanges, explained_variance_stabilized};

/// Means over one minibatch, added up over its microbatches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MinibatchSums {
    pub policy_loss: f64,
    pub reverse_loss: f64,
    pub approx_kl_k1: f64,
    pub approx_kl_k3: f64,
    pub clip_fraction: f64,
    pub ratio: f64,
    pub entropy: f64,
    pub value_error: f64,
    pub squared_value_error: f64,
    pub value_clip_fraction: f64,
    pub value_loss: f64,
    pub auxiliary_loss: f64,
    pub loss: f64,
    /// Largest, not a mean.
    pub max_log_ratio: f64,
}

impl MinibatchSums {
    /// Adds the terms of one microbatch, in the order of the fields.
    pub(super) fn add(&mut self, terms: impl Iterator<Item = f64>) {
        let largest = self.max_log_ratio;
        let fields = [
            &mut self.policy_loss,
            &mut self.reverse_loss,
            &mut self.approx_kl_k1,
            &mut self.approx_kl_k3,
            &mut self.clip_fraction,
            &mut self.ratio,
            &mut self.entropy,
            &mut self.value_error,
            &mut self.squared_value_error,
            &mut self.value_clip_fraction,
            &mut self.value_loss,
            &mut self.auxiliary_loss,
            &mut self.loss,
            &mut self.max_log_ratio,
        ];
        for (field, term) in fields.into_iter().zip(terms) {
            *field += term;
        }
        // NaN must survive, which `f64::max` would hide.
        let term = self.max_log_ratio - largest;
        self.max_log_ratio = if term.is_nan() || term > largest { term } else { largest };
    }
}

/// What one update did: means over the minibatches that were stepped on, which are no numbers if there was none.
#[derive(Clone, Debug, Default)]
pub struct UpdateReport {
    /// Mean of the clipped surrogate or policy-gradient loss, without alpha.
    pub policy_loss: f64,
    /// Mean of the reverse loss in its bounded form, without beta; 0 where it is skipped.
    pub reverse_loss: f64,
    pub value_loss: f64,
    /// The module's own loss: target regularisation, for example.
    pub auxiliary_loss: f64,
    /// Total loss.
    pub loss: f64,
    /// Mean entropy in nats; estimated from the actions taken where the entropy bonus weighs nothing.
    pub entropy: f64,
    /// `mean(-log ratio)`.
    pub approx_kl_k1: f64,
    /// `mean(ratio - 1 - log ratio)`.
    pub approx_kl_k3: f64,
    /// Share of samples whose ratio lies outside the clip range.
    pub clip_fraction: f64,
    pub value_clip_fraction: f64,
    /// Mean importance ratio.
    pub ratio: f64,
    /// Norm of all gradients together before clipping.
    pub gradient_norm: f64,
    /// Largest |log ratio| of the first minibatch, where the policy has not changed yet.
    pub first_log_ratio: f64,
    /// Explained variance of the critic's predictions during the update.
    pub explained_variance: f64,
    /// Explained variance of its predictions at rollout time.
    pub old_explained_variance: f64,
    /// What the policy-loss gradient is multiplied by in total: alpha - beta z for SPPO; `None` where it
    /// differs from sample to sample.
    pub effective_policy_coefficient: Option<f64>,
    /// Signs changed by noise and normalisation.
    pub sign_changes: SignChanges,
    /// Passes over the rollout, the last of which a stop may have cut short.
    pub epochs: usize,
    /// Minibatches that were stepped on.
    pub minibatches: usize,
    /// Minibatches without a step, because a number was not finite.
    pub skipped: Vec<SkippedMinibatch>,
    /// Whether the approximate KL ended the update.
    pub stopped_early: bool,
    value_error: f64,
    squared_value_error: f64,
}

impl UpdateReport {
    pub(super) fn add(&mut self, sums: &MinibatchSums, gradient_norm: f64) {
        self.minibatches += 1;
        for (total, term) in self.means().into_iter().zip([
            sums.policy_loss,
            sums.reverse_loss,
            sums.value_loss,
            sums.auxiliary_loss,
            sums.loss,
            sums.entropy,
            sums.approx_kl_k1,
            sums.approx_kl_k3,
            sums.clip_fraction,
            sums.value_clip_fraction,
            sums.ratio,
            sums.value_error,
            sums.squared_value_error,
            gradient_norm,
        ]) {
            *total += term;
        }
    }

    pub(super) fn finish(&mut self, samples: &Samples, config: &UpdateConfig) -> Result<(), AdvantageError> {
        let minibatches = self.minibatches as f64;
        for total in self.means() {
            *total /= minibatches;
        }
        self.effective_policy_coefficient = config.policy_loss.effective_policy_coefficient();
        if !samples.old_value.is_empty() {
            let mask = samples.value_mask.as_deref().or(samples.policy_mask.as_deref());
            let (returns, values) = (kept(&samples.returns, mask), kept(&samples.old_value, mask));
            self.old_explained_variance = explained_variance_stabilized(&returns, &values)?;
            let error = self.squared_value_error - self.value_error.powi(2);
            self.explained_variance = 1.0 - error / (variance(&returns) + 1e-8);
        }
        Ok(())
    }

    fn means(&mut self) -> [&mut f64; 14] {
        [
            &mut self.policy_loss,
            &mut self.reverse_loss,
            &mut self.value_loss,
            &mut self.auxiliary_loss,
            &mut self.loss,
            &mut self.entropy,
            &mut self.approx_kl_k1,
            &mut self.approx_kl_k3,
            &mut self.clip_fraction,
            &mut self.value_clip_fraction,
            &mut self.ratio,
            &mut self.value_error,
            &mut self.squared_value_error,
            &mut self.gradient_norm,
        ]
    }
}

fn kept(values: &[f32], mask: Option<&[bool]>) -> Vec<f32> {
    match mask {
        None => values.to_vec(),
        Some(mask) => values.iter().zip(mask).filter(|(_, keep)| **keep).map(|(&value, _)| value).collect(),
    }
}

fn variance(values: &[f32]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count
}
