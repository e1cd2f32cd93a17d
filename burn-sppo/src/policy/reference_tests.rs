//! The policies and whole updates of them against `tests/reference/control_networks.py`, which does the same in PyTorch.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use serde_json::Value;

use super::{ActorCritic, ControlBatch, ControlPolicy, MlpConfig, NatureCnnConfig};
use crate::advantage::{AdvantageKind, Normalization};
use crate::environment::ActionSpace;
use crate::learner::{Rollout, Samples, Update, UpdateConfig, UpdateContext};
use crate::loss::{Algorithm, PolicyLossConfig, Symmetry, ValueLoss};
use crate::optim::{FusedAdamWConfig, FusedRmsPropConfig, RmsPropStyle, clip_grad_norm};
use crate::run::{Exactness, HealthConfig, Purpose, Streams};

fn script() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/control_networks.json")).unwrap()
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

/// The script's formula for numbers that need not be stored.
fn noise(salt: u32, count: usize) -> Vec<f32> {
    let number = |i: usize| {
        let mut x = (i as u32).wrapping_add(salt * 1_000_003);
        for (shift, factor) in [(16, 0x7FEB_352D), (15, 0x846C_A68B)] {
            x = (x ^ (x >> shift)).wrapping_mul(factor);
        }
        ((x ^ (x >> 16)) >> 11) as f32 / (1 << 20) as f32 - 1.0
    };
    (0..count).map(number).collect()
}

fn rows_of(values: Vec<f32>, rows: usize) -> Tensor<2> {
    let width = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, width]), &device())
}

fn observations(network: &Value, rows: usize) -> Vec<f32> {
    let mut values = noise(1000, rows * sizes(&network["observation_shape"]).iter().product::<usize>());
    if network["kind"] == "cnn" {
        values.iter_mut().for_each(|x| *x = ((*x + 1.0) * 128.0).floor());
    }
    values
}

fn space(network: &Value) -> ActionSpace {
    let space = &network["space"];
    let n = |key: &str| space[key].as_u64().unwrap() as usize;
    match space.as_object().unwrap().keys().next().unwrap().as_str() {
        "discrete" => ActionSpace::Discrete { n: n("discrete") },
        "multi_discrete" => ActionSpace::MultiDiscrete { sizes: sizes(&space["multi_discrete"]) },
        "multi_binary" => ActionSpace::MultiBinary { n: n("multi_binary") },
        "continuous" => ActionSpace::Continuous { low: vec![-1.0; n("continuous")], high: vec![1.0; n("continuous")] },
        other => panic!("unknown space {other}"),
    }
}

fn policy(network: &Value) -> ControlPolicy {
    let flag = |key: &str| network[key].as_bool().unwrap_or(false);
    let shape = sizes(&network["observation_shape"]);
    let mut stream = Streams::new(1).stream(Purpose::Initialization, 0, 0);
    if network["kind"] == "cnn" {
        let config = NatureCnnConfig::new().with_features(network["features"].as_u64().unwrap_or(512) as usize);
        let shape = shape.try_into().unwrap();
        return ControlPolicy::NatureCnn(config.init(shape, &space(network), &mut stream, &device()).unwrap());
    }
    let hidden = if network["hidden"].is_null() { vec![64, 64] } else { sizes(&network["hidden"]) };
    let activation = network.get("activation").cloned().unwrap_or("tanh".into());
    let config = MlpConfig::new()
        .with_hidden(hidden)
        .with_activation(serde_json::from_value(activation).unwrap())
        .with_use_sde(flag("use_sde"))
        .with_squash(flag("squash"));
    let features = shape.iter().product();
    ControlPolicy::Mlp(config.init(features, &space(network), &mut stream, &device()).unwrap())
}

/// Replaces the parameters, in their order, by the script's.
struct Fill<'a> {
    shapes: std::slice::Iter<'a, Value>,
    scales: std::slice::Iter<'a, Value>,
    salt: u32,
}

impl ModuleMapper for Fill<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = sizes(self.shapes.next().expect("as many parameters as in the script"));
        let scale = self.scales.next().unwrap().as_f64().unwrap() as f32;
        self.salt += 1;
        let salt = self.salt;
        param.map(|old| {
            assert_eq!(old.dims().to_vec(), shape, "parameter {salt}");
            let values: Vec<f32> = noise(salt, shape.iter().product()).into_iter().map(|x| x * scale).collect();
            Tensor::from_data(TensorData::new(values, shape), &old.device()).require_grad()
        })
    }
}

fn filled(network: &Value) -> ControlPolicy {
    let list = |key: &str| network[key].as_array().unwrap().iter();
    let mut fill = Fill { shapes: list("shapes"), scales: list("scales"), salt: 0 };
    let policy = policy(network).map(&mut fill);
    assert!(fill.shapes.next().is_none(), "more parameters in the script");
    policy
}

#[derive(Default)]
struct Collect(Vec<Vec<f32>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(list(param.val()));
    }
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn parameters(policy: &ControlPolicy) -> Vec<Vec<f32>> {
    let mut collect = Collect::default();
    policy.visit(&mut collect);
    collect.0
}

fn assert_close(name: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{name}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-4 + 1e-4 * want.abs(), "{name} {i}: {got} where {want} was expected");
    }
}

#[test]
fn networks_give_the_numbers_of_the_script() {
    for (name, network) in script()["networks"].as_object().unwrap() {
        let (policy, rows) = (filled(network), network["rows"].as_u64().unwrap() as usize);
        let seen = rows_of(observations(network, rows), rows);
        let (distribution, value) = policy.forward(seen.clone());
        let log_prob = distribution.log_prob(rows_of(floats(&network["actions"]), rows));
        assert_close(&format!("{name} log_prob"), &list(log_prob.clone()), &floats(&network["log_prob"]));
        assert_close(&format!("{name} value"), &list(value.clone()), &floats(&network["value"]));
        assert_close(&format!("{name} mode"), &list(distribution.mode()), &floats(&network["mode"]));
        match distribution.entropy() {
            Some(entropy) => assert_close(&format!("{name} entropy"), &list(entropy), &floats(&network["entropy"])),
            None => assert!(network["entropy"].is_null(), "{name}"),
        }
        let mut gradients = GradientsParams::from_grads((log_prob.sum() + value.square().sum()).backward(), &policy);
        let norm = list(clip_grad_norm(&mut gradients, &policy, None));
        assert_close(&format!("{name} gradient"), &norm, &[network["gradient_norm"].as_f64().unwrap() as f32]);
        let alone = list(ActorCritic::value(&policy, seen.clone()));
        assert_close(&format!("{name} value alone"), &alone, &floats(&network["value"]));
        let mode = list(policy.distribution(seen).mode());
        assert_close(&format!("{name} distribution alone"), &mode, &floats(&network["mode"]));
    }
}

#[test]
fn networks_have_as_many_parameters_as_those_of_the_script() {
    for count in script()["counts"].as_array().unwrap() {
        assert_eq!(policy(count).num_params() as u64, count["parameters"].as_u64().unwrap(), "{count}");
    }
}

struct Stored {
    samples: Samples,
    observations: Vec<f32>,
    actions: Vec<f32>,
}

impl Rollout for Stored {
    type Batch = ControlBatch;

    fn samples(&self) -> &Samples {
        &self.samples
    }

    fn batch(&self, rows: &[usize], _minibatch: &[usize], device: &Device) -> ControlBatch {
        let gather = |values: &[f32]| {
            let width = values.len() / self.samples.rows();
            let chosen: Vec<f32> =
                rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect();
            Tensor::from_data(TensorData::new(chosen, [rows.len(), width]), device)
        };
        ControlBatch { observations: gather(&self.observations), actions: gather(&self.actions) }
    }
}

fn update_of(job: &Value) -> Update {
    let number = |key: &str| job[key].as_f64();
    let algorithm: Algorithm = serde_json::from_value(job["algorithm"].clone()).unwrap();
    let default = Symmetry::default();
    let symmetry = Symmetry {
        alpha: number("alpha").unwrap_or(default.alpha),
        beta: number("beta").unwrap_or(default.beta),
        z: number("z").unwrap_or(default.z),
        ..default
    };
    let loss = PolicyLossConfig::new(algorithm).with_symmetry(symmetry);
    let loss = loss.with_clip_range(number("clip_range").unwrap_or(0.2));
    let value_loss = number("clip_range_vf").map_or(ValueLoss::Mse, |range| ValueLoss::ClippedOnly { range });
    let normalization = if job["normalize"] == true { Normalization::Minibatch } else { Normalization::None };
    let minibatch = job["minibatch"].as_u64().unwrap() as usize;
    UpdateConfig::new(loss, value_loss, minibatch, minibatch, normalization, AdvantageKind::Normal)
        .with_vf_coef(number("vf_coef").unwrap())
        .with_ent_coef(number("ent_coef").unwrap())
        .with_max_grad_norm(number("max_grad_norm"))
        .with_epochs(job["epochs"].as_u64().unwrap() as usize)
        .init()
        .unwrap()
}

fn optimizer_of(job: &Value) -> ModuleOptimizer {
    match job["optimizer"]["kind"].as_str().unwrap() {
        "adam" => FusedAdamWConfig::new().with_epsilon(1e-5).with_weight_decay(0.0).init(),
        "rmsprop" => FusedRmsPropConfig::new(RmsPropStyle::PyTorch).init(),
        "rmsprop_tf" => FusedRmsPropConfig::new(RmsPropStyle::TensorFlow).init(),
        other => panic!("unknown optimiser {other}"),
    }
}

#[test]
fn whole_updates_end_at_the_parameters_of_the_script() {
    let script = script();
    let (streams, iteration) = (Streams::new(1), 1);
    let given: Vec<Vec<usize>> = script["orders"].as_array().unwrap().iter().map(sizes).collect();
    let drawn = given.iter().enumerate().map(|(epoch, order)| {
        let mut drawn: Vec<usize> = (0..order.len()).collect();
        drawn.shuffle(&mut streams.stream(Purpose::Shuffle, iteration, epoch as u64));
        drawn
    });
    assert_eq!(drawn.collect::<Vec<_>>(), given, "the script was given another order of rows than the one drawn");
    for job in script["updates"].as_array().unwrap() {
        let name = format!("{} on {} with {}", job["algorithm"], job["network"], job["optimizer"]["kind"]);
        let network = &script["networks"][job["network"].as_str().unwrap()];
        let rows = job["rows"].as_u64().unwrap() as usize;
        let rollout = Stored {
            samples: Samples {
                per_row: 1,
                old_log_prob: floats(&job["old_log_prob"]),
                advantage: floats(&job["advantage"]),
                returns: floats(&job["returns"]),
                old_value: floats(&job["old_value"]),
                ..Samples::default()
            },
            observations: observations(network, rows),
            actions: floats(&job["actions"]),
        };
        let before = filled(network);
        let context =
            UpdateContext { streams, iteration, learning_rate: job["optimizer"]["learning_rate"].as_f64().unwrap() };
        let mut health = HealthConfig::default().init(Exactness::Single);
        let (after, report) =
            update_of(job).run(before.clone(), &mut optimizer_of(job), &rollout, context, &mut health).unwrap();
        assert!(report.skipped.is_empty(), "{name}");
        let expected = job["after"].as_array().unwrap();
        let parameters = parameters(&before).into_iter().zip(parameters(&after));
        for (i, ((before, after), expected)) in parameters.zip(expected).enumerate() {
            let stride = sizes(&job["strides"])[i];
            let (before, after) = (before.iter().step_by(stride), after.iter().step_by(stride));
            let expected = floats(expected);
            let moved = before.zip(&expected).map(|(before, want)| (before - want).abs()).fold(0.0, f32::max);
            for (entry, (got, want)) in after.zip(&expected).enumerate() {
                // Relative to what the update did, not to the size of the parameter.
                assert!((got - want).abs() <= 1e-3 * moved + 1e-7, "{name}: {i} {entry}: {got}, not {want} ({moved})");
            }
        }
    }
}
