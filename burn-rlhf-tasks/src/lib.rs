//! RLHF for language models on Burn: models, generation and symmetric PPO.

pub mod config;
pub mod generate;
pub mod model;
