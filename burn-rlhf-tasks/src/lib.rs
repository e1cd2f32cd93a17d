//! RLHF for language models on Burn: data, models, generation and symmetric PPO.

pub mod algorithm;
pub mod allocator;
pub mod config;
pub mod generate;
pub mod metric;
pub mod model;
pub mod policy;
pub mod reward;
pub mod rollout;
pub mod task;
pub mod training;
