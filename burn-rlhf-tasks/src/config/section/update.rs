use serde::{Deserialize, Serialize};

/// How one rollout becomes optimiser steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateSection {
    /// Responses sampled per iteration.
    pub rollouts: usize,
    /// Responses per optimiser step.
    pub minibatch: usize,
    /// Responses per forward and backward pass; gradients of a minibatch are summed exactly.
    pub microbatch: usize,
    /// Passes over the rollouts of an iteration.
    pub epochs: usize,
    /// Largest global gradient norm; `none`: no clipping.
    pub max_grad_norm: Option<f64>,
    /// Leave the epochs of an iteration once the approximate KL exceeds 1.5 times this.
    pub target_kl: Option<f64>,
}

impl Default for UpdateSection {
    fn default() -> Self {
        Self { rollouts: 112, minibatch: 28, microbatch: 28, epochs: 5, max_grad_norm: Some(1.0), target_kl: None }
    }
}

/// How responses are made and scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSection {
    /// Rows generated together; `none`: all of an iteration.
    pub generation_rows: Option<usize>,
    /// Rows whose log-probabilities and values are computed together; `none`: the microbatch.
    pub scoring_rows: Option<usize>,
    /// Added to the reward of a response that does not end by itself.
    pub missing_eos_reward: f64,
}

impl Default for RolloutSection {
    fn default() -> Self {
        Self { generation_rows: None, scoring_rows: None, missing_eos_reward: 0.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSection {
    pub name: OptimizerName,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub epsilon: f64,
    pub beta_1: f64,
    pub beta_2: f64,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self {
            name: OptimizerName::AdamW,
            learning_rate: 5e-6,
            weight_decay: 1e-6,
            epsilon: 1e-5,
            beta_1: 0.9,
            beta_2: 0.999,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    Adam,
    AdamW,
}

/// The learning rate over the iterations (over the steps, in `bc` and `reward_model`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchedulerSection {
    pub name: SchedulerName,
    /// Length of the schedule; `none`: the whole training.
    pub total: Option<u64>,
}

impl Default for SchedulerSection {
    fn default() -> Self {
        Self { name: SchedulerName::Constant, total: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerName {
    Constant,
    Linear,
    Cosine,
}
