//! Every backend that is compiled in computes what flex computes: losses with gradients, all models, updates, a whole
//! iteration of training, and all stages of the embedded job through the program.
//!
//! On a machine without a graphics card, Mesa's software Vulkan is enough:
//! `cargo test -p burn-rlhf-tasks --features wgpu --test parity`.
#![cfg(all(
    feature = "flex",
    any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "cuda", feature = "rocm", feature = "cpu")
))]

use std::{process::Command, sync::Arc};

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::AdamWConfig,
    tensor::{Bool, Device, Int, Tensor, TensorData, activation::log_softmax},
};
use burn_rlhf_tasks::{
    generate::{Decoder, SamplingConfig, SpecialTokens},
    model::{distilbert::DistilBertConfig, gpt2::Gpt2Config},
    policy::{LanguageActorCritic, LanguageActorCriticConfig, TokenBatch},
    reward::Response,
    rollout::{KlConfig, PromptSource, ResponseMask, RolloutConfig, TextDecoder, TruncationSide},
    task::builtin::BuiltinConfig,
    training::{RlhfLearner, RlhfTraining},
};
use burn_sppo::{
    advantage::{AdvantageKind, Gae, Normalization},
    environment::{ActionSpace, ObservationKind, Observations},
    learner::{LearningRateSchedule, Rollout, Samples, UpdateConfig, UpdateContext},
    loss::{Algorithm, PolicyLossConfig, PolicySamples, Reduction, ReverseForm, Symmetry, ValueLoss, entropy_loss},
    policy::{ActorCritic, PolicyConfig, PolicyKind},
    rollout::{ControlRollout, ObservationBuffer},
    run::{Exactness, HealthConfig, Purpose, Streams},
};

fn others() -> Vec<(&'static str, Device)> {
    vec![
        #[cfg(feature = "wgpu")]
        ("wgpu", Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        ("vulkan", Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "metal")]
        ("metal", Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        ("cuda", Device::cuda(0)),
        #[cfg(feature = "rocm")]
        ("rocm", Device::rocm(0)),
        #[cfg(feature = "cpu")]
        ("cpu", Device::cpu()),
    ]
}

/// Compares what `compute` gives on every other backend with flex.
fn compare(what: &str, tolerance: f64, compute: impl Fn(&Device) -> Vec<f64>) {
    let expected = compute(&Device::flex());
    assert!(expected.iter().any(|x| *x != 0.0), "{what}: nothing is computed");
    for (name, device) in others() {
        let found = compute(&device);
        assert_eq!(found.len(), expected.len(), "{what} on {name}");
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let bound = tolerance * (1.0 + expected.abs());
            let same = (found - expected).abs() <= bound || found.is_nan() && expected.is_nan();
            assert!(same, "{what}[{place}] is {found} on {name} and {expected} on flex");
        }
    }
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().unwrap()
}

/// Numbers that look random and are the same everywhere, from -1 to 1.
fn waves(count: usize, phase: f32) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 % 101) as f32 * 0.731 + phase).sin()).collect()
}

const SAMPLES: usize = 24;
const ACTIONS: usize = 7;

/// Loss and gradient with respect to the logits.
fn loss_and_gradient(config: &PolicyLossConfig, device: &Device) -> Vec<f64> {
    let device = device.clone().autodiff();
    let floats = |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values, [SAMPLES]), &device);
    let logits =
        |phase| Tensor::<2>::from_data(TensorData::new(waves(SAMPLES * ACTIONS, phase), [SAMPLES, ACTIONS]), &device);
    let taken: Vec<i64> = (0..SAMPLES as i64).map(|i| i * 5 % ACTIONS as i64).collect();
    let actions = Tensor::<1, Int>::from_data(TensorData::new(taken, [SAMPLES]), &device);
    let counts: Vec<bool> = (0..SAMPLES).map(|i| i % 5 != 3).collect();
    let count = counts.iter().filter(|counts| **counts).count();
    let mask = Tensor::<1, Bool>::from_data(TensorData::new(counts, [SAMPLES]), &device);
    let reduction = Reduction::masked(mask, count);
    let parameters = logits(0.3).require_grad();
    let (full, old) = (log_softmax(parameters.clone(), 1), log_softmax(logits(0.7), 1));
    let pick = |full: &Tensor<2>| full.clone().gather(1, actions.clone().unsqueeze_dim(1)).squeeze_dim::<1>(1);
    let entropy = (full.clone().exp() * full.clone()).sum_dim(1).squeeze_dim::<1>(1).neg();
    let samples = PolicySamples::new(pick(&full), pick(&old), floats(waves(SAMPLES, 0.1)));
    let samples = samples.with_distribution(full.clone(), old, actions.clone());
    let policy = config.init().unwrap().forward(samples, &reduction).unwrap().loss;
    let value = ValueLoss::Max { range: Some(0.2) };
    let value = value.forward(pick(&full), floats(waves(SAMPLES, 0.2)), floats(waves(SAMPLES, 0.9)), &reduction);
    let entropy = entropy_loss(Some(entropy), pick(&full), &reduction);
    let loss = policy + value.unwrap() * 0.5 + entropy * 0.01;
    let gradients = loss.backward();
    let mut numbers = read(loss);
    numbers.extend(read(parameters.grad(&gradients).unwrap()));
    numbers
}

#[test]
fn losses_and_gradients_are_those_of_flex() {
    for algorithm in Algorithm::ALL {
        for form in [ReverseForm::Rce, ReverseForm::Mae, ReverseForm::PerActionRatio, ReverseForm::Unnormalised] {
            let symmetry = Symmetry { alpha: 0.5, beta: 0.4, z: -1.0, form };
            let config = PolicyLossConfig::new(algorithm).with_symmetry(symmetry);
            if config.init().is_ok() {
                compare(&format!("{algorithm} {form:?}"), 1e-5, |device| loss_and_gradient(&config, device));
            }
        }
    }
}

fn shape() -> Gpt2Config {
    Gpt2Config { vocab_size: 257, n_positions: 24, n_embd: 32, n_layer: 2, n_head: 2, ..Gpt2Config::default() }
}

fn stream(lane: u64) -> burn_sppo::run::Stream {
    Streams::new(3).stream(Purpose::Initialization, lane, 0)
}

#[test]
fn a_language_model_scores_tokens_as_on_flex_at_once_and_step_by_step() {
    compare("GPT-2 logits", 2e-4, |device| {
        let model = shape().init(&mut stream(0), device);
        let prompts: [&[u32]; 3] = [&[5, 6, 7, 8], &[9, 10], &[11]];
        let responses: [&[u32]; 3] = [&[1, 2, 3], &[4, 5, 6], &[7, 8, 9]];
        let batch = TokenBatch::collate(&prompts, &responses, 3, 256, device);
        let (tokens, positions, attention) = batch.inputs();
        let hidden = model.hidden(tokens.clone(), positions.clone(), attention.clone());
        let [rows, width, size] = hidden.dims();
        let last = hidden.slice([0..rows, width - 1..width, 0..size]).reshape([rows, size]);
        let mut numbers = read(model.logits(last));
        let mut cache = model.new_cache(rows, width, device);
        let columns = |range: std::ops::Range<usize>| {
            let part = [0..rows, range.clone()];
            let seen = [0..rows, 0..range.end];
            (tokens.clone().slice(part.clone()), positions.clone().slice(part), attention.clone().slice(seen))
        };
        let mut decode = |range| {
            let (tokens, positions, attention) = columns(range);
            model.decode(tokens, positions, attention, &mut cache)
        };
        decode(0..width - 1);
        numbers.extend(read(decode(width - 1..width)));
        numbers
    });
}

#[test]
fn a_classifier_scores_texts_as_on_flex() {
    let config = DistilBertConfig {
        vocab_size: 64,
        max_position_embeddings: 16,
        n_layers: 2,
        dim: 32,
        hidden_dim: 64,
        n_heads: 2,
        num_labels: Some(2),
        ..DistilBertConfig::default()
    };
    compare("DistilBERT scores", 2e-4, |device| {
        let tokens: Vec<i64> = (0..24).map(|i| 1 + i * 7 % 63).collect();
        let real: Vec<bool> = (0..24).map(|i| i < 8 || i % 8 < 5).collect();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [3, 8]), device);
        let real = Tensor::<2, Bool>::from_data(TensorData::new(real, [3, 8]), device);
        read(config.init(&mut stream(1), device).forward(tokens, real))
    });
}

#[derive(Default)]
struct Parameters(Vec<f64>);

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(read(param.val()));
    }
}

/// Two epochs of four minibatches each, on made-up steps: losses, gradient norms and all parameters after them.
fn control_update(policy: &PolicyConfig, shape: &[usize], kind: ObservationKind, device: &Device) -> Vec<f64> {
    const ROWS: usize = 32;
    const CHOICES: usize = 5;
    let features: usize = shape.iter().product();
    let space = ActionSpace::Discrete { n: CHOICES };
    let policy = policy.init(shape, &space, &mut stream(0), &device.clone().autodiff()).unwrap();
    let mut observations = ObservationBuffer::with_capacity(kind, ROWS * features);
    let seen = waves(ROWS * features, 0.4);
    match kind {
        ObservationKind::U8 => {
            let pixels: Vec<u8> = seen.iter().map(|x| (127.5 * (x + 1.0)) as u8).collect();
            observations.push(Observations::U8(&pixels));
        }
        _ => observations.push(Observations::F32(&seen)),
    }
    let mut samples = Samples {
        per_row: 1,
        old_log_prob: vec![0.0; ROWS],
        advantage: waves(ROWS, 0.1),
        returns: waves(ROWS, 0.2),
        old_value: waves(ROWS, 0.6),
        ..Samples::default()
    };
    let actions: Vec<f32> = (0..ROWS).map(|row| (row * 3 % CHOICES) as f32).collect();
    let rollout = |samples| ControlRollout {
        observations: observations.clone(),
        features,
        actions: actions.clone(),
        action_width: 1,
        samples,
        full_log_prob: None,
    };
    let rows: Vec<usize> = (0..ROWS).collect();
    let batch = rollout(samples.clone()).batch(&rows, &rows, device);
    let valid = policy.valid();
    samples.old_log_prob =
        valid.distribution(batch.observations).log_prob(batch.actions).into_data().try_into_vec().unwrap();
    let update = UpdateConfig::new(
        PolicyLossConfig::new(Algorithm::Sppo),
        ValueLoss::Mse,
        8,
        8,
        Normalization::Minibatch,
        AdvantageKind::Normal,
    );
    let update = update.with_epochs(2).with_ent_coef(0.01).with_max_grad_norm(Some(0.5)).init().unwrap();
    let context = UpdateContext { streams: Streams::new(3), iteration: 1, learning_rate: 1e-3 };
    let mut optimizer = AdamWConfig::new().with_epsilon(1e-5).with_weight_decay(0.0).init();
    let mut health = HealthConfig::default().init(Exactness::Single);
    let (policy, report) = update.run(policy, &mut optimizer, &rollout(samples), context, &mut health).unwrap();
    let mut parameters = Parameters(vec![report.policy_loss, report.value_loss, report.entropy, report.gradient_norm]);
    policy.visit(&mut parameters);
    parameters.0
}

#[test]
fn updates_of_control_policies_are_those_of_flex() {
    compare("an update of a perceptron", 1e-3, |device| {
        control_update(&PolicyConfig::new(), &[6], ObservationKind::F32, device)
    });
    let network = PolicyConfig::new().with_kind(PolicyKind::Cnn);
    compare("an update of a convolutional network", 1e-3, |device| {
        control_update(&network, &[4, 44, 44], ObservationKind::U8, device)
    });
}

/// Greedy responses, rewards, KL, advantages and four optimiser steps.
fn iteration(device: &Device) -> (Vec<(&'static str, f64)>, LanguageActorCritic) {
    let samples = BuiltinConfig::new().with_train(32).with_validation(2).with_test(2).generate().train;
    let special = SpecialTokens { pad: 256, eos: 256 };
    let encode = |text: &str| text.bytes().map(u32::from).collect();
    let prompts = PromptSource::new(samples, encode, 12, TruncationSide::Left, special).unwrap();
    let decoder: TextDecoder =
        Arc::new(|tokens| tokens.iter().filter_map(|&token| u8::try_from(token).ok()).map(char::from).collect());
    let actor = shape().init(&mut stream(0), device);
    let symmetry = Symmetry { alpha: 0.5, beta: 0.4, ..Symmetry::default() };
    let loss = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry);
    let value = ValueLoss::Max { range: Some(0.2) };
    let update = UpdateConfig::new(loss, value, 8, 4, Normalization::Rollout, AdvantageKind::Normal)
        .with_epochs(2)
        .with_ent_coef(0.01)
        .with_max_grad_norm(Some(1.0));
    let reward = |responses: &[Response]| {
        let evens = |response: &Response| response.response_tokens.iter().filter(|token| **token % 2 == 0).count();
        Ok(responses.iter().map(|response| evens(response) as f32).collect::<Vec<f32>>())
    };
    let result = RlhfTraining::without_directory(prompts, decoder)
        .reward(reward)
        .num_iterations(1)
        .launch(RlhfLearner {
            policy: LanguageActorCriticConfig::default().init(actor, &mut stream(2), device).train(),
            reference: true,
            optimizer: AdamWConfig::new().with_epsilon(1e-5).init(),
            learning_rate: 1e-3,
            schedule: LearningRateSchedule::Constant,
            rollout: RolloutConfig {
                rollouts: 16,
                generation_rows: 8,
                scoring_rows: 8,
                sampling: SamplingConfig {
                    do_sample: false,
                    top_k: 0,
                    max_new_tokens: 10,
                    ..SamplingConfig::default()
                },
                mask: ResponseMask::EosInclusive,
                gae: Gae { gamma: 0.99, lambda: 0.95 },
                target_coef: 0.1,
                missing_eos_reward: 0.0,
                keep_distribution: false,
            },
            update: update.init().unwrap(),
            kl: KlConfig::default(),
            health: HealthConfig::default(),
            exactness: Exactness::Single,
            seed: 3,
        })
        .unwrap();
    (result.last.unwrap().entries(), result.model)
}

#[test]
fn a_whole_iteration_is_that_of_flex() {
    compare("a whole iteration", 1e-3, |device| {
        let (entries, model) = iteration(device);
        let mut numbers: Vec<f64> = entries.into_iter().map(|(_, value)| value).collect();
        let mut parameters = Parameters::default();
        model.visit(&mut parameters);
        numbers.extend(parameters.0);
        numbers
    });
}

#[test]
fn every_stage_of_the_embedded_job_runs() {
    for (backend, _) in others() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in ["bc", "reward-model", "sppo", "ppo", "sa2c", "a2c"] {
            let run = folder.path().join(algorithm);
            let mut command = Command::new(env!("CARGO_BIN_EXE_sppo"));
            command.args(["--backend", backend, "train", "--plain", "--set", "size=tiny", "--algorithm", algorithm]);
            let output = command.arg("--output").arg(folder.path()).arg("--run").arg(&run).output().unwrap();
            let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{algorithm} on {backend}: {error}\n{said}");
        }
    }
}
