//! From prompts to what the update trains on: generation, rewards, KL, masks and advantages.

mod collect;
mod error;
mod kl;
mod layout;
mod prompts;
mod respond;
mod shaping;
mod statistics;
mod token_rollout;

pub use collect::{Collected, Collector, RolloutConfig, RolloutTimes};
pub use error::RolloutError;
pub use kl::{KlConfig, KlControl, KlController, KlError, KlState};
pub use layout::{ResponseMask, attention_mask, position_ids};
pub use prompts::{PromptError, PromptSource, TruncationSide, check_window};
pub use respond::{Responder, TextDecoder};
pub use shaping::{Rewards, shaped_rewards, token_kl};
pub use statistics::RolloutStatistics;
pub use token_rollout::{Target, TokenRollout};
