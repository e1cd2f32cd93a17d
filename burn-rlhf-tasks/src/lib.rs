//! RLHF for language models on Burn: models, generation and symmetric PPO.

pub mod model;
