//! Generation of responses.
//!
//! Prompts are padded on the left, fed at once, and continued one token a step with the keys and values of earlier
//! tokens kept in a cache of fixed capacity. The model runs on its device; each step reads the scores of the next
//! token once, and the host chooses it.

mod autoregression;
mod cache;
mod candidates;
mod decoder;
mod distribution;
mod error;
mod processor;
mod row;
mod sampling;
#[cfg(test)]
mod tests;

pub use autoregression::{Generated, SpecialTokens, generate, generate_with};
pub use cache::{KvCache, LayerCache};
pub use decoder::{Decoder, KeepRows};
pub use error::GenerateError;
pub use processor::LogitsProcessor;
pub use sampling::SamplingConfig;
