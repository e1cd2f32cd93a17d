//! One file a command.

pub mod sample;
pub mod train;
