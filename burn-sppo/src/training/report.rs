use crate::{environment::Episode, learner::UpdateReport};

/// What one iteration did: a rollout and its update.
#[derive(Clone, Debug)]
pub struct ControlReport {
    /// 1 for the first.
    pub iteration: u64,
    /// Environment steps so far, over all environments.
    pub steps: u64,
    pub total_steps: u64,
    /// Environment steps of this iteration.
    pub rollout_steps: u64,
    pub learning_rate: f64,
    pub clip_range: f64,
    /// Bound on the change of a value prediction; `None` if there is none.
    pub clip_range_vf: Option<f64>,
    /// Whether the policy loss is that of PPO, with its ratio.
    pub uses_ratio: bool,
    /// Passes over rollouts so far.
    pub updates: u64,
    /// Mean standard deviation of actions after the update, where it is a parameter.
    pub mean_std: Option<f64>,
    /// `1 - Var(R - V) / Var(R)` of the rollout; not a number where all returns are equal.
    pub explained_variance: f64,
    /// Mean return and length of the last hundred episodes; `None` before the first one ended.
    pub episodes: Option<RecentEpisodes>,
    /// The episodes that ended in this iteration, in order.
    pub finished: Vec<Episode>,
    /// Mean reward of a step, as trained on.
    pub mean_reward: f64,
    pub update: UpdateReport,
    pub collect_seconds: f64,
    pub update_seconds: f64,
    /// Since the training began, without the time between a stop and a resume.
    pub elapsed_seconds: f64,
}

/// The last episodes of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecentEpisodes {
    /// Raw rewards, before any wrapper.
    pub mean_return: f64,
    pub mean_length: f64,
    pub count: usize,
}

impl ControlReport {
    /// Name and value of every metric; names as Stable-Baselines3 logs them where it has the number. Losses and the
    /// approximate KL are means over the update, where it takes the last minibatch or epoch.
    pub fn entries(&self) -> Vec<(&'static str, f64)> {
        let update = &self.update;
        let (mean_return, mean_length) =
            self.episodes.map_or((f64::NAN, f64::NAN), |recent| (recent.mean_return, recent.mean_length));
        let policy_loss = if self.uses_ratio { "train/policy_gradient_loss" } else { "train/policy_loss" };
        let mut entries = vec![
            ("rollout/ep_rew_mean", mean_return),
            ("rollout/ep_len_mean", mean_length),
            ("rollout/reward_mean", self.mean_reward),
            ("time/iterations", self.iteration as f64),
            ("time/total_timesteps", self.steps as f64),
            ("train/learning_rate", self.learning_rate),
            ("train/clip_range", self.clip_range),
            ("train/loss", update.loss),
            (policy_loss, update.policy_loss),
            ("train/robust_loss", update.reverse_loss),
            ("train/value_loss", update.value_loss),
            ("train/entropy_loss", -update.entropy),
            ("train/approx_kl", update.approx_kl_k3),
            ("train/approx_kl_k1", update.approx_kl_k1),
            ("train/clip_fraction", update.clip_fraction),
            ("train/explained_variance", self.explained_variance),
            ("train/n_updates", self.updates as f64),
            ("train/gradient_norm", update.gradient_norm),
            ("train/sign_change_percent", update.sign_changes.percent()),
            ("train/max_advantage", f64::from(update.sign_changes.max_abs)),
            ("train/first_log_ratio", update.first_log_ratio),
            ("train/policy_coefficient", update.effective_policy_coefficient.unwrap_or(f64::NAN)),
            ("train/minibatches", update.minibatches as f64),
            ("train/skipped", update.skipped.len() as f64),
            ("train/stopped_early", f64::from(u8::from(update.stopped_early))),
        ];
        entries.extend(self.clip_range_vf.map(|range| ("train/clip_range_vf", range)));
        entries.extend(self.mean_std.map(|std| ("train/std", std)));
        entries
    }

    /// Environment steps a second, rollout and update together.
    pub fn steps_per_second(&self) -> f64 {
        self.rollout_steps as f64 / (self.collect_seconds + self.update_seconds).max(1e-9)
    }

    /// Name and value of every clock reading.
    pub fn timing(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("collect_s", self.collect_seconds),
            ("update_s", self.update_seconds),
            ("steps_per_s", self.steps_per_second()),
            ("time/fps", self.steps as f64 / self.elapsed_seconds.max(1e-9)),
            ("time/time_elapsed", self.elapsed_seconds),
        ]
    }
}
