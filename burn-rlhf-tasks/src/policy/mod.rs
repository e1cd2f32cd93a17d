//! Policies over tokens: what generates, what is trained, and what it is compared with.

mod actor_critic;
mod batch;
mod fresh_ids;

pub use actor_critic::{CriticKind, LanguageActorCritic, LanguageActorCriticConfig};
pub use batch::{TargetBatch, TokenBatch};

use burn::module::Module;
use burn_sppo::learner::Evaluate;

use crate::generate::Decoder;

/// A causal language model that [`RlhfTraining`](crate::training::RlhfTraining) can train.
///
/// [`Decoder`] generates, [`Evaluate`] gives log-probabilities, entropies and values of responses: that is all a
/// module of your own has to implement.
pub trait TokenPolicy: Module + Decoder + Evaluate<TokenBatch> {
    /// What is kept, frozen, to measure how far the policy has moved. A policy with a critic of its own can leave
    /// that out.
    fn reference(&self) -> Self {
        self.valid()
    }
}
