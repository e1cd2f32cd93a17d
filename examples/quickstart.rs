//! A reward of one's own: a language model with random weights learns to write vowels.
//!
//! `cargo run --release --example quickstart`: half a minute on two CPU cores; nothing is written or downloaded.

use std::sync::Arc;

use burn::{module::Module, optim::AdamWConfig, tensor::Device};
use burn_rlhf_tasks::{
    generate::{SamplingConfig, SpecialTokens},
    model::gpt2::Gpt2Config,
    policy::{CriticKind, LanguageActorCriticConfig},
    reward::Response,
    rollout::{PromptSource, RolloutConfig, TextDecoder, TruncationSide},
    task::builtin::BuiltinConfig,
    training::{IterationReport, Observer, RlhfLearner, RlhfTraining},
};
use burn_sppo::{
    advantage::{AdvantageKind, Normalization},
    learner::UpdateConfig,
    loss::{Algorithm, PolicyLossConfig, ValueLoss},
    run::{Purpose, Streams},
};

/// One token a byte, and one that ends a text.
const END: u32 = 256;

struct Printer;

impl Observer for Printer {
    fn on_iteration(&mut self, report: &IterationReport) {
        println!("iteration {:2}: {:.2} vowels, kl {:.2}", report.iteration, report.rollout.reward, report.rollout.kl);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::default();
    let streams = Streams::new(7);

    // Prompts: openings of film reviews, as bytes.
    let samples = BuiltinConfig::new().with_train(512).with_validation(2).with_test(2).generate().train;
    let special = SpecialTokens { pad: END, eos: END };
    let encode = |text: &str| text.bytes().map(u32::from).collect();
    let prompts = PromptSource::new(samples, encode, 16, TruncationSide::Left, special)?;
    let decoder: TextDecoder =
        Arc::new(|tokens| tokens.iter().filter_map(|&token| u8::try_from(token).ok()).map(char::from).collect());

    // A policy of 0.1 million parameters, with a critic on the same trunk.
    let sizes =
        Gpt2Config { vocab_size: 257, n_positions: 32, n_embd: 64, n_layer: 2, n_head: 2, ..Gpt2Config::default() };
    let actor = sizes.init(&mut streams.stream(Purpose::Initialization, 0, 0), &device);
    let critic = LanguageActorCriticConfig { critic: CriticKind::SharedTrunk, mlp_head: false };
    let policy = critic.init(actor, &mut streams.stream(Purpose::Initialization, 1, 0), &device).train();

    let rollout = RolloutConfig {
        sampling: SamplingConfig { top_k: 0, max_new_tokens: 12, ..SamplingConfig::default() },
        ..RolloutConfig::new(64)
    };
    let loss = PolicyLossConfig::new(Algorithm::Sppo);
    let update = UpdateConfig::new(loss, ValueLoss::Mse, 32, 32, Normalization::Rollout, AdvantageKind::Normal)
        .with_epochs(2)
        .with_max_grad_norm(Some(1.0))
        .init()?;

    let vowels = |responses: &[Response]| {
        let share = |text: &str| {
            let count = text.chars().filter(|letter| "aeiou".contains(*letter)).count();
            count as f32 / text.chars().count().max(1) as f32
        };
        Ok(responses.iter().map(|response| share(&response.response)).collect::<Vec<f32>>())
    };
    let optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let mut learner = RlhfLearner::new(policy, optimizer, 3e-3, rollout, update);
    learner.kl.coef = 0.0; // nothing holds the model near to its random start
    let result = RlhfTraining::without_directory(prompts, decoder)
        .reward(vowels)
        .observer(Printer)
        .num_iterations(30)
        .launch(learner)?;
    println!("the trained model has {} parameters", result.model.num_params());
    Ok(())
}
