//! RLHF for language models on Burn: models, generation and symmetric PPO.

pub mod config;
pub mod model;
