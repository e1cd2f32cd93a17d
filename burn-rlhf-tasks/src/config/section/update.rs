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
#[serde(rename_all = "kebab-case")]
pub enum SchedulerName {
    Constant,
    Linear,
    Cosine,
}

/// The price of leaving the reference policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KlSection {
    pub controller: KlController,
    /// Coefficient at the start.
    pub coef: f64,
    /// KL per response that an adaptive controller steers to; `none`: the coefficient stays.
    pub target: Option<f64>,
    /// Step size of `pid` and `ball`.
    pub learning_rate: f64,
}

impl Default for KlSection {
    fn default() -> Self {
        Self { controller: KlController::Fixed, coef: 0.001, target: None, learning_rate: 0.01 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KlController {
    Fixed,
    /// Proportional to the relative error.
    Proportional,
    /// The same, scaled by a batch of 64 over a horizon of 750.
    Scaled,
    /// An Adam step on the coefficient.
    Pid,
    /// The same, never below zero.
    Ball,
}
