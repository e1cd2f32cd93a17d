//! Data sets: where samples come from, how they are split, and what of each is the prompt.

pub mod builtin;
mod error;
pub mod imdb;
mod rows;
mod sample;
mod source;

pub use error::DataError;
pub use rows::{Columns, Row, Rows};
pub use sample::{Sample, Split, Splits, UnknownSplit};
pub use source::Source;
