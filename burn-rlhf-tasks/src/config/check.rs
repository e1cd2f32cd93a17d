//! Values that are of the right type and still make no sense, alone or together.

use super::{AlgorithmName, ConfigError, OptimizerSection, Reference, RunConfig};
use crate::generate::SamplingConfig;
use crate::rollout::KlControl;
use std::fmt::Display;

impl RunConfig {
    /// Whether the values make sense together.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] naming the key and what it must be.
    pub fn check(&self) -> Result<(), ConfigError> {
        at_least_one("iterations", self.iterations)?;
        self.check_task()?;
        self.check_model()?;
        sampling("sampling", &self.sampling)?;
        sampling("evaluation.sampling", &self.evaluation.sampling)?;
        self.check_algorithm()?;
        self.check_batches()?;
        optimizer("optimizer", &self.optimizer)?;
        self.check_kl()?;
        at_least_one("reward.max_length", self.reward.max_length)?;
        at_least_one("reward.batch", self.reward.batch)?;
        at_least_one("evaluation.generation_rows", self.evaluation.generation_rows)?;
        at_least_one("evaluation.perplexity_stride", self.evaluation.perplexity_stride)?;
        at_least_one("checkpoint.keep", self.checkpoint.keep)?;
        at_least_one("health.max_skipped_in_a_row", self.health.max_skipped_in_a_row)?;
        positive("health.max_log_ratio", self.health.max_log_ratio.unwrap_or(1.0))?;
        positive("health.max_kl", self.health.max_kl.unwrap_or(1.0))?;
        self.check_stages()
    }

    fn check_task(&self) -> Result<(), ConfigError> {
        let task = &self.task;
        range("task.train_fraction", task.train_fraction, "above 0 and at most 1", |x| x > 0.0 && x <= 1.0)?;
        range("task.prompt_fraction", task.prompt_fraction, "between 0 and 1", |x| x > 0.0 && x < 1.0)?;
        at_least_one("task.max_prompt_length", task.max_prompt_length)?;
        for (key, rows) in [
            ("task.train_rows", task.train_rows),
            ("task.validation_rows", task.validation_rows),
            ("task.test_rows", task.test_rows),
            ("rollout.generation_rows", self.rollout.generation_rows),
            ("rollout.scoring_rows", self.rollout.scoring_rows),
            ("evaluation.rows", self.evaluation.rows),
            ("bc.rows", self.bc.rows),
            ("reward_model.rows", self.reward_model.rows),
        ] {
            at_least_one(key, rows.unwrap_or(1))?;
        }
        Ok(())
    }

    fn check_model(&self) -> Result<(), ConfigError> {
        let model = &self.model;
        if model.policy.is_some() && !model.from_scratch {
            return Ok(());
        }
        // One token a byte, and one that ends a text.
        range("model.vocab_size", model.vocab_size as f64, "257 or more", |x| x >= 257.0)?;
        for (key, size) in
            [("model.n_layer", model.n_layer), ("model.n_embd", model.n_embd), ("model.n_head", model.n_head)]
        {
            at_least_one(key, size)?;
        }
        let shared = ("model.shared_layers", model.shared_layers.unwrap_or(0));
        at_most(shared, ("model.n_layer", model.n_layer))?;
        divide(("model.n_embd", model.n_embd), ("model.n_head", model.n_head))?;
        let window = ("model.n_positions", model.n_positions);
        if self.algorithm.name.is_on_policy() {
            let longest = self.task.max_prompt_length + self.sampling.max_new_tokens;
            at_most(("task.max_prompt_length + sampling.max_new_tokens", longest), window)?;
        }
        at_most(("bc.max_length", self.bc.max_length), window)
    }

    fn check_algorithm(&self) -> Result<(), ConfigError> {
        let algorithm = &self.algorithm;
        for (key, value) in [
            ("algorithm.alpha", algorithm.alpha),
            ("algorithm.beta", algorithm.beta),
            ("algorithm.vf_coef", algorithm.vf_coef),
            ("algorithm.target_coef", algorithm.target_coef),
        ] {
            range(key, value, "0 or more", |x| x >= 0.0)?;
        }
        range("algorithm.z", algorithm.z, "below 0", |x| x < 0.0)?;
        positive("algorithm.clip_range", algorithm.clip_range)?;
        positive("algorithm.clip_range_vf", algorithm.clip_range_vf.unwrap_or(1.0))?;
        for (key, value) in [
            ("algorithm.gamma", algorithm.gamma),
            ("algorithm.gae_lambda", algorithm.gae_lambda),
            ("algorithm.advantage_flip", algorithm.advantage_flip),
        ] {
            range(key, value, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
        }
        Ok(())
    }

    fn check_batches(&self) -> Result<(), ConfigError> {
        let update = &self.update;
        for (key, size) in [
            ("update.rollouts", update.rollouts),
            ("update.minibatch", update.minibatch),
            ("update.microbatch", update.microbatch),
            ("update.epochs", update.epochs),
        ] {
            at_least_one(key, size)?;
        }
        divide(("update.rollouts", update.rollouts), ("update.minibatch", update.minibatch))?;
        divide(("update.minibatch", update.minibatch), ("update.microbatch", update.microbatch))?;
        positive("update.max_grad_norm", update.max_grad_norm.unwrap_or(1.0))?;
        positive("update.target_kl", update.target_kl.unwrap_or(1.0))?;
        let name = self.algorithm.name;
        if matches!(name, AlgorithmName::A2c | AlgorithmName::Sa2c) && update.epochs > 1 {
            return Err(ConfigError::EpochsWithoutRatio { algorithm: name.as_str(), epochs: update.epochs });
        }
        Ok(())
    }

    fn check_kl(&self) -> Result<(), ConfigError> {
        if self.model.reference == Reference::None && self.kl.coef != 0.0 {
            return Err(ConfigError::KlWithoutReference { coef: self.kl.coef });
        }
        positive("kl.learning_rate", self.kl.learning_rate)?;
        positive("kl.error_clip", self.kl.error_clip.unwrap_or(1.0))?;
        match self.kl.target {
            _ if self.kl.control == KlControl::Fixed => Ok(()),
            Some(target) => positive("kl.target", target),
            None => Err(ConfigError::KlTarget { controller: format!("{:?}", self.kl.control).to_lowercase() }),
        }
    }

    fn check_stages(&self) -> Result<(), ConfigError> {
        let (bc, reward) = (&self.bc, &self.reward_model);
        for (key, size) in [
            ("bc.epochs", bc.epochs),
            ("bc.minibatch", bc.minibatch),
            ("bc.microbatch", bc.microbatch),
            ("reward_model.epochs", reward.epochs),
            ("reward_model.minibatch", reward.minibatch),
            ("reward_model.microbatch", reward.microbatch),
            ("reward_model.n_layers", reward.n_layers),
            ("reward_model.dim", reward.dim),
            ("reward_model.hidden_dim", reward.hidden_dim),
            ("reward_model.n_heads", reward.n_heads),
            ("reward_model.max_length", reward.max_length),
        ] {
            at_least_one(key, size)?;
        }
        range("bc.max_length", bc.max_length as f64, "2 or more", |x| x >= 2.0)?;
        divide(("bc.minibatch", bc.minibatch), ("bc.microbatch", bc.microbatch))?;
        divide(("reward_model.minibatch", reward.minibatch), ("reward_model.microbatch", reward.microbatch))?;
        divide(("reward_model.dim", reward.dim), ("reward_model.n_heads", reward.n_heads))?;
        positive("bc.max_grad_norm", bc.max_grad_norm.unwrap_or(1.0))?;
        positive("reward_model.max_grad_norm", reward.max_grad_norm.unwrap_or(1.0))?;
        optimizer("bc.optimizer", &bc.optimizer)?;
        optimizer("reward_model.optimizer", &reward.optimizer)
    }
}

fn optimizer(section: &str, optimizer: &OptimizerSection) -> Result<(), ConfigError> {
    positive(&format!("{section}.learning_rate"), optimizer.learning_rate)?;
    positive(&format!("{section}.epsilon"), optimizer.epsilon)?;
    range(&format!("{section}.weight_decay"), optimizer.weight_decay, "0 or more", |x| x >= 0.0)?;
    for (name, beta) in [("beta_1", optimizer.beta_1), ("beta_2", optimizer.beta_2)] {
        range(&format!("{section}.{name}"), beta, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
    }
    Ok(())
}

fn sampling(section: &str, sampling: &SamplingConfig) -> Result<(), ConfigError> {
    positive(&format!("{section}.temperature"), sampling.temperature)?;
    range(&format!("{section}.top_p"), sampling.top_p, "above 0 and at most 1", |x| x > 0.0 && x <= 1.0)?;
    at_least_one(&format!("{section}.max_new_tokens"), sampling.max_new_tokens)?;
    let longest = format!("{section}.max_new_tokens");
    at_most((&format!("{section}.min_length"), sampling.min_length), (&longest, sampling.max_new_tokens))
}

pub(super) fn range(
    key: &str,
    value: f64,
    range: &'static str,
    within: impl Fn(f64) -> bool,
) -> Result<(), ConfigError> {
    if value.is_finite() && within(value) {
        Ok(())
    } else {
        Err(ConfigError::Range { key: key.into(), value: value.to_string(), range })
    }
}

pub(super) fn positive(key: &str, value: f64) -> Result<(), ConfigError> {
    range(key, value, "above 0", |x| x > 0.0)
}

pub(super) fn at_least_one<T: PartialEq + From<u8> + Display>(key: &str, value: T) -> Result<(), ConfigError> {
    if value == T::from(0) {
        return Err(ConfigError::Range { key: key.into(), value: value.to_string(), range: "at least 1" });
    }
    Ok(())
}

pub(super) fn divide(whole: (&str, usize), part: (&str, usize)) -> Result<(), ConfigError> {
    if whole.1.is_multiple_of(part.1) {
        return Ok(());
    }
    let (whole_key, part_key) = (whole.0.into(), part.0.into());
    Err(ConfigError::Divide { whole_key, whole: whole.1, part_key, part: part.1 })
}

fn at_most(value: (&str, usize), bound: (&str, usize)) -> Result<(), ConfigError> {
    if value.1 <= bound.1 {
        return Ok(());
    }
    let (key, other) = (value.0.into(), bound.0.into());
    Err(ConfigError::Order { key, value: value.1, other, bound: bound.1 })
}
