//! One iteration of training against `tests/reference/language_iteration.py`, which does the same in PyTorch.

use std::{path::PathBuf, sync::Arc};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor, TensorData},
};
use burn_sppo::{
    advantage::{AdvantageKind, Gae, Normalization},
    learner::{Update, UpdateConfig, UpdateContext, UpdateReport},
    loss::{Algorithm, PolicyLossConfig, ReverseForm, Symmetry, ValueLoss},
    run::{Exactness, HealthConfig, Purpose, Streams},
};
use golden::{numbers, numbers_f32};
use serde_json::Value;

use super::*;
use crate::{
    config::OptimizerSection,
    generate::{SamplingConfig, SpecialTokens},
    model::load::load_gpt2,
    reward::Response,
    rollout::{Collected, Collector, PromptSource, ResponseMask, RolloutConfig, TextDecoder, TruncationSide},
    task::Sample,
};

const LENGTH: usize = 6;
const KL_COEF: f64 = 0.05;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reference"))
}

fn fixture() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("language_iteration.json")).unwrap()).unwrap()
}

fn policy(fixture: &Value, device: &Device) -> LanguageActorCritic {
    let mut stream = Streams::new(1).stream(Purpose::Initialization, 0, 0);
    let actor = load_gpt2(folder().join("policy"), device).unwrap();
    let mut policy = LanguageActorCriticConfig::default().init(actor, &mut stream, device);
    let head = &mut policy.value_head.as_mut().unwrap().output;
    let data = |key: &str| numbers_f32(&fixture["value_head"][key]);
    let (weight, bias) = (data("weight"), data("bias"));
    let shape = [weight.len(), 1];
    head.weight = Param::from_data(TensorData::new(weight, shape), device);
    head.bias = Some(Param::from_data(TensorData::new(bias, [1]), device));
    policy.train()
}

fn prompts(fixture: &Value) -> PromptSource {
    let text = |value: &Value| numbers(value).iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    let rows = |key: &str| fixture[key].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let samples = rows("prompts").into_iter().zip(rows("references")).zip(0..);
    let samples = samples.map(|((prompt, reference), id)| Sample {
        id,
        text: String::new(),
        prompt,
        reference: Some(reference),
        label: None,
    });
    let encode = |text: &str| text.split(' ').map(|token| token.parse().unwrap()).collect();
    let special = SpecialTokens { pad: 0, eos: 0 };
    PromptSource::new(samples.collect(), encode, 4, TruncationSide::Left, special).unwrap()
}

fn collect(fixture: &Value, policy: &LanguageActorCritic, device: &Device) -> Collected {
    let config = RolloutConfig {
        rollouts: 5,
        generation_rows: 3,
        scoring_rows: 2,
        sampling: SamplingConfig {
            do_sample: false,
            top_k: 0,
            min_length: 0,
            max_new_tokens: LENGTH,
            ..SamplingConfig::default()
        },
        mask: ResponseMask::EosInclusive,
        gae: Gae { gamma: 0.99, lambda: 0.95 },
        target_coef: 0.1,
        missing_eos_reward: 0.0,
        keep_distribution: false,
    };
    let actor = load_gpt2(folder().join("reference"), device).unwrap();
    let reference = LanguageActorCritic::from(actor);
    let decoder: TextDecoder = Arc::new(|_| String::new());
    let mut reward = |responses: &[Response]| {
        let score = |response: &Response| {
            let tokens = &response.response_tokens;
            tokens.iter().filter(|token| **token % 3 == 0).count() as f32 / 3.0 - 0.1 * tokens.len() as f32
        };
        Ok(responses.iter().map(score).collect::<Vec<f32>>())
    };
    Collector {
        config: &config,
        policy: &policy.valid(),
        reference: Some(&reference),
        prompts: &prompts(fixture),
        decoder: &decoder,
        reward: &mut reward,
        device,
    }
    .collect(Streams::new(5), 1, KL_COEF)
    .unwrap()
}

fn update(policy: LanguageActorCritic, collected: &Collected) -> (LanguageActorCritic, UpdateReport) {
    let symmetry = Symmetry { alpha: 0.5, beta: 0.4, z: -1.0, form: ReverseForm::Rce };
    let loss = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry).with_clip_range(0.2);
    let value_loss = ValueLoss::Max { range: Some(0.2) };
    let update: Update = UpdateConfig::new(loss, value_loss, 5, 5, Normalization::Rollout, AdvantageKind::Normal)
        .with_ent_coef(0.01)
        .with_epochs(2)
        .with_max_grad_norm(Some(1.0))
        .init()
        .unwrap();
    let section = OptimizerSection { weight_decay: 1e-2, epsilon: 1e-5, ..OptimizerSection::default() };
    let context = UpdateContext { streams: Streams::new(5), iteration: 1, learning_rate: 2e-3 };
    let mut health = HealthConfig::default().init(Exactness::Single);
    update.run(policy, &mut section.build(), &collected.rollout, context, &mut health).unwrap()
}

/// All parameters, by their names in PyTorch.
#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    found: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".").replace("gamma", "weight").replace("beta", "bias");
        let name = name.replace("value_head.output", "value_head");
        self.found.push((name, param.val().into_data().try_into_vec().unwrap()));
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

fn assert_close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = tolerance * (1.0 + expected.abs());
        assert!((found - expected).abs() <= bound, "{name}[{place}]: {found} where PyTorch has {expected}");
    }
}

#[test]
fn one_iteration_equals_the_script() {
    let device = Device::flex();
    let fixture = fixture();
    let policy = policy(&fixture, &device);
    let collected = collect(&fixture, &policy, &device);
    let (samples, rollout) = (&collected.rollout.samples, &fixture["rollout"]);

    // The rows come in a random order; their indices tell them apart.
    let mask = samples.policy_mask.as_ref().unwrap();
    for (row, response) in collected.responses.iter().enumerate() {
        let there = response.index;
        let tokens: Vec<f64> = response.response_tokens.iter().map(|&token| f64::from(token)).collect();
        assert_eq!(tokens, numbers(&rollout["responses"][there]));
        let counted = |values: &[f32]| -> Vec<f64> {
            (row * LENGTH..(row + 1) * LENGTH).map(|i| if mask[i] { f64::from(values[i]) } else { 0.0 }).collect()
        };
        let wanted_mask = numbers(&rollout["mask"]);
        for (name, values) in [
            ("log_prob", &samples.old_log_prob),
            ("value", &samples.old_value),
            ("advantage", &samples.advantage),
            ("returns", &samples.returns),
        ] {
            let all = numbers(&rollout[name]);
            let range = there * LENGTH..(there + 1) * LENGTH;
            let wanted: Vec<f64> = range.map(|i| all[i] * wanted_mask[i]).collect();
            assert_close(name, &counted(values), &wanted, 1e-5);
        }
        assert_close("reward", &[f64::from(collected.rewards[row])], &[numbers(&rollout["reward"])[there]], 1e-6);
    }
    assert_close("kl", &[collected.rollout.statistics.kl], &[rollout["mean_kl"].as_f64().unwrap()], 1e-5);

    let (policy, report) = update(policy, &collected);
    for (name, found) in [
        ("loss", report.loss),
        ("policy_loss", report.policy_loss),
        ("reverse_loss", report.reverse_loss),
        ("value_loss", report.value_loss),
        ("auxiliary_loss", report.auxiliary_loss),
        ("entropy", report.entropy),
        ("gradient_norm", report.gradient_norm),
        ("approx_kl_k3", report.approx_kl_k3),
        ("ratio", report.ratio),
        ("clip_fraction", report.clip_fraction),
    ] {
        assert_close(name, &[found], &[fixture["update"][name].as_f64().unwrap()], 2e-5);
    }
    assert!(report.clip_fraction > 0.0, "the second update has left the clip range somewhere");

    let mut parameters = Parameters::default();
    policy.visit(&mut parameters);
    let expected = fixture["parameters"].as_object().unwrap();
    assert_eq!(parameters.found.len(), expected.len());
    for (name, found) in &parameters.found {
        let found: Vec<f64> = found.iter().map(|&x| f64::from(x)).collect();
        let expected = expected.get(name).unwrap_or_else(|| panic!("PyTorch has no parameter {name}"));
        // The gradient of key biases is rounding alone, which Adam makes larger.
        assert_close(name, &found, &numbers(expected), 5e-6);
    }
}
