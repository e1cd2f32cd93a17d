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
    /// Where the critic's features come from.
    pub critic: Critic,
    /// The head on those features.
    pub value_head: ValueHead,
    /// How the frozen reference is kept.
    pub reference: Reference,
    /// Number format of matrix products; weights, losses and log-softmax stay f32.
    pub precision: Precision,
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
            critic: Critic::Separate,
            value_head: ValueHead::Linear,
            reference: Reference::Copy,
            precision: Precision::F32,
            vocab_size: 4096,
            n_layer: 4,
            n_embd: 128,
            n_head: 4,
            n_positions: 128,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Critic {
    /// A second model that starts from the same weights.
    Separate,
    /// A head on the policy's own last hidden states.
    SharedTrunk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueHead {
    Linear,
    /// Two layers, twice as wide between them.
    Mlp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// A frozen copy of the starting policy.
    Copy,
    /// Lower layers shared with the policy and frozen, upper layers copied.
    SharedTrunk,
    /// No reference: KL is neither paid for nor reported.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    F32,
    /// bf16 operands, f32 sums and f32 master weights.
    Bf16,
}

/// How responses are sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplingSection {
    /// `false`: always the most likely token.
    pub do_sample: bool,
    pub temperature: f64,
    /// Keep only so many of the likeliest tokens; 0: all.
    pub top_k: usize,
    /// Keep the smallest set of tokens of at least this probability; 1: all.
    pub top_p: f64,
    /// The end token is impossible before so many new tokens.
    pub min_length: usize,
    /// Every response is padded to exactly this.
    pub max_new_tokens: usize,
}

impl Default for SamplingSection {
    fn default() -> Self {
        Self { do_sample: true, temperature: 1.0, top_k: 50, top_p: 1.0, min_length: 48, max_new_tokens: 48 }
    }
}
