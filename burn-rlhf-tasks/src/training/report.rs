use burn::train::metric::Adaptor;
use burn_sppo::learner::UpdateReport;

use crate::rollout::{RolloutStatistics, RolloutTimes};

/// What one iteration did.
#[derive(Clone, Debug)]
pub struct IterationReport {
    /// 1 for the first.
    pub iteration: u64,
    pub iterations: u64,
    pub learning_rate: f64,
    pub rollout: RolloutStatistics,
    pub update: UpdateReport,
    pub rollout_times: RolloutTimes,
    /// Seconds of the update.
    pub update_seconds: f64,
    /// Responses of the rollout.
    pub rollouts: usize,
}

impl IterationReport {
    /// Name and value of every metric; names as the reference implementation logs them where it has the number.
    pub fn entries(&self) -> Vec<(&'static str, f64)> {
        let update = &self.update;
        let mut entries = self.rollout.entries().to_vec();
        entries.extend([
            ("ppo/loss", update.loss),
            ("ppo/policy_gradient_loss", update.policy_loss),
            ("ppo/robust_loss", update.reverse_loss),
            ("ppo/value_loss", update.value_loss),
            ("ppo/target_loss", update.auxiliary_loss),
            ("ppo/entropy", update.entropy),
            ("ppo/approx_kl", update.approx_kl_k3),
            ("ppo/approx_kl_k1", update.approx_kl_k1),
            ("ppo/ratio", update.ratio),
            ("ppo/clip_fraction", update.clip_fraction),
            ("ppo/val_clip_fraction", update.value_clip_fraction),
            ("ppo/explained_var_in_batch", update.explained_variance),
            ("ppo/explained_var_out_batch", update.old_explained_variance),
            ("ppo/sign_change_percent", update.sign_changes.percent()),
            ("ppo/max_advantage", f64::from(update.sign_changes.max_abs)),
            ("ppo/gradient_norm", update.gradient_norm),
            ("ppo/first_log_ratio", update.first_log_ratio),
            ("ppo/policy_coefficient", update.effective_policy_coefficient.unwrap_or(f64::NAN)),
            ("ppo/minibatches", update.minibatches as f64),
            ("ppo/skipped", update.skipped.len() as f64),
            ("ppo/stopped_early", f64::from(u8::from(update.stopped_early))),
            ("ppo/lr", self.learning_rate),
        ]);
        entries
    }

    /// Responses that were made and trained on in a second.
    pub fn responses_per_second(&self) -> f64 {
        let times = &self.rollout_times;
        let seconds = times.generate + times.reward + times.score + self.update_seconds;
        self.rollouts as f64 / seconds.max(1e-9)
    }

    /// Name and value of every clock reading.
    pub fn timing(&self) -> Vec<(&'static str, f64)> {
        let times = &self.rollout_times;
        vec![
            ("generate_s", times.generate),
            ("reward_s", times.reward),
            ("score_s", times.score),
            ("update_s", self.update_seconds),
            ("tokens_per_s", times.tokens as f64 / times.generate.max(1e-9)),
            ("trajectories_per_s", self.responses_per_second()),
        ]
    }
}

impl Adaptor<IterationReport> for IterationReport {
    fn adapt(&self) -> IterationReport {
        self.clone()
    }
}
