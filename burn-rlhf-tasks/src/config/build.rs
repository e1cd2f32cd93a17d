//! From the sections of a configuration to the settings of the library.

use burn::module::ParamGroup;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn_sppo::{
    advantage::Gae,
    learner::{LearningRateSchedule, UpdateConfig},
    loss::{Algorithm, PolicyLossConfig, Symmetry, ValueLoss},
    optim::FusedAdamWConfig,
};

use super::{
    AlgorithmName, AlgorithmSection, ModelSection, OptimizerName, OptimizerSection, RunConfig, SchedulerName,
    SchedulerSection, ValueLossForm,
};
use crate::{model::gpt2::Gpt2Config, policy::LanguageActorCriticConfig, rollout::RolloutConfig};

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
        LanguageActorCriticConfig { critic: self.critic, mlp_head: self.mlp_head }
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
        let symmetry = Symmetry { alpha: self.alpha, beta: self.beta, z: self.z, form: self.form };
        Some(
            PolicyLossConfig::new(algorithm)
                .with_coefficient(if algorithm.is_symmetric() { 1.0 } else { self.alpha })
                .with_symmetry(symmetry)
                .with_clip_range(self.clip_range),
        )
    }

    fn value_loss(&self) -> ValueLoss {
        match (self.value_loss, self.clip_range_vf) {
            (ValueLossForm::Max, range) => ValueLoss::Max { range },
            (ValueLossForm::ClippedOnly, Some(range)) => ValueLoss::ClippedOnly { range },
            (ValueLossForm::ClippedOnly, None) | (ValueLossForm::Mse, _) => ValueLoss::Mse,
        }
    }
}

impl OptimizerSection {
    /// The optimiser. Biases and the norms' parameters whose names the reference implementation lists do not decay;
    /// GPT-2's own norms do.
    pub fn build(&self) -> ModuleOptimizer {
        match self.name {
            OptimizerName::AdamW => {
                let config = FusedAdamWConfig::new()
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

impl RunConfig {
    /// The settings of the update step; `None` for training without rollouts.
    pub fn update(&self) -> Option<UpdateConfig> {
        let (algorithm, update) = (&self.algorithm, &self.update);
        Some(
            UpdateConfig::new(
                algorithm.policy_loss()?,
                algorithm.value_loss(),
                update.minibatch,
                update.microbatch,
                algorithm.advantage_norm,
                algorithm.advantage_type,
            )
            .with_vf_coef(algorithm.vf_coef)
            .with_ent_coef(algorithm.ent_coef)
            .with_epochs(update.epochs)
            .with_max_grad_norm(update.max_grad_norm)
            .with_target_kl(update.target_kl)
            .with_advantage_flip(algorithm.advantage_flip),
        )
    }

    /// The settings of the rollouts.
    pub fn rollout(&self) -> RolloutConfig {
        let algorithm = &self.algorithm;
        RolloutConfig {
            rollouts: self.update.rollouts,
            generation_rows: self.rollout.generation_rows.unwrap_or(self.update.rollouts),
            scoring_rows: self.rollout.scoring_rows.unwrap_or(self.update.microbatch),
            sampling: self.sampling.clone(),
            mask: algorithm.mask,
            gae: Gae { gamma: algorithm.gamma, lambda: algorithm.gae_lambda },
            target_coef: algorithm.target_coef,
            missing_eos_reward: self.rollout.missing_eos_reward,
            keep_distribution: algorithm.policy_loss().is_some_and(|loss| loss.needs_distribution()),
        }
    }
}
