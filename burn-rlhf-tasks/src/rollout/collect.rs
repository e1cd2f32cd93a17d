use std::time::Instant;

use burn::tensor::{Device, TensorData};
use burn_sppo::{
    advantage::Gae,
    learner::{Request, Samples},
    run::{Purpose, Streams},
};

use super::{
    PromptSource, Responder, ResponseMask, Rewards, RolloutError, RolloutStatistics, Target, TextDecoder, TokenRollout,
    shaped_rewards, token_kl,
};
use crate::{
    generate::{Generated, SamplingConfig},
    policy::{TokenBatch, TokenPolicy},
    reward::{Response, Reward},
};

/// How rollouts are made.
#[derive(Clone)]
pub struct RolloutConfig {
    /// Responses an iteration.
    pub rollouts: usize,
    /// Rows that are generated together.
    pub generation_rows: usize,
    /// Rows that are scored together.
    pub scoring_rows: usize,
    pub sampling: SamplingConfig,
    /// Which tokens of a response count.
    pub mask: ResponseMask,
    /// Discount of rewards, and weight of longer returns (arXiv 1506.02438).
    pub gae: Gae,
    /// Weight of the likelihood of reference texts; 0 leaves it out.
    pub target_coef: f64,
    /// Added to the reward of a response that did not end by itself.
    pub missing_eos_reward: f64,
    /// Keep the log-probabilities of all tokens, for reverse losses that need them.
    pub keep_distribution: bool,
}

impl RolloutConfig {
    /// Rollouts of `rollouts` responses: all generated together, 32 scored together, every token up to the end token
    /// counted, returns without discount, nothing else.
    pub fn new(rollouts: usize) -> Self {
        Self {
            rollouts,
            generation_rows: rollouts,
            scoring_rows: rollouts.min(32),
            sampling: SamplingConfig::default(),
            mask: ResponseMask::EosInclusive,
            gae: Gae { gamma: 1.0, lambda: 0.95 },
            target_coef: 0.0,
            missing_eos_reward: 0.0,
            keep_distribution: false,
        }
    }
}

/// Seconds that each part of a rollout took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RolloutTimes {
    pub generate: f64,
    pub reward: f64,
    pub score: f64,
    /// Tokens generated.
    pub tokens: usize,
}

/// What makes rollouts: a frozen snapshot of the policy, the reference, prompts and a reward.
pub struct Collector<'a, P: TokenPolicy> {
    pub config: &'a RolloutConfig,
    /// The policy without gradients.
    pub policy: &'a P,
    /// What the KL penalty is measured against; `None` leaves it out.
    pub reference: Option<&'a P>,
    pub prompts: &'a PromptSource,
    pub decoder: &'a TextDecoder,
    pub reward: &'a mut dyn Reward,
    pub device: &'a Device,
}

/// A finished rollout with the texts behind it.
pub struct Collected {
    pub rollout: TokenRollout,
    pub responses: Vec<Response>,
    /// Reward of each response, before the KL penalty.
    pub rewards: Vec<f32>,
    pub times: RolloutTimes,
}

impl<P: TokenPolicy> Collector<'_, P> {
    /// Samples, rewards and scores the responses of `iteration`.
    ///
    /// # Errors
    /// If generation or the reward fails, or if a reward has the wrong length or is not finite.
    pub fn collect(&mut self, streams: Streams, iteration: u64, kl_coef: f64) -> Result<Collected, RolloutError> {
        let config = self.config;
        let indices = self.prompts.draw(streams, iteration, config.rollouts);
        let start = Instant::now();
        let responder = Responder {
            policy: self.policy,
            prompts: self.prompts,
            decoder: self.decoder,
            sampling: &config.sampling,
            rows: config.generation_rows,
            device: self.device,
        };
        let (responses, generated): (Vec<Response>, Vec<Generated>) =
            responder.respond(&indices, streams, Purpose::Sampling, iteration)?.into_iter().unzip();
        let mut times = RolloutTimes {
            generate: start.elapsed().as_secs_f64(),
            tokens: generated.iter().map(|row| row.tokens.len()).sum(),
            ..RolloutTimes::default()
        };
        let start = Instant::now();
        let rewards = self.reward(&responses, iteration)?;
        times.reward = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let rollout = self.score(iteration, &responses, generated, &rewards, kl_coef)?;
        times.score = start.elapsed().as_secs_f64();
        Ok(Collected { rollout, responses, rewards: rewards.totals(), times })
    }

    fn reward(&mut self, responses: &[Response], iteration: u64) -> Result<Rewards, RolloutError> {
        let mut rewards = self.reward.reward(responses).map_err(|source| RolloutError::Reward { iteration, source })?;
        if rewards.len() != responses.len() {
            return Err(RolloutError::RewardCount { expected: responses.len(), found: rewards.len() });
        }
        if self.config.missing_eos_reward != 0.0 {
            rewards.add_at_end(responses, self.config.missing_eos_reward as f32);
        }
        burn_sppo::run::HealthChecks::rewards(iteration, &rewards.totals())?;
        Ok(rewards)
    }

    /// Log-probabilities of the reference, values, KL-shaped rewards and advantages.
    fn score(
        &self,
        iteration: u64,
        texts: &[Response],
        generated: Vec<Generated>,
        rewards: &Rewards,
        kl_coef: f64,
    ) -> Result<TokenRollout, RolloutError> {
        let config = self.config;
        let length = config.sampling.max_new_tokens;
        let special = self.prompts.special_tokens();
        let samples = Samples { per_row: length, ..Samples::default() };
        let responses: Vec<Vec<u32>> = generated.iter().map(|row| row.tokens.clone()).collect();
        let target = (config.target_coef != 0.0).then(|| Target {
            tokens: texts.iter().map(|text| self.prompts.reference_tokens(text.index, length)).collect(),
            coef: config.target_coef,
        });
        let mut rollout = TokenRollout {
            prompts: texts.iter().map(|text| text.prompt_tokens.clone()).collect(),
            responses,
            samples,
            target,
            pad: special.pad,
            distribution: None,
            statistics: RolloutStatistics::default(),
        };
        let scores = self.scores(&rollout, iteration)?;
        let mut columns = Columns::default();
        for (row, generated) in generated.iter().enumerate() {
            let mut padded = generated.tokens.clone();
            padded.resize(length, special.pad);
            let (mask, count) = config.mask.of(&padded, special.pad, special.eos);
            let mut log_prob = generated.log_prob.clone();
            log_prob.resize(length, 0.0);
            let range = row * length..(row + 1) * length;
            let reference = scores.reference.as_ref().map_or(&log_prob[..], |all| &all[range.clone()]);
            let kl: Vec<f32> = token_kl(&log_prob, reference)
                .iter()
                .zip(&mask)
                .map(|(&kl, &keep)| if keep { kl } else { 0.0 })
                .collect();
            let tokens = rewards.tokens(row, config.mask, count, length);
            let total = shaped_rewards(&tokens, &kl, kl_coef);
            columns.push(&generated.entropy, mask, log_prob, kl, total);
            columns.lengths.push(count);
            columns.finished += usize::from(generated.finished);
        }
        let values = scores.values.unwrap_or_default();
        let zeros;
        let critic = match values.is_empty() {
            true => {
                zeros = vec![0.0; columns.mask.len()];
                &zeros
            }
            false => &values,
        };
        let estimates = config.gae.tokens(&columns.total, critic, &columns.mask, length)?;
        rollout.statistics = columns.statistics(rewards, &values, kl_coef, length);
        rollout.distribution = scores.distribution;
        rollout.samples = Samples {
            per_row: length,
            old_log_prob: columns.log_prob,
            advantage: estimates.advantages,
            returns: estimates.returns,
            old_value: values,
            policy_mask: Some(columns.mask),
            value_mask: None,
        };
        Ok(rollout)
    }

    fn scores(&self, rollout: &TokenRollout, iteration: u64) -> Result<Scores, RolloutError> {
        let read = |data: TensorData| {
            data.convert::<f32>()
                .try_into_vec::<f32>()
                .map_err(|error| RolloutError::Read { iteration, reason: format!("{error:?}") })
        };
        let mut scores = Scores::default();
        let rows: Vec<usize> = (0..rollout.responses.len()).collect();
        for rows in rows.chunks(self.config.scoring_rows.max(1)) {
            let batch: TokenBatch = rollout.token_batch(rows, self.device);
            if let Some(reference) = self.reference {
                let log_prob = reference.evaluate(&batch, Request::default()).log_prob;
                scores.reference.get_or_insert_default().extend(read(log_prob.into_data())?);
            }
            if let Some(values) = self.policy.value(&batch) {
                scores.values.get_or_insert_default().extend(read(values.into_data())?);
            }
            if self.config.keep_distribution {
                let request = Request { full_log_prob: true, ..Request::default() };
                if let Some(all) = self.policy.evaluate(&batch, request).full_log_prob {
                    scores.distribution.get_or_insert_default().extend(read(all.into_data())?);
                }
            }
        }
        Ok(scores)
    }
}

#[derive(Default)]
struct Scores {
    reference: Option<Vec<f32>>,
    values: Option<Vec<f32>>,
    distribution: Option<Vec<f32>>,
}

/// The numbers of all tokens, row by row.
#[derive(Default)]
struct Columns {
    mask: Vec<bool>,
    log_prob: Vec<f32>,
    kl: Vec<f32>,
    total: Vec<f32>,
    lengths: Vec<usize>,
    finished: usize,
    entropy: f64,
}

impl Columns {
    fn push(&mut self, entropy: &[f32], mask: Vec<bool>, log_prob: Vec<f32>, kl: Vec<f32>, total: Vec<f32>) {
        let kept = entropy.iter().zip(&mask).filter(|(_, keep)| **keep);
        self.entropy += kept.map(|(&entropy, _)| f64::from(entropy)).sum::<f64>();
        self.mask.extend(mask);
        self.log_prob.extend(log_prob);
        self.kl.extend(kl);
        self.total.extend(total);
    }

    fn statistics(&self, rewards: &Rewards, values: &[f32], kl_coef: f64, length: usize) -> RolloutStatistics {
        let rewards: Vec<f64> = rewards.totals().into_iter().map(f64::from).collect();
        let rows = rewards.len().max(1) as f64;
        let counted: usize = self.lengths.iter().sum();
        let per_row = |values: &[f32]| -> Vec<f64> {
            values.chunks(length.max(1)).map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / rows;
        let kl = per_row(&self.kl);
        let kept_values = values.iter().zip(&self.mask).filter(|(_, keep)| **keep).map(|(&value, _)| f64::from(value));
        RolloutStatistics {
            reward: mean(&rewards),
            reward_range: (
                rewards.iter().copied().fold(f64::INFINITY, f64::min),
                rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ),
            total_reward: mean(&per_row(&self.total)),
            kl_reward: -kl_coef * mean(&kl),
            kl: mean(&kl),
            sqrt_kl: mean(&kl.iter().map(|kl| kl.abs().sqrt()).collect::<Vec<_>>()),
            value: kept_values.sum::<f64>() / counted.max(1) as f64,
            entropy: self.entropy / counted.max(1) as f64,
            response_length: counted as f64 / rows,
            padding: 1.0 - counted as f64 / self.mask.len().max(1) as f64,
            finished: self.finished as f64 / rows,
            kl_coef,
        }
    }
}
