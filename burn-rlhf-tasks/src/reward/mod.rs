//! What says how good a response is: any closure, or one of the ready-made rewards.

mod classifier;

pub use classifier::{ClassifierError, ClassifierReward};

use crate::rollout::Rewards;

/// A prompt with the response of the policy, as a reward or judge sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Place of the prompt in its source.
    pub index: usize,
    pub prompt: String,
    pub response: String,
    /// A reference text for the prompt, if the source has one.
    pub reference: Option<String>,
    pub prompt_tokens: Vec<u32>,
    /// Tokens of the response, the end token included.
    pub response_tokens: Vec<u32>,
    /// Whether the response ended by itself, not by the bound on its length.
    pub finished: bool,
}

impl Response {
    /// Prompt and response in one text.
    pub fn full_text(&self) -> String {
        format!("{}{}", self.prompt, self.response)
    }
}

/// Why a reward could not be computed; any error will do.
pub type RewardError = Box<dyn std::error::Error + Send + Sync>;

/// A reward or a judge.
///
/// Every closure `FnMut(&[Response]) -> Result<R, RewardError>` is one, where `R` is [`Rewards`] or a `Vec<f32>` with
/// one number a response.
pub trait Reward {
    /// One reward a response, in order.
    ///
    /// # Errors
    /// Whatever keeps the reward from being computed. Training stops then; nothing saved is lost.
    fn reward(&mut self, responses: &[Response]) -> Result<Rewards, RewardError>;
}

impl<F, R> Reward for F
where
    F: FnMut(&[Response]) -> Result<R, RewardError>,
    R: Into<Rewards>,
{
    fn reward(&mut self, responses: &[Response]) -> Result<Rewards, RewardError> {
        self(responses).map(Into::into)
    }
}

impl From<Vec<f32>> for Rewards {
    fn from(rewards: Vec<f32>) -> Self {
        Self::Sequence(rewards)
    }
}
