//! One file a command.

pub mod eval;
pub mod sample;
pub mod train;
