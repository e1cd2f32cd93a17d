/// What a rollout looks like: means over its responses unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RolloutStatistics {
    /// Reward of a response, before the KL penalty.
    pub reward: f64,
    /// Smallest and largest reward.
    pub reward_range: (f64, f64),
    /// Reward after the KL penalty.
    pub total_reward: f64,
    /// The KL penalty alone, negative.
    pub kl_reward: f64,
    /// KL of a response to the reference, summed over its tokens.
    pub kl: f64,
    /// `mean sqrt |kl|`.
    pub sqrt_kl: f64,
    /// Mean value prediction over tokens that count; 0 without a critic.
    pub value: f64,
    /// Mean entropy in nats over tokens that count.
    pub entropy: f64,
    /// Tokens of a response that count.
    pub response_length: f64,
    /// Share of positions that hold padding.
    pub padding: f64,
    /// Share of responses that ended by themselves.
    pub finished: f64,
    /// Weight of the KL penalty in this iteration.
    pub kl_coef: f64,
}

impl RolloutStatistics {
    /// Name and value of each number, the names as the reference implementation logs them.
    pub fn entries(&self) -> [(&'static str, f64); 13] {
        [
            ("rollout_buffer/rewards", self.reward),
            ("rollout_buffer/rewards_min", self.reward_range.0),
            ("rollout_buffer/rewards_max", self.reward_range.1),
            ("rollout_buffer/total_rewards", self.total_reward),
            ("rollout_buffer/kl_rewards", self.kl_reward),
            ("rollout_buffer/kl_div", self.kl),
            ("rollout_buffer/sqrt_kl", self.sqrt_kl),
            ("rollout_buffer/value", self.value),
            ("rollout_buffer/entropy", self.entropy),
            ("rollout_buffer/episode_lengths", self.response_length),
            ("rollout_buffer/pad_percent", 100.0 * self.padding),
            ("rollout_buffer/finished_percent", 100.0 * self.finished),
            ("rollout_buffer/kl_coef", self.kl_coef),
        ]
    }
}
