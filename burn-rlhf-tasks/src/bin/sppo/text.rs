//! Between the tokenizer of a run and what the library wants of it.

use std::sync::Arc;

use burn_rlhf_tasks::{
    config::RunConfig,
    generate::SpecialTokens,
    model::tokenizer::{EncodeOptions, Tokenizer},
    rollout::{PromptSource, TextDecoder},
    task::Sample,
};

use crate::failure::Failure;

/// The end and padding tokens; a tokenizer without an end token never ends a text.
pub fn special_tokens(tokenizer: &Tokenizer) -> Result<SpecialTokens, Failure> {
    Ok(SpecialTokens { pad: tokenizer.pad_id()?, eos: tokenizer.eos_id().unwrap_or(u32::MAX) })
}

/// Tokens to text, without special tokens.
pub fn decoder(tokenizer: &Tokenizer) -> TextDecoder {
    let tokenizer = tokenizer.clone();
    Arc::new(move |tokens: &[u32]| tokenizer.decode(tokens, true).unwrap_or_default())
}

/// The prompts of samples, cut as the configuration says.
pub fn prompts(config: &RunConfig, samples: Vec<Sample>, tokenizer: &Tokenizer) -> Result<PromptSource, Failure> {
    let encode = |text: &str| tokenizer.ids(text, &EncodeOptions::default()).unwrap_or_default();
    let (length, side) = (config.task.max_prompt_length, config.task.prompt_truncation);
    Ok(PromptSource::new(samples, encode, length, side, special_tokens(tokenizer)?)?)
}
