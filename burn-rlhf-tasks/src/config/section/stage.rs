use super::{OptimizerSection, SchedulerSection};
use serde::{Deserialize, Serialize};

/// The score of a whole response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardSection {
    /// Hub id or local folder of a sequence classifier; `none`: the `reward-model` stage trains one.
    pub model: Option<String>,
    /// The class whose probability is the reward.
    pub label: usize,
    /// Score prompt and response together, or the response alone.
    pub include_prompt: bool,
    /// Longest text in tokens; longer ones lose their beginning.
    pub max_length: usize,
    /// Texts scored at once.
    pub batch: usize,
}

impl Default for RewardSection {
    fn default() -> Self {
        Self { model: None, label: 1, include_prompt: true, max_length: 512, batch: 64 }
    }
}

/// Behaviour cloning on the task's texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BcSection {
    pub epochs: usize,
    pub minibatch: usize,
    pub microbatch: usize,
    /// Rows used of the training split; `none`: all.
    pub rows: Option<usize>,
    /// Tokens of a row; longer texts are cut.
    pub max_length: usize,
    /// Loss on the response only, or on the prompt too.
    pub response_only: bool,
    /// End every text with the end token, so that the policy learns to stop.
    pub append_end_token: bool,
    pub max_grad_norm: Option<f64>,
    /// Steps in which the learning rate rises from 0.
    pub warmup: u64,
    pub optimizer: OptimizerSection,
    pub scheduler: SchedulerSection,
}

impl Default for BcSection {
    fn default() -> Self {
        Self {
            epochs: 1,
            minibatch: 32,
            microbatch: 32,
            rows: None,
            max_length: 112,
            response_only: false,
            append_end_token: true,
            max_grad_norm: Some(1.0),
            warmup: 50,
            optimizer: OptimizerSection { learning_rate: 1e-3, epsilon: 1e-8, ..OptimizerSection::default() },
            scheduler: SchedulerSection::default(),
        }
    }
}

/// A sequence classifier trained from scratch on the task's labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardModelSection {
    pub epochs: usize,
    pub minibatch: usize,
    pub microbatch: usize,
    /// Rows used of the training split; `none`: all.
    pub rows: Option<usize>,
    /// Tokens of a row; longer texts lose their beginning.
    pub max_length: usize,
    /// Also train a second classifier with another seed on the other half of the rows, used only as a judge.
    pub judge: bool,
    pub max_grad_norm: Option<f64>,
    /// Steps in which the learning rate rises from 0.
    pub warmup: u64,
    pub optimizer: OptimizerSection,
    pub scheduler: SchedulerSection,
    /// Shape, in the words of `config.json`.
    pub n_layers: usize,
    pub dim: usize,
    pub hidden_dim: usize,
    pub n_heads: usize,
}

impl Default for RewardModelSection {
    fn default() -> Self {
        Self {
            epochs: 1,
            minibatch: 32,
            microbatch: 32,
            rows: None,
            max_length: 128,
            judge: true,
            max_grad_norm: Some(1.0),
            warmup: 50,
            optimizer: OptimizerSection { learning_rate: 5e-4, epsilon: 1e-8, ..OptimizerSection::default() },
            scheduler: SchedulerSection::default(),
            n_layers: 2,
            dim: 128,
            hidden_dim: 512,
            n_heads: 4,
        }
    }
}
