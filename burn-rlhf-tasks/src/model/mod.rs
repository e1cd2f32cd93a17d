//! Language models and classifiers, each in one file, and the files they are kept in.

mod architecture;
pub mod distilbert;
pub mod gpt2;
mod initialize;
pub mod kernel;
mod layer;
pub mod tokenizer;
pub mod value_head;

pub use architecture::ArchitectureError;
use layer::{layer_norm, linear};
