//! A module of one's own as the policy: a recurrent network, not a transformer, learns to write vowels.
//!
//! `cargo run --release --example custom_module`: half a minute on two CPU cores. A policy needs two
//! traits: `Decoder` feeds it tokens and asks for the scores of the next, `Evaluate` asks what it thinks of responses.

use std::sync::Arc;

use burn::{
    module::Module,
    nn::{Embedding, EmbeddingConfig, Linear, LinearConfig},
    optim::AdamWConfig,
    tensor::{
        Bool, Device, Int, Tensor, TensorData,
        activation::{log_softmax, tanh},
    },
};
use burn_rlhf_tasks::{
    generate::{Decoder, KeepRows, SamplingConfig, SpecialTokens},
    policy::{TokenBatch, TokenPolicy},
    reward::Response,
    rollout::{PromptSource, RolloutConfig, TruncationSide},
    task::builtin::BuiltinConfig,
    training::{RlhfLearner, RlhfTraining},
};
use burn_sppo::{
    advantage::{AdvantageKind, Normalization},
    learner::{Evaluate, Evaluation, Request, UpdateConfig},
    loss::{Algorithm, PolicyLossConfig, ValueLoss},
};

const END: u32 = 256;
const HIDDEN: usize = 64;

/// An Elman network over bytes, with a value head on its state.
#[derive(Module, Debug)]
struct Recurrent {
    embedding: Embedding,
    recurrence: Linear,
    scores: Linear,
    value: Linear,
}

impl Recurrent {
    fn new(device: &Device) -> Self {
        Self {
            embedding: EmbeddingConfig::new(257, HIDDEN).init(device),
            recurrence: LinearConfig::new(HIDDEN, HIDDEN).init(device),
            scores: LinearConfig::new(HIDDEN, 257).init(device),
            value: LinearConfig::new(HIDDEN, 1).init(device),
        }
    }

    /// The state after one more token of every row, `[B, H]`; padding leaves it as it is.
    fn step(&self, state: Tensor<2>, token: Tensor<2, Int>, real: Tensor<2, Bool>) -> Tensor<2> {
        let input = self.embedding.forward(token).squeeze_dim(1);
        let next = tanh(input + self.recurrence.forward(state.clone()));
        state.mask_where(real.expand([next.dims()[0], HIDDEN]), next)
    }

    fn start(rows: usize, device: &Device) -> Tensor<2> {
        Tensor::zeros([rows, HIDDEN], device)
    }
}

/// What the network remembers.
struct State(Tensor<2>);

impl KeepRows for State {
    fn keep_rows(&mut self, rows: &[usize]) {
        let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let places = Tensor::from_data(TensorData::new(places, [rows.len()]), &self.0.device());
        self.0 = self.0.clone().select(0, places);
    }
}

impl Decoder for Recurrent {
    type Cache = State;

    fn vocab_size(&self) -> usize {
        257
    }

    fn context_length(&self) -> usize {
        1024
    }

    fn new_cache(&self, rows: usize, _capacity: usize, device: &Device) -> State {
        State(Self::start(rows, device))
    }

    fn decode(
        &self,
        tokens: Tensor<2, Int>,
        _positions: Tensor<2, Int>,
        attention: Tensor<2, Bool>,
        cache: &mut State,
    ) -> Tensor<2> {
        let ([rows, steps], [_, seen]) = (tokens.dims(), attention.dims());
        for i in 0..steps {
            let place = seen - steps + i;
            let real = attention.clone().slice([0..rows, place..place + 1]);
            cache.0 = self.step(cache.0.clone(), tokens.clone().slice([0..rows, i..i + 1]), real);
        }
        self.scores.forward(cache.0.clone())
    }
}

impl Evaluate<TokenBatch> for Recurrent {
    fn evaluate(&self, batch: &TokenBatch, request: Request) -> Evaluation {
        let (tokens, _, attention) = batch.inputs();
        let [rows, width] = tokens.dims();
        let mut state = Self::start(rows, &tokens.device());
        let mut states = Vec::new();
        for i in 0..width {
            let column = [0..rows, i..i + 1];
            state = self.step(state, tokens.clone().slice(column.clone()), attention.clone().slice(column));
            // The states after the last prompt token and after each response token but the last predict the response.
            if i + 1 >= batch.prompt_length {
                states.push(state.clone());
            }
        }
        let states: Tensor<3> = Tensor::stack(states, 1);
        let states: Tensor<2> = states.flatten(0, 1);
        let all = log_softmax(self.scores.forward(states.clone()), 1);
        let log_prob = all.clone().gather(1, batch.actions().unsqueeze_dim(1)).squeeze_dim(1);
        Evaluation {
            log_prob,
            entropy: request.entropy.then(|| (all.clone().exp() * all.clone()).sum_dim(1).squeeze_dim(1).neg()),
            value: request.value.then(|| self.value.forward(states).squeeze_dim(1)),
            full_log_prob: request.full_log_prob.then_some(all),
        }
    }
}

impl TokenPolicy for Recurrent {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::default();
    device.seed(7);
    let samples = BuiltinConfig::new().with_train(512).with_validation(2).with_test(2).generate().train;
    let encode = |text: &str| text.bytes().map(u32::from).collect();
    let special = SpecialTokens { pad: END, eos: END };
    let prompts = PromptSource::new(samples, encode, 16, TruncationSide::Left, special)?;
    let loss = PolicyLossConfig::new(Algorithm::Sppo);
    let update = UpdateConfig::new(loss, ValueLoss::Mse, 32, 32, Normalization::Rollout, AdvantageKind::Normal);
    let vowels = |responses: &[Response]| {
        let count = |text: &str| text.chars().filter(|letter| "aeiou".contains(*letter)).count() as f32;
        Ok(responses.iter().map(|response| count(&response.response)).collect::<Vec<f32>>())
    };
    let decoder =
        Arc::new(|tokens: &[u32]| tokens.iter().filter_map(|&t| u8::try_from(t).ok()).map(char::from).collect());
    let policy = Recurrent::new(&device).train();
    let optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let rollout = RolloutConfig {
        sampling: SamplingConfig { top_k: 0, max_new_tokens: 12, ..SamplingConfig::default() },
        ..RolloutConfig::new(64)
    };
    let update = update.with_epochs(2).with_max_grad_norm(Some(1.0)).init()?;
    let result = RlhfTraining::without_directory(prompts, decoder)
        .reward(vowels)
        .num_iterations(40)
        .launch(RlhfLearner::new(policy, optimizer, 5e-3, rollout, update))?;
    let report = result.last.ok_or("there was no iteration")?;
    println!("{:.1} vowels in a response of 12 letters, after {} iterations", report.rollout.reward, report.iteration);
    Ok(())
}
