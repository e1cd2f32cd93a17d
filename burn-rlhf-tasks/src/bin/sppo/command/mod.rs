//! One file a command.

pub mod curves;
pub mod eval;
pub mod sample;
pub mod train;
