//! Language models and classifiers, each in one file, and the files they are kept in.

pub mod kernel;
pub mod tokenizer;
