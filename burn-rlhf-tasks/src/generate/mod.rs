//! Generation of responses.

mod cache;
mod decoder;

pub use cache::{KvCache, LayerCache};
pub use decoder::{Decoder, KeepRows};
