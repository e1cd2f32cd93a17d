//! One file a command.

pub mod bench;
pub mod control;
pub mod curves;
pub mod doctor;
pub mod enjoy;
pub mod eval;
pub mod repro;
pub mod sample;
pub mod train;
