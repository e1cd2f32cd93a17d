use crate::{generate::SamplingConfig, task::Split};
use serde::{Deserialize, Serialize};

/// Measurements that are not trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSection {
    /// Iterations between two evaluations; 0: only at the start and the end.
    pub every: u64,
    /// Evaluate before the first iteration.
    pub at_start: bool,
    /// Splits, in order.
    pub splits: Vec<Split>,
    /// Rows of a split that are used; `none`: all.
    pub rows: Option<usize>,
    /// Rows generated together.
    pub generation_rows: usize,
    /// Texts kept in `samples.jsonl` per evaluation.
    pub samples: usize,
    pub metrics: Vec<EvaluationMetric>,
    /// Fixed language model that judges the responses' fluency; `none`: the policy's starting weights.
    pub perplexity_model: Option<String>,
    /// Window step of perplexities, in tokens.
    pub perplexity_stride: usize,
    pub sampling: SamplingConfig,
}

impl Default for EvaluationSection {
    fn default() -> Self {
        Self {
            every: 10,
            at_start: true,
            splits: vec![Split::Validation],
            rows: None,
            generation_rows: 100,
            samples: 8,
            metrics: EvaluationMetric::ALL.to_vec(),
            perplexity_model: None,
            perplexity_stride: 512,
            sampling: SamplingConfig { min_length: 48, ..SamplingConfig::default() },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationMetric {
    /// Mean score of the reward model.
    Reward,
    /// Mean score of a classifier that was not trained against.
    Judge,
    /// Sentiment by the generator's own word lists (built-in task only).
    Label,
    /// Perplexity of the policy on the references.
    Perplexity,
    /// Perplexity of the responses under a fixed model.
    OutputPerplexity,
    /// KL to the reference per response.
    Kl,
    /// Distinct n-grams over all n-grams of the responses.
    Distinct,
}

impl EvaluationMetric {
    pub const ALL: [Self; 7] =
        [Self::Reward, Self::Judge, Self::Label, Self::Perplexity, Self::OutputPerplexity, Self::Kl, Self::Distinct];
}
