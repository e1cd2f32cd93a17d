//! RLHF for language models on Burn: data, models, generation and symmetric PPO.

pub mod config;
pub mod generate;
pub mod model;
pub mod task;
