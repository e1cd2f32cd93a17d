use burn::{
    module::Module,
    tensor::{Bool, Device, Int, Tensor},
};
use burn_sppo::{
    learner::{Evaluate, Evaluation, Request},
    loss::Reduction,
};
use serde::{Deserialize, Serialize};

use super::{TokenBatch, TokenPolicy, fresh_ids::with_fresh_ids};
use crate::{
    generate::{Decoder, KvCache},
    model::{
        gpt2::Gpt2,
        value_head::{ValueHead, ValueHeadConfig},
    },
};
use burn_sppo::run::Stream;

/// What predicts values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriticKind {
    /// A second language model, started from the policy's weights.
    #[default]
    Separate,
    /// A head on the policy's last hidden states.
    SharedTrunk,
    /// None: for advantage estimators that need no values.
    None,
}

/// Settings of a [`LanguageActorCritic`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageActorCriticConfig {
    pub critic: CriticKind,
    /// A value head with one hidden layer instead of a linear one.
    pub mlp_head: bool,
}

impl LanguageActorCriticConfig {
    /// A policy that starts as `actor`. `stream` draws the value head's weights.
    pub fn init(&self, actor: Gpt2, stream: &mut Stream, device: &Device) -> LanguageActorCritic {
        let critic = (self.critic == CriticKind::Separate).then(|| with_fresh_ids(actor.clone()));
        let value_head = (self.critic != CriticKind::None)
            .then(|| ValueHeadConfig::new(actor.hidden_size()).with_mlp(self.mlp_head).init(stream, device));
        LanguageActorCritic { actor, critic, value_head }
    }
}

/// A language model with a critic: one module, so that one optimiser and one gradient norm cover both.
#[derive(Module, Debug)]
pub struct LanguageActorCritic {
    actor: Gpt2,
    critic: Option<Gpt2>,
    value_head: Option<ValueHead>,
}

impl From<Gpt2> for LanguageActorCritic {
    /// A policy without a critic: to be measured, not trained.
    fn from(actor: Gpt2) -> Self {
        Self { actor, critic: None, value_head: None }
    }
}

impl LanguageActorCritic {
    /// The same policy with its embeddings and first `blocks` blocks frozen; a critic of its own stays as it is.
    pub fn with_frozen_trunk(mut self, blocks: usize) -> Self {
        self.actor = self.actor.with_frozen_trunk(blocks);
        self
    }

    /// The language model, for example to export it.
    pub fn actor(&self) -> &Gpt2 {
        &self.actor
    }

    /// The language model alone.
    pub fn into_actor(self) -> Gpt2 {
        self.actor
    }

    /// Hidden states that predict the response tokens, one row each.
    ///
    /// # Shapes
    /// `[B * G, H]`
    fn response_hidden(model: &Gpt2, batch: &TokenBatch) -> Tensor<2> {
        let (tokens, positions, attention) = batch.inputs();
        let hidden = model.hidden(tokens, positions, attention);
        let [rows, width, size] = hidden.dims();
        let first = width - batch.response_length;
        hidden.slice([0..rows, first..width, 0..size]).reshape([rows * batch.response_length, size])
    }

    fn value_of(&self, actor_hidden: Option<Tensor<2>>, batch: &TokenBatch) -> Option<Tensor<1>> {
        let head = self.value_head.as_ref()?;
        let hidden = match (&self.critic, actor_hidden) {
            (Some(critic), _) => Self::response_hidden(critic, batch),
            (None, Some(hidden)) => hidden,
            (None, None) => Self::response_hidden(&self.actor, batch),
        };
        Some(head.forward(hidden))
    }
}

impl Evaluate<TokenBatch> for LanguageActorCritic {
    fn evaluate(&self, batch: &TokenBatch, request: Request) -> Evaluation {
        let hidden = Self::response_hidden(&self.actor, batch);
        let full_log_prob = request.full_log_prob.then(|| self.actor.full_log_prob(hidden.clone()));
        let value = request.value.then(|| self.value_of(Some(hidden.clone()), batch)).flatten();
        let tokens = self.actor.log_prob(hidden, batch.actions(), request.entropy);
        Evaluation { log_prob: tokens.log_prob, entropy: tokens.entropy, value, full_log_prob }
    }

    fn value(&self, batch: &TokenBatch) -> Option<Tensor<1>> {
        self.value_of(None, batch)
    }

    fn value_is_separate(&self) -> bool {
        self.critic.is_some()
    }

    /// Target regularisation: mean negative log-likelihood of the reference texts, weighted.
    fn auxiliary_loss(&self, batch: &TokenBatch) -> Option<Tensor<1>> {
        let target = batch.target.as_ref()?;
        let hidden = Self::response_hidden(&self.actor, &target.rows);
        let log_prob = self.actor.log_prob(hidden, target.rows.actions(), false).log_prob;
        let mean = Reduction::masked(target.mask.clone(), target.count).mean(log_prob);
        Some(mean * -target.coef)
    }
}

impl Decoder for LanguageActorCritic {
    type Cache = KvCache;

    fn vocab_size(&self) -> usize {
        self.actor.vocab_size()
    }

    fn context_length(&self) -> usize {
        self.actor.context_length()
    }

    fn new_cache(&self, rows: usize, capacity: usize, device: &Device) -> KvCache {
        self.actor.new_cache(rows, capacity, device)
    }

    fn decode(
        &self,
        tokens: Tensor<2, Int>,
        positions: Tensor<2, Int>,
        attention: Tensor<2, Bool>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        self.actor.decode(tokens, positions, attention, cache)
    }
}

impl TokenPolicy for LanguageActorCritic {
    fn reference(&self) -> Self {
        self.actor.valid().into()
    }
}

#[cfg(all(test, feature = "flex"))]
#[path = "iteration_tests.rs"]
mod iteration_tests;
