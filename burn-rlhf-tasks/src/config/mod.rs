//! What a run does, as plain values: presets, then a file, then overrides, merged and checked key by key.

mod build;
mod run_config;
mod section;

pub use run_config::{Compat, RunConfig, Size};
pub use section::*;
