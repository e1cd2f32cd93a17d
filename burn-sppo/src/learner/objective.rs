use burn::tensor::{Int, Tensor};

use super::{
    Samples, UpdateError,
    update::{Update, Upload},
};
use crate::loss::{self, PolicySamples, Reduction, approximate_kl, value_clip_fraction};

/// The parts of the loss of one microbatch, each a graph of its own, and the numbers that are reported of them.
pub(super) struct Objective<'a> {
    update: &'a Update,
    reduction: &'a Reduction,
    old_log_prob: Tensor<1>,
    advantage: Tensor<1>,
    returns: Tensor<1>,
    old_value: Option<Tensor<1>>,
    zero: Tensor<1>,
    /// Policy and reverse loss, k1, k3, clip fraction, ratio, entropy.
    policy: Vec<Tensor<1>>,
    /// Value error, its square, clip fraction, loss.
    value: Vec<Tensor<1>>,
    auxiliary: Tensor<1>,
    total: Tensor<1>,
    max_log_ratio: Tensor<1>,
}

impl<'a> Objective<'a> {
    pub fn new(
        update: &'a Update,
        upload: &Upload,
        samples: &Samples,
        rows: &[usize],
        advantage: &[f32],
        reduction: &'a Reduction,
    ) -> Self {
        let old_value = !samples.old_value.is_empty();
        let advantage = upload.floats(advantage.to_vec());
        let zero = Tensor::zeros([1], &advantage.device());
        Self {
            update,
            reduction,
            old_log_prob: upload.floats(samples.gather(&samples.old_log_prob, rows)),
            advantage,
            returns: upload.floats(samples.gather(&samples.returns, rows)),
            old_value: old_value.then(|| upload.floats(samples.gather(&samples.old_value, rows))),
            policy: vec![zero.clone(); 7],
            value: vec![zero.clone(); 4],
            auxiliary: zero.clone(),
            total: zero.clone(),
            max_log_ratio: zero.clone(),
            zero,
        }
    }

    /// Policy loss and entropy bonus, weighted, `[1]`. `old_distribution` is what the whole distribution was, and which
    /// action was taken.
    pub fn policy(
        &mut self,
        log_prob: Tensor<1>,
        entropy: Option<Tensor<1>>,
        full_log_prob: Option<Tensor<2>>,
        old_distribution: Option<(Tensor<2>, Tensor<1, Int>)>,
    ) -> Result<Tensor<1>, UpdateError> {
        let (config, reduction) = (&self.update.config, self.reduction);
        let log_ratio = reduction.keep(log_prob.clone().without_autodiff() - self.old_log_prob.clone());
        let (old_full_log_prob, actions) = old_distribution.unzip();
        let policy = self.update.policy_loss.forward(
            PolicySamples {
                log_prob: log_prob.clone(),
                old_log_prob: self.old_log_prob.clone(),
                advantage: self.advantage.clone(),
                full_log_prob,
                old_full_log_prob,
                actions,
            },
            reduction,
        )?;
        let ratio = policy.ratio.without_autodiff();
        let mut total = policy.loss;
        let mean_entropy = if config.ent_coef != 0.0 {
            let loss = loss::entropy_loss(entropy, log_prob, reduction);
            total = total + loss.clone() * config.ent_coef;
            loss.without_autodiff().neg()
        } else {
            loss::entropy_loss(None, log_prob.without_autodiff(), reduction).neg()
        };
        self.policy = vec![
            policy.policy.without_autodiff(),
            policy.reverse.map_or_else(|| self.zero.clone(), Tensor::without_autodiff),
            approximate_kl::k1(log_ratio.clone(), reduction),
            approximate_kl::k3(log_ratio.clone(), reduction),
            loss::clip_fraction(ratio.clone(), config.policy_loss.clip_range, reduction),
            reduction.mean(ratio),
            mean_entropy,
        ];
        self.max_log_ratio = log_ratio.abs().max();
        Ok(self.count(total))
    }

    /// Value loss, weighted, `[1]`.
    pub fn value(&mut self, value: Tensor<1>, reduction: &Reduction) -> Result<Tensor<1>, UpdateError> {
        let config = &self.update.config;
        let now = value.clone().without_autodiff();
        let old_value = self.old_value.clone().unwrap_or_else(|| now.clone());
        let error = reduction.keep(self.returns.clone() - now.clone());
        let clipped = match config.value_loss.range() {
            Some(range) => value_clip_fraction(now, old_value.clone(), range, reduction),
            None => self.zero.clone(),
        };
        let loss = config.value_loss.forward(value, old_value, self.returns.clone(), reduction)?;
        self.value = vec![
            reduction.mean(error.clone()),
            reduction.mean(error.square()),
            clipped,
            loss.clone().without_autodiff(),
        ];
        Ok(self.count(loss * config.vf_coef))
    }

    /// The module's own loss, `[1]`.
    pub fn auxiliary(&mut self, loss: Tensor<1>) -> Tensor<1> {
        self.auxiliary = loss.clone().without_autodiff();
        self.count(loss)
    }

    /// All numbers, in the order of [`MinibatchSums`](super::report::MinibatchSums), read from the device at once.
    pub fn terms(self) -> impl Iterator<Item = f64> {
        let mut terms = self.policy;
        terms.extend(self.value);
        terms.extend([self.auxiliary, self.total, self.max_log_ratio]);
        Tensor::cat(terms, 0).into_data().iter::<f64>().collect::<Vec<_>>().into_iter()
    }

    fn count(&mut self, part: Tensor<1>) -> Tensor<1> {
        self.total = self.total.clone() + part.clone().without_autodiff();
        part
    }
}
