//! Language models and classifiers, each in one file, and the files they are kept in.

mod adapter;
mod architecture;
mod atomic;
mod checkpoint;
mod configuration;
pub mod distilbert;
mod error;
pub mod export;
pub mod gpt2;
pub mod hub;
mod initialize;
pub mod kernel;
mod keys;
mod layer;
pub mod load;
pub mod tokenizer;
pub mod value_head;

pub use architecture::ArchitectureError;
pub use error::ModelError;
use layer::{layer_norm, linear};
