use burn::module::{Module, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, RmsPropConfig};
use burn::tensor::{Device, Tensor, TensorData};
use golden::{Case, flags, numbers, numbers_f32};

use super::clip::clip_factor;
use super::{FusedAdamWConfig, FusedRmsPropConfig, RmsPropStyle, RmsPropTfConfig, clip_grad_norm};

/// Any list of tensors, flattened: these optimisers work entry by entry.
#[derive(Module, Debug)]
struct Parameters {
    list: Vec<Param<Tensor<1>>>,
}

fn setting(case: &Case, name: &str) -> f32 {
    case.input(&format!("settings.{name}")).as_f64().unwrap_or_else(|| panic!("{}: {name}", case.name())) as f32
}

fn optimizer_of(case: &Case, parameters: &Parameters) -> ModuleOptimizer {
    let betas = numbers_f32_or_empty(case, "settings.betas");
    let decay = setting(case, "weight_decay");
    match case.input("optimiser").as_str().unwrap() {
        "adam" => AdamConfig::new()
            .with_beta_1(betas[0])
            .with_beta_2(betas[1])
            .with_epsilon(setting(case, "eps"))
            .with_weight_decay((decay != 0.0).then(|| WeightDecayConfig::new(decay)))
            .init(),
        "adamw" => {
            let config =
                AdamWConfig::new().with_beta_1(betas[0]).with_beta_2(betas[1]).with_epsilon(setting(case, "eps"));
            let without_decay = config.clone().with_weight_decay(0.0);
            let optimizer = config.with_weight_decay(decay).init();
            if case.input("decay_mask").is_null() {
                return optimizer;
            }
            let decays = flags(case.input("decay_mask"));
            let exempt = parameters.list.iter().zip(decays).filter(|(_, decays)| !decays).map(|(p, _)| p.id);
            optimizer.with_group(ParamGroup::from_ids(exempt.collect()), without_decay.build(), None)
        }
        "rmsprop_torch" => RmsPropConfig::new()
            .with_alpha(setting(case, "alpha"))
            .with_epsilon(setting(case, "eps"))
            .with_momentum(setting(case, "momentum"))
            .with_centered(case.input("settings.centered") == true)
            .with_weight_decay((decay != 0.0).then(|| WeightDecayConfig::new(decay)))
            .init(),
        "rmsprop_tf" => RmsPropTfConfig::new()
            .with_alpha(setting(case, "alpha"))
            .with_epsilon(setting(case, "eps"))
            .with_momentum(setting(case, "momentum"))
            .with_centered(case.input("settings.centered") == true)
            .with_weight_decay(decay)
            .init(),
        other => panic!("{}: unknown optimiser {other}", case.name()),
    }
}

/// The optimiser that does the same in one pass, where the case asks for no more than it can.
fn fused_optimizer_of(case: &Case) -> Option<ModuleOptimizer> {
    let epsilon = setting(case, "eps");
    let plain = |name: &str| case.input(&format!("settings.{name}")).as_f64().unwrap_or(0.0) == 0.0;
    let plain = plain("weight_decay") && plain("momentum") && case.input("settings.centered") != true;
    let rms_prop =
        |style| FusedRmsPropConfig::new(style).with_alpha(setting(case, "alpha")).with_epsilon(epsilon).init();
    match case.input("optimiser").as_str().unwrap() {
        _ if !plain => None,
        "adam" => {
            let betas = numbers_f32(case.input("settings.betas"));
            let config = FusedAdamWConfig::new().with_beta_1(betas[0]).with_beta_2(betas[1]);
            Some(config.with_epsilon(epsilon).with_weight_decay(0.0).init())
        }
        "rmsprop_torch" => Some(rms_prop(RmsPropStyle::PyTorch)),
        "rmsprop_tf" => Some(rms_prop(RmsPropStyle::TensorFlow)),
        _ => None,
    }
}

fn numbers_f32_or_empty(case: &Case, key: &str) -> Vec<f32> {
    if case.input(key).is_null() { vec![] } else { numbers_f32(case.input(key)) }
}

fn tensor(values: Vec<f32>) -> Tensor<1> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn number(tensor: Tensor<1>) -> f32 {
    tensor.into_data().try_into_vec::<f32>().unwrap()[0]
}

fn parameters_of(case: &Case) -> Parameters {
    let list = case.input("params").as_array().unwrap().iter().map(|values| {
        let values = if values.is_array() { numbers_f32(values) } else { vec![values.as_f64().unwrap() as f32] };
        Param::from_tensor(tensor(values))
    });
    Parameters { list: list.collect() }.train()
}

fn check_steps(case: &Case, mut parameters: Parameters, mut optimizer: ModuleOptimizer) {
    let max_norm = case.input("max_grad_norm").as_f64();
    let (mut norms, mut factors) = (vec![], vec![]);
    for (step, lr) in numbers(case.input("lr_per_step")).into_iter().enumerate() {
        let mut grads = GradientsParams::new();
        for (i, parameter) in parameters.list.iter().enumerate() {
            grads.register(parameter.id, tensor(numbers_f32(case.input(&format!("grads.{step}.{i}")))));
        }
        let norm = clip_grad_norm(&mut grads, &parameters, max_norm);
        norms.push(number(norm.clone()));
        factors.push(max_norm.map_or(1.0, |max_norm| number(clip_factor(norm, max_norm))));
        parameters = optimizer.step(lr, parameters, grads);
        for (i, parameter) in parameters.list.iter().enumerate() {
            let values: Vec<f32> = parameter.val().into_data().try_into_vec().unwrap();
            case.check_f32(&format!("params_after.{step}.{i}"), &values);
        }
    }
    case.check_f32("grad_norm", &norms);
    case.check_f32("clip_scale", &factors);
    case.assert_all_compared(&[]);
}

#[test]
fn golden_optim() {
    for case in golden::load("optim.json").cases() {
        let parameters = parameters_of(case);
        let optimizer = optimizer_of(case, &parameters);
        check_steps(case, parameters, optimizer);
    }
}

#[test]
fn golden_optim_in_one_pass() {
    for case in golden::load("optim.json").cases() {
        if let Some(optimizer) = fused_optimizer_of(case) {
            check_steps(case, parameters_of(case), optimizer);
        }
    }
}
