//! Training that is stopped and goes on: checkpoints, `resume`, and the same numbers as without the stop.
//!
//! `cargo run --release --example resume`: some seconds; it writes to a temporary folder.

use std::{path::Path, sync::Arc};

use burn::{module::Module, optim::AdamWConfig, tensor::Device, train::Interrupter};
use burn_rlhf_tasks::{
    generate::{SamplingConfig, SpecialTokens},
    model::gpt2::Gpt2Config,
    policy::{LanguageActorCritic, LanguageActorCriticConfig},
    reward::Response,
    rollout::{PromptSource, RolloutConfig, TextDecoder, TruncationSide},
    task::builtin::BuiltinConfig,
    training::{CheckpointConfig, IterationReport, Observer, RlhfLearner, RlhfResult, RlhfTraining},
};
use burn_sppo::{
    advantage::{AdvantageKind, Normalization},
    learner::UpdateConfig,
    loss::{Algorithm, PolicyLossConfig, ValueLoss},
    run::{Purpose, Streams},
};

const END: u32 = 256;

/// Asks for a stop after some iterations, as Ctrl-C would.
struct StopAfter(u64, Interrupter);

impl Observer for StopAfter {
    fn on_start(&mut self, iteration: u64, iterations: u64, _damaged: &[burn_sppo::run::Damage]) {
        println!("at iteration {iteration} of {iterations}");
    }

    fn on_iteration(&mut self, report: &IterationReport) {
        if report.iteration == self.0 {
            self.1.stop(Some("enough for now"));
        }
    }
}

/// Trains in `folder`, or goes on there, and stops after `stop` iterations.
fn train(folder: &Path, stop: u64) -> Result<RlhfResult<LanguageActorCritic>, Box<dyn std::error::Error>> {
    let device = Device::default();
    let streams = Streams::new(7);
    let samples = BuiltinConfig::new().with_train(256).with_validation(2).with_test(2).generate().train;
    let encode = |text: &str| text.bytes().map(u32::from).collect();
    let special = SpecialTokens { pad: END, eos: END };
    let prompts = PromptSource::new(samples, encode, 16, TruncationSide::Left, special)?;
    let decoder: TextDecoder =
        Arc::new(|tokens| tokens.iter().filter_map(|&token| u8::try_from(token).ok()).map(char::from).collect());
    let sizes =
        Gpt2Config { vocab_size: 257, n_positions: 32, n_embd: 32, n_layer: 2, n_head: 2, ..Gpt2Config::default() };
    let actor = sizes.init(&mut streams.stream(Purpose::Initialization, 0, 0), &device);
    let policy =
        LanguageActorCriticConfig::default().init(actor, &mut streams.stream(Purpose::Initialization, 1, 0), &device);
    let loss = PolicyLossConfig::new(Algorithm::Sppo);
    let update = UpdateConfig::new(loss, ValueLoss::Mse, 16, 16, Normalization::Rollout, AdvantageKind::Normal);
    let rollout = RolloutConfig {
        sampling: SamplingConfig { top_k: 0, max_new_tokens: 8, ..SamplingConfig::default() },
        ..RolloutConfig::new(32)
    };
    let brevity = |responses: &[Response]| {
        Ok(responses.iter().map(|response| -(response.response_tokens.len() as f32)).collect::<Vec<f32>>())
    };
    let interrupter = Interrupter::new();
    let learner = RlhfLearner::new(policy.train(), AdamWConfig::new().init(), 1e-3, rollout, update.init()?);
    let training = RlhfTraining::new(folder, prompts, decoder)
        .reward(brevity)
        .with_checkpoints(CheckpointConfig { every: 2, keep: 2 })
        .observer(StopAfter(stop, interrupter.clone()))
        .with_interrupter(interrupter)
        .num_iterations(6);
    let training = if folder.exists() { training.resume() } else { training };
    Ok(training.launch(learner)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("burn-sppo-resume-{}", std::process::id()));
    let (stopped, whole) = (folder.join("stopped"), folder.join("whole"));
    let result = train(&stopped, 3)?;
    println!("stopped after {} iterations", result.iterations);
    let result = train(&stopped, 6)?;
    println!("done after {} iterations", result.iterations);
    train(&whole, 6)?;
    let metrics = |run: &Path| std::fs::read(run.join("metrics.jsonl"));
    println!("the same metrics as without a stop: {}", metrics(&stopped)? == metrics(&whole)?);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
