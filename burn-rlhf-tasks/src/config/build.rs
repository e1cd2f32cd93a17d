//! From the sections of a configuration to the settings of the library.

use burn::module::ParamGroup;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer};
use burn_sppo::{
    advantage::{self, Gae},
    learner::{LearningRateSchedule, UpdateConfig},
    loss::{self, Algorithm, PolicyLossConfig, Symmetry, ValueLoss},
};

use super::{
    AdvantageNorm, AdvantageType, AlgorithmName, AlgorithmSection, Critic, KlController, KlSection, ModelSection,
    OptimizerName, OptimizerSection, ResponseMask, ReverseForm, RunConfig, SamplingSection, SchedulerName,
    SchedulerSection, Side, ValueHead,
};
use crate::{
    generate::SamplingConfig,
    model::gpt2::Gpt2Config,
    policy::{CriticKind, LanguageActorCriticConfig},
    rollout::{self, KlConfig, KlControl, RolloutConfig, TruncationSide},
};

impl SamplingSection {
    pub fn build(&self) -> SamplingConfig {
        SamplingConfig {
            do_sample: self.do_sample,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_length: self.min_length,
            max_new_tokens: self.max_new_tokens,
        }
    }
}

impl From<Side> for TruncationSide {
    fn from(side: Side) -> Self {
        match side {
            Side::Left => Self::Left,
            Side::Right => Self::Right,
        }
    }
}

impl ModelSection {
    /// The shape of a policy made from nothing.
    pub fn gpt2(&self, vocab_size: usize) -> Gpt2Config {
        Gpt2Config {
            vocab_size,
            n_positions: self.n_positions,
            n_embd: self.n_embd,
            n_layer: self.n_layer,
            n_head: self.n_head,
            ..Gpt2Config::default()
        }
    }

    pub fn actor_critic(&self) -> LanguageActorCriticConfig {
        LanguageActorCriticConfig {
            critic: match self.critic {
                Critic::Separate => CriticKind::Separate,
                Critic::SharedTrunk => CriticKind::SharedTrunk,
            },
            mlp_head: self.value_head == ValueHead::Mlp,
        }
    }
}

impl AlgorithmSection {
    /// The policy loss; `None` for training without rollouts.
    pub fn policy_loss(&self) -> Option<PolicyLossConfig> {
        let algorithm = match self.name {
            AlgorithmName::Ppo => Algorithm::Ppo,
            AlgorithmName::Sppo => Algorithm::Sppo,
            AlgorithmName::A2c => Algorithm::A2c,
            AlgorithmName::Sa2c => Algorithm::Sa2c,
            AlgorithmName::Bc | AlgorithmName::RewardModel => return None,
        };
        let form = match self.form {
            ReverseForm::Rce => loss::ReverseForm::Rce,
            ReverseForm::Mae => loss::ReverseForm::Mae,
            ReverseForm::PerActionRatio => loss::ReverseForm::PerActionRatio,
            ReverseForm::Unnormalised => loss::ReverseForm::Unnormalised,
        };
        let symmetry = Symmetry { alpha: self.alpha, beta: self.beta, z: self.z, form };
        Some(
            PolicyLossConfig::new(algorithm)
                .with_coefficient(if algorithm.is_symmetric() { 1.0 } else { self.alpha })
                .with_symmetry(symmetry)
                .with_clip_range(self.clip_range),
        )
    }

    fn normalization(&self) -> advantage::Normalization {
        match self.advantage_norm {
            AdvantageNorm::None => advantage::Normalization::None,
            AdvantageNorm::Minibatch => advantage::Normalization::Minibatch,
            AdvantageNorm::Rollout => advantage::Normalization::Rollout,
            AdvantageNorm::AllTokens => advantage::Normalization::AllTokens,
        }
    }

    fn advantage_kind(&self) -> advantage::AdvantageKind {
        match self.advantage_type {
            AdvantageType::Normal => advantage::AdvantageKind::Normal,
            AdvantageType::One => advantage::AdvantageKind::One,
            AdvantageType::Discretized => advantage::AdvantageKind::Discretized,
        }
    }
}

impl OptimizerSection {
    /// The optimiser. Biases and the norms' parameters whose names the reference implementation lists do not decay;
    /// GPT-2's own norms do.
    pub fn build(&self) -> ModuleOptimizer {
        match self.name {
            OptimizerName::AdamW => {
                let config = AdamWConfig::new()
                    .with_beta_1(self.beta_1 as f32)
                    .with_beta_2(self.beta_2 as f32)
                    .with_epsilon(self.epsilon as f32)
                    .with_weight_decay(self.weight_decay as f32);
                let still = config.clone().with_weight_decay(0.0);
                ["bias", "beta", "LayerNorm.weight"].into_iter().fold(config.init(), |optimizer, name| {
                    optimizer.with_group(ParamGroup::from_predicate(name), still.build(), None)
                })
            }
            OptimizerName::Adam => AdamConfig::new()
                .with_beta_1(self.beta_1 as f32)
                .with_beta_2(self.beta_2 as f32)
                .with_epsilon(self.epsilon as f32)
                .init(),
        }
    }
}

impl SchedulerSection {
    /// The schedule; `steps` is its length where none is given.
    pub fn build(&self, steps: u64) -> LearningRateSchedule {
        let total = self.total.unwrap_or(steps);
        match self.name {
            SchedulerName::Constant => LearningRateSchedule::Constant,
            SchedulerName::Linear => LearningRateSchedule::Linear { total_iters: total },
            SchedulerName::Cosine => LearningRateSchedule::Cosine { t_max: total, eta_min: 0.0 },
        }
    }
}

impl KlSection {
    pub fn build(&self) -> KlConfig {
        KlConfig {
            control: match self.controller {
                KlController::Fixed => KlControl::Fixed,
                KlController::Proportional => KlControl::Adaptive,
                KlController::Scaled => KlControl::Scaled,
                KlController::Pid => KlControl::Pid,
                KlController::Ball => KlControl::Ball,
            },
            coef: self.coef,
            target: self.target,
            learning_rate: self.learning_rate,
            error_clip: None,
        }
    }
}

impl RunConfig {
    /// The settings of the update step; `None` for training without rollouts.
    pub fn update(&self) -> Option<UpdateConfig> {
        let (algorithm, update) = (&self.algorithm, &self.update);
        let value_loss = ValueLoss::Max { range: algorithm.clip_range_vf };
        Some(
            UpdateConfig::new(
                algorithm.policy_loss()?,
                value_loss,
                update.minibatch,
                update.microbatch,
                algorithm.normalization(),
                algorithm.advantage_kind(),
            )
            .with_vf_coef(algorithm.vf_coef)
            .with_ent_coef(algorithm.ent_coef)
            .with_epochs(update.epochs)
            .with_max_grad_norm(update.max_grad_norm)
            .with_target_kl(update.target_kl),
        )
    }

    /// The settings of the rollouts.
    pub fn rollout(&self) -> RolloutConfig {
        let algorithm = &self.algorithm;
        RolloutConfig {
            rollouts: self.update.rollouts,
            generation_rows: self.update.rollouts,
            scoring_rows: self.update.microbatch,
            sampling: self.sampling.build(),
            mask: match algorithm.mask {
                ResponseMask::EndToken => rollout::ResponseMask::EosInclusive,
                ResponseMask::NotPadding => rollout::ResponseMask::Reference,
            },
            gae: Gae { gamma: algorithm.gamma, lambda: algorithm.gae_lambda },
            target_coef: algorithm.target_coef,
            missing_eos_reward: 0.0,
            keep_distribution: algorithm.policy_loss().is_some_and(|loss| loss.needs_distribution()),
        }
    }
}
