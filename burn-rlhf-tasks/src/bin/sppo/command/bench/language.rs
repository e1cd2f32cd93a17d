use std::{sync::Arc, time::Instant};

use burn::{
    module::Module,
    optim::ModuleOptimizer,
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_rlhf_tasks::{
    generate::{SamplingConfig, SpecialTokens},
    model::{
        distilbert::{DistilBertClassifier, DistilBertConfig},
        gpt2::Gpt2Config,
        kernel::{Compute, Precision},
    },
    policy::{LanguageActorCritic, LanguageActorCriticConfig, TokenPolicy},
    reward::{Response, RewardError},
    rollout::{Collector, PromptSource, ResponseMask, RolloutConfig, TextDecoder, TruncationSide},
    task::Sample,
};
use burn_sppo::{
    advantage::{AdvantageKind, Gae, Normalization},
    learner::{Update, UpdateConfig, UpdateContext},
    loss::{Algorithm, PolicyLossConfig, Symmetry, ValueLoss},
    optim::FusedAdamWConfig,
    run::{HealthChecks, HealthConfig, Purpose, Streams},
};
use rand::RngExt;
use serde::Serialize;

use super::rounded;
use crate::{
    arguments::{BenchArguments, DeviceArguments},
    console::Console,
    device,
    failure::Failure,
    system,
};

/// Tokens of a prompt and of a response.
const PROMPT: usize = 64;
const RESPONSE: usize = 48;
/// Fills rows and ends responses, as with GPT-2; no prompt holds it.
const PAD: u32 = 0;
const LEARNING_RATE: f64 = 5e-6;
const KL_COEFFICIENT: f64 = 0.001;

/// The sizes of both models.
struct Shape {
    policy: Gpt2Config,
    reward: DistilBertConfig,
}

impl Shape {
    fn find(name: &str) -> Result<Self, Failure> {
        match name {
            "tiny" => Ok(Self {
                policy: Gpt2Config { n_layer: 4, n_embd: 256, n_head: 4, vocab_size: 8192, ..Gpt2Config::default() },
                reward: DistilBertConfig {
                    n_layers: 2,
                    dim: 256,
                    hidden_dim: 1024,
                    n_heads: 4,
                    vocab_size: 8192,
                    ..DistilBertConfig::default()
                },
            }),
            "small" => Ok(Self { policy: Gpt2Config::default(), reward: DistilBertConfig::default() }),
            other => Err(Failure::usage(format!("there is no shape {other}: the shapes are tiny and small"))),
        }
    }
}

/// Seconds of each phase of an iteration, and bytes of memory after it.
#[derive(Clone, Copy)]
struct Measured {
    generate: f64,
    score: f64,
    update: f64,
    resident: Option<u64>,
}

/// The line of JSON: medians over the measured iterations.
#[derive(Debug, PartialEq, Serialize)]
struct Summary {
    model: String,
    mode: String,
    backend: String,
    trajectories: usize,
    generate_s: f64,
    score_s: f64,
    update_s: f64,
    generate_tok_s: f64,
    trajectories_s: f64,
    peak_rss_mb: Option<u64>,
}

impl Summary {
    fn new(arguments: &BenchArguments, backend: String, measured: &[Measured]) -> Self {
        let median_of = |phase: fn(&Measured) -> f64| median(measured.iter().map(phase).collect());
        let (generate, score, update) = (median_of(|m| m.generate), median_of(|m| m.score), median_of(|m| m.update));
        let trajectories = arguments.trajectories;
        Self {
            model: arguments.what.clone(),
            mode: arguments.precision.clone(),
            backend,
            trajectories,
            generate_s: rounded(generate),
            score_s: rounded(score),
            update_s: rounded(update),
            generate_tok_s: ((trajectories * RESPONSE) as f64 / generate).round(),
            trajectories_s: rounded(trajectories as f64 / (generate + score + update)),
            peak_rss_mb: system::peak_resident().map(|bytes| bytes >> 20),
        }
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        1 => numbers[half],
        _ if numbers.is_empty() => f64::NAN,
        _ => (numbers[half - 1] + numbers[half]) / 2.0,
    }
}

pub fn run(arguments: BenchArguments, device: &DeviceArguments, console: Console) -> Result<(), Failure> {
    let mut bench = Bench::new(&arguments, device)?;
    console.line(&format!(
        "{} in {} on {}: {} responses of {RESPONSE} tokens to prompts of {PROMPT}, minibatches of {}, {} epochs",
        arguments.what,
        arguments.precision,
        bench.backend,
        arguments.trajectories,
        arguments.minibatch,
        arguments.epochs
    ));
    let warm_up;
    (bench, warm_up) = bench.iterate(1)?;
    console.line(&format!("warm-up: {:.2} s", warm_up.generate + warm_up.score + warm_up.update));
    let mut measured = Vec::with_capacity(arguments.repeats);
    for iteration in 2..2 + arguments.repeats as u64 {
        let one;
        (bench, one) = bench.iterate(iteration)?;
        measured.push(one);
    }
    let summary = Summary::new(&arguments, bench.backend, &measured);
    print(&console, &summary, &measured);
    console.result(&serde_json::to_string(&summary).map_err(Failure::failed)?);
    Ok(())
}

fn print(console: &Console, summary: &Summary, measured: &[Measured]) {
    let row = |name: &str, median: f64, phase: &dyn Fn(&Measured) -> f64, rate: String| {
        let (least, most) = measured.iter().map(phase).fold((f64::INFINITY, 0.0f64), |(a, b), x| (a.min(x), b.max(x)));
        console.result(&format!("{name:<10} {median:>9.3} {least:>9.3} {most:>9.3}   {rate}"));
    };
    console.result(&format!("\n{:<10} {:>9} {:>9} {:>9}", "seconds", "median", "least", "most"));
    row("generate", summary.generate_s, &|m| m.generate, format!("{:.0} tokens/s", summary.generate_tok_s));
    row("score", summary.score_s, &|m| m.score, String::new());
    row("update", summary.update_s, &|m| m.update, String::new());
    let whole = summary.generate_s + summary.score_s + summary.update_s;
    let rate = format!("{:.2} responses/s", summary.trajectories_s);
    row("iteration", whole, &|m| m.generate + m.score + m.update, rate);
    let resident: Vec<u64> = measured.iter().filter_map(|m| m.resident).map(|bytes| bytes >> 20).collect();
    if let (Some(peak), [first, .., last]) = (summary.peak_rss_mb, &resident[..]) {
        console.result(&format!(
            "memory     {peak} MB at most; {first} MB after the first measured iteration, {} MB in the middle, {last} MB \
             at the end",
            resident[resident.len() / 2]
        ));
    }
    console.result("");
}

/// One training, without files and with models of random weights: speed does not depend on them.
struct Bench {
    backend: String,
    device: Device,
    streams: Streams,
    rollout: RolloutConfig,
    prompts: PromptSource,
    decoder: TextDecoder,
    classifier: DistilBertClassifier,
    classifier_rows: usize,
    reference: LanguageActorCritic,
    policy: LanguageActorCritic,
    optimizer: ModuleOptimizer,
    update: Update,
    health: HealthChecks,
}

impl Bench {
    fn new(arguments: &BenchArguments, device: &DeviceArguments) -> Result<Self, Failure> {
        let shape = Shape::find(&arguments.what)?;
        let precision = precision(&arguments.precision)?;
        let (trajectories, minibatch) = (arguments.trajectories, arguments.minibatch);
        let update = update(minibatch, arguments.epochs)?;
        if trajectories == 0 || !trajectories.is_multiple_of(minibatch) {
            return Err(Failure::usage(format!(
                "{trajectories} responses cannot be cut into minibatches of {minibatch}: choose a multiple of it"
            )));
        }
        if arguments.repeats == 0 {
            return Err(Failure::usage("--repeats 0 measures nothing: give at least 1"));
        }
        let (backend, device) = device::select(device)?;
        let streams = Streams::new(0);
        let stream = |lane| streams.stream(Purpose::Initialization, 0, lane);
        let actor = shape.policy.init(&mut stream(0), &device).with_compute(Compute::new(precision));
        let policy = LanguageActorCriticConfig::default().init(actor, &mut stream(1), &device).train();
        Ok(Self {
            backend,
            streams,
            rollout: rollout(trajectories, minibatch),
            prompts: prompts(trajectories, shape.policy.vocab_size, streams)?,
            decoder: Arc::new(|_: &[u32]| String::new()),
            classifier: shape.reward.init(&mut stream(2), &device).with_compute(Compute::new(precision)),
            classifier_rows: minibatch,
            reference: policy.reference(),
            policy,
            optimizer: FusedAdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).init(),
            update,
            health: HealthConfig::default().init(precision.exactness()),
            device,
        })
    }

    fn iterate(mut self, iteration: u64) -> Result<(Self, Measured), Failure> {
        let policy = self.policy.valid();
        let (classifier, rows, device) = (&self.classifier, self.classifier_rows, &self.device);
        let mut reward = |responses: &[Response]| score(classifier, responses, rows, device);
        let collected = Collector {
            config: &self.rollout,
            policy: &policy,
            reference: Some(&self.reference),
            prompts: &self.prompts,
            decoder: &self.decoder,
            reward: &mut reward,
            device,
        }
        .collect(self.streams, iteration, KL_COEFFICIENT)
        .map_err(Failure::failed)?;
        drop(policy);
        let start = Instant::now();
        let context = UpdateContext { streams: self.streams, iteration, learning_rate: LEARNING_RATE };
        (self.policy, _) =
            self.update.run(self.policy, &mut self.optimizer, &collected.rollout, context, &mut self.health)?;
        self.device.sync().map_err(|error| Failure::failed(format!("the device failed: {error:?}")))?;
        let times = collected.times;
        let measured = Measured {
            generate: times.generate,
            score: times.reward + times.score,
            update: start.elapsed().as_secs_f64(),
            resident: system::resident(),
        };
        Ok((self, measured))
    }
}

fn precision(name: &str) -> Result<Precision, Failure> {
    match name {
        "f32" => Ok(Precision::F32),
        "bf16" => Ok(Precision::Bf16),
        other => Err(Failure::usage(format!("there is no precision {other}: it is f32 or bf16"))),
    }
}

fn update(minibatch: usize, epochs: usize) -> Result<Update, Failure> {
    let symmetry = Symmetry { alpha: 0.5, beta: 0.4, ..Symmetry::default() };
    let loss = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry);
    let config =
        UpdateConfig::new(loss, ValueLoss::Mse, minibatch, minibatch, Normalization::Rollout, AdvantageKind::Normal);
    Ok(config.with_epochs(epochs).with_max_grad_norm(Some(1.0)).init()?)
}

fn rollout(trajectories: usize, scoring_rows: usize) -> RolloutConfig {
    RolloutConfig {
        rollouts: trajectories,
        generation_rows: trajectories,
        scoring_rows,
        sampling: SamplingConfig {
            top_k: 50,
            min_length: RESPONSE,
            max_new_tokens: RESPONSE,
            ..SamplingConfig::default()
        },
        mask: ResponseMask::EosInclusive,
        gae: Gae { gamma: 0.99, lambda: 0.95 },
        target_coef: 0.1,
        missing_eos_reward: 0.0,
        keep_distribution: false,
    }
}

/// Prompts and wanted answers of random tokens.
fn prompts(count: usize, vocabulary: usize, streams: Streams) -> Result<PromptSource, Failure> {
    let mut stream = streams.stream(Purpose::Data, 0, 0);
    let mut text = |length: usize| -> String {
        let tokens = (0..length).map(|_| stream.random_range(10..vocabulary - 10).to_string());
        tokens.collect::<Vec<_>>().join(" ")
    };
    let samples = (0..count as u64).map(|id| {
        let (prompt, reference) = (text(PROMPT), Some(text(RESPONSE)));
        Sample { id, text: String::new(), prompt, reference, label: None }
    });
    let encode = |text: &str| text.split(' ').filter_map(|token| token.parse().ok()).collect();
    let special = SpecialTokens { pad: PAD, eos: PAD };
    Ok(PromptSource::new(samples.collect(), encode, PROMPT, TruncationSide::Left, special)?)
}

/// The classifier's first score for the tokens of prompts and responses, `rows` of them at once.
fn score(
    classifier: &DistilBertClassifier,
    responses: &[Response],
    rows: usize,
    device: &Device,
) -> Result<Vec<f32>, RewardError> {
    let vocabulary = classifier.vocab_size() as i64;
    let mut scores = Vec::with_capacity(responses.len());
    for responses in responses.chunks(rows) {
        let row = |response: &Response| [&response.prompt_tokens[..], &response.response_tokens].concat();
        let tokens: Vec<i64> = responses.iter().flat_map(row).map(|token| i64::from(token) % vocabulary).collect();
        let shape = [responses.len(), tokens.len() / responses.len()];
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, shape), device);
        let logits = classifier.forward(tokens, None).slice([0..responses.len(), 0..1]).into_data();
        scores.extend(logits.convert::<f32>().try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?);
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(shape: &str) -> BenchArguments {
        BenchArguments { what: shape.into(), trajectories: 4, minibatch: 2, repeats: 1, ..BenchArguments::default() }
    }

    #[test]
    fn medians_are_of_the_measured_iterations() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        let measured: Vec<Measured> = [(0.5, 0.25, 1.0), (0.4, 0.35, 2.0), (9.0, 0.1, 1.25)]
            .map(|(generate, score, update)| Measured { generate, score, update, resident: None })
            .to_vec();
        let summary = Summary::new(&arguments("tiny"), "flex".into(), &measured);
        assert_eq!((summary.generate_s, summary.score_s, summary.update_s), (0.5, 0.25, 1.25));
        assert_eq!((summary.generate_tok_s, summary.trajectories_s), (384.0, 2.0));
    }

    #[test]
    fn every_row_is_full() {
        let prompts = prompts(3, 100, Streams::new(1)).unwrap();
        for index in 0..3 {
            let (prompt, reference) = (prompts.tokens(index), prompts.reference_tokens(index, usize::MAX));
            assert_eq!((prompt.len(), reference.len()), (PROMPT, RESPONSE));
            assert!(prompt.iter().chain(&reference).all(|token| (10..90).contains(token)));
        }
    }

    #[test]
    fn what_cannot_be_measured_is_wrong_usage() {
        let device = DeviceArguments { backend: Some("flex".into()), threads: None };
        for arguments in [
            arguments("huge"),
            BenchArguments { trajectories: 3, ..arguments("tiny") },
            BenchArguments { trajectories: 0, ..arguments("tiny") },
            BenchArguments { minibatch: 0, ..arguments("tiny") },
            BenchArguments { epochs: 0, ..arguments("tiny") },
            BenchArguments { repeats: 0, ..arguments("tiny") },
            BenchArguments { precision: "f64".into(), ..arguments("tiny") },
        ] {
            assert!(matches!(Bench::new(&arguments, &device), Err(Failure::Usage(_))));
        }
    }
}
