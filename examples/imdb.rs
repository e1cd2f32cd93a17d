//! The movie reviews of the paper, as a library user would write the job: published GPT-2 and classifier, or your own.
//!
//! `cargo run --release --example imdb -- REVIEWS POLICY CLASSIFIER`
//!
//! REVIEWS is a file or folder of jsonl, csv or parquet with the columns `text` and `label`; POLICY and CLASSIFIER are
//! folders in Hugging Face layout or names on the Hub, by default those of the reference implementation.

use std::{path::Path, sync::Arc};

use burn::{module::Module, tensor::Device};
use burn_rlhf_tasks::{
    config::{Overrides, RunConfig},
    generate::SpecialTokens,
    model::{
        hub::Hub,
        load::{load_distilbert_classifier, load_gpt2},
        tokenizer::{EncodeOptions, Tokenizer},
    },
    reward::ClassifierReward,
    rollout::{PromptSource, TextDecoder},
    task::{Source, imdb::ImdbConfig},
    training::{IterationReport, Observer, RlhfLearner, RlhfTraining},
};
use burn_sppo::run::{Purpose, Streams};

struct Printer;

impl Observer for Printer {
    fn on_iteration(&mut self, report: &IterationReport) {
        println!("iteration {:2}: sentiment {:.3}", report.iteration, report.rollout.reward);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(reviews) = arguments.first() else {
        println!("usage: imdb REVIEWS [POLICY] [CLASSIFIER]");
        return Ok(());
    };
    // The settings of the paper; every number can be changed here.
    let config = RunConfig::resolve(&Overrides { set: vec!["task.name=imdb".into()], ..Overrides::default() })?;
    let name = |place: usize, preset: &Option<String>| arguments.get(place).cloned().or_else(|| preset.clone());
    let device = Device::default();
    let hub = Hub::from_env()?;
    let policy = hub.find_model(&name(1, &config.model.policy).ok_or("no policy")?, None)?;
    let classifier = hub.find_model(&name(2, &config.reward.model).ok_or("no classifier")?, None)?;
    let tokenizer = Tokenizer::from_folder(&policy)?;

    let samples = ImdbConfig::new().load(&Source::find(Path::new(reviews))?)?.train;
    let encode = |text: &str| tokenizer.ids(text, &EncodeOptions::default()).unwrap_or_default();
    let special = SpecialTokens { pad: tokenizer.pad_id()?, eos: tokenizer.eos_id().unwrap_or(u32::MAX) };
    let (length, side) = (config.task.max_prompt_length, config.task.prompt_truncation);
    let prompts = PromptSource::new(samples, encode, length, side, special)?;
    let words = tokenizer.clone();
    let decoder: TextDecoder = Arc::new(move |tokens| words.decode(tokens, true).unwrap_or_default());

    let model = load_distilbert_classifier(&classifier, &device)?;
    let judge = Tokenizer::from_folder(&classifier)?;
    let reward = ClassifierReward::new(model, judge, config.reward.label, true, 512, 64, &device)?;
    let mut stream = Streams::new(config.seed).stream(Purpose::Initialization, 2, 0);
    let actor_critic = config.model.actor_critic().init(load_gpt2(&policy, &device)?, &mut stream, &device);
    let update = config.update().ok_or("an algorithm without an update step")?.init()?;
    let learner = RlhfLearner {
        schedule: config.scheduler.build(config.iterations),
        kl: config.kl.clone(),
        seed: config.seed,
        ..RlhfLearner::new(
            actor_critic.train(),
            config.optimizer.build(),
            config.optimizer.learning_rate,
            config.rollout(),
            update,
        )
    };
    RlhfTraining::new("outputs/imdb-example", prompts, decoder)
        .reward(reward)
        .observer(Printer)
        .with_checkpointer()
        .num_iterations(config.iterations)
        .launch(learner)?;
    Ok(())
}
