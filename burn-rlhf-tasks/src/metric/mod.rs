//! Measures of generated text. All are computed on the host from tokens, words or log-probabilities.

mod diversity;
mod perplexity;

pub use diversity::{distinct, diversity};
pub use perplexity::{Perplexity, PerplexityError, StridedPerplexity, Window};
