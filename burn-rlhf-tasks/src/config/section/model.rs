use crate::{model::kernel::Precision, policy::CriticKind};
use serde::{Deserialize, Serialize};

/// The policy, its critic and its reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSection {
    /// Hub id or local folder of a causal language model; `none`: the `bc` stage makes one from scratch.
    pub policy: Option<String>,
    /// Hub id or local folder of its tokenizer; `none`: the policy's, or one trained on the task's texts.
    pub tokenizer: Option<String>,
    /// Make policy, tokenizer and reward model here even where the preset names checkpoints.
    pub from_scratch: bool,
    /// Seed of the models that are made here; `none`: the seed of the run.
    pub seed: Option<u64>,
    /// Where the critic's features come from.
    pub critic: CriticKind,
    /// A value head with one hidden layer instead of a linear one.
    pub mlp_head: bool,
    /// How the frozen reference is kept.
    pub reference: Reference,
    /// Blocks shared with a reference of the kind `shared_trunk`; `none`: half of them.
    pub shared_layers: Option<usize>,
    /// Number format of matrix products; weights, losses and log-softmax stay f32.
    pub precision: Precision,
    /// The same while a starting model or a reward model is made; `none`: as in training.
    pub stage_precision: Option<Precision>,
    /// Vocabulary of a tokenizer trained here.
    pub vocab_size: usize,
    /// Shape of a policy made from scratch, in the words of `config.json`.
    pub n_layer: usize,
    pub n_embd: usize,
    pub n_head: usize,
    pub n_positions: usize,
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            policy: None,
            tokenizer: None,
            from_scratch: false,
            seed: None,
            critic: CriticKind::Separate,
            mlp_head: false,
            reference: Reference::Copy,
            shared_layers: None,
            precision: Precision::F32,
            stage_precision: None,
            vocab_size: 4096,
            n_layer: 4,
            n_embd: 128,
            n_head: 4,
            n_positions: 128,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// A frozen copy of the starting policy.
    Copy,
    /// Embeddings and the lower blocks are frozen in the policy and shared with the reference, the upper blocks are
    /// copied: `shared_layers` says how many.
    SharedTrunk,
    /// No reference: KL is not paid for, and reported as 0.
    None,
}
