//! Data sets: where samples come from, how they are split, and what of each is the prompt.

pub mod builtin;
mod sample;

pub use sample::{Sample, Split, Splits, UnknownSplit};
