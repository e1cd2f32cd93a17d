//! The losses against numbers that automatic differentiation in f64 gave elsewhere.

use burn::tensor::{Bool, Device, Gradients, Int, Tensor, TensorData, activation::log_softmax};
use golden::{Case, flags, integers, numbers_f32, shape};

use super::clipped_surrogate::clip_objective;
use super::{
    Algorithm, PolicyLossConfig, PolicyLossOutput, PolicySamples, Reduction, ReverseForm, Symmetry, ValueLoss,
    approximate_kl, clip_fraction, entropy_loss, value_clip_fraction,
};
use crate::advantage::{explained_variance_stabilized, normalize};
use crate::distribution::{Bernoulli, Categorical, DiagGaussian, Distribution, MultiCategorical};

/// What the reference computes with an unbounded `1 / p_old`: not computed here, where the value is bounded.
const UNBOUNDED: [&str; 2] = ["reverse_loss", "total"];

fn device() -> Device {
    Device::flex().autodiff()
}

fn vector(values: Vec<f32>) -> Tensor<1> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn input(case: &Case, key: &str) -> Tensor<1> {
    vector(numbers_f32(case.input(key)))
}

fn setting(case: &Case, name: &str) -> f64 {
    case.input(&format!("settings.{name}")).as_f64().unwrap_or_else(|| panic!("{}: no {name}", case.name()))
}

fn setting_or(case: &Case, name: &str, default: f64) -> f64 {
    case.input(&format!("settings.{name}")).as_f64().unwrap_or(default)
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn flag_list(tensor: Tensor<1, Bool>) -> Vec<f64> {
    tensor.into_data().iter::<bool>().map(|flag| f64::from(u8::from(flag))).collect()
}

/// Compares where the case lists a number. What it does not list, or lists as null, is not comparable.
fn check<const D: usize>(case: &Case, key: &str, got: Tensor<D>) {
    if !case.expected(key).is_null() {
        case.check_f32(key, &list(got));
    }
}

/// A case's policy as a function of what a network gives: one forward pass for each loss whose gradient is wanted.
struct Evaluated {
    leaves: Vec<(&'static str, Tensor<2>)>,
    log_prob: Tensor<1>,
    entropy: Tensor<1>,
    other: Option<Tensor<1>>,
}

impl Evaluated {
    fn check_gradients(&self, case: &Case, prefix: &str, gradients: &Gradients) {
        for (name, leaf) in &self.leaves {
            let gradient = leaf.grad(gradients).unwrap_or_else(|| leaf.zeros_like().inner());
            check(case, &format!("{prefix}_{name}"), gradient);
        }
    }
}

fn categorical(case: &Case) -> Evaluated {
    let logits = logits(case, "logits");
    let actions = Tensor::<1, Int>::from_data(integers(case.input("actions")).as_slice(), &device());
    evaluated(vec![("logits", logits.clone())], &Categorical::new(logits), actions)
}

fn multi_categorical(case: &Case) -> Evaluated {
    let logits = logits(case, "logits");
    let sizes: Vec<usize> = integers(case.input("nvec")).into_iter().map(|size| size as usize).collect();
    let distribution = MultiCategorical::new(logits.clone(), &sizes).unwrap();
    evaluated(vec![("logits", logits)], &distribution, rows_of_integers(case, "actions"))
}

fn bernoulli(case: &Case) -> Evaluated {
    let logits = logits(case, "logits");
    evaluated(vec![("logits", logits.clone())], &Bernoulli::new(logits), rows_of_integers(case, "actions"))
}

fn diag_gaussian(case: &Case) -> Evaluated {
    let (mean, log_std) = (logits(case, "mean"), logits(case, "log_std"));
    let distribution = DiagGaussian::with_deviations(mean.clone(), log_std.clone()).unwrap();
    evaluated(vec![("mean", mean), ("log_std", log_std)], &distribution, logits(case, "actions").detach())
}

fn evaluated<D: Distribution>(
    leaves: Vec<(&'static str, Tensor<2>)>,
    distribution: &D,
    actions: D::Actions,
) -> Evaluated
where
    D::Actions: Clone,
{
    Evaluated {
        leaves,
        log_prob: distribution.log_prob(actions.clone()),
        entropy: distribution.entropy().unwrap(),
        other: distribution.other_prob(actions).ok(),
    }
}

fn rows_of_integers(case: &Case, key: &str) -> Tensor<2, Int> {
    let shape: [usize; 2] = shape(case.input(key)).try_into().unwrap();
    Tensor::from_data(TensorData::new(integers(case.input(key)), shape), &device())
}

/// A leaf of the graph as rows, whatever its leading dimensions.
fn logits(case: &Case, key: &str) -> Tensor<2> {
    let choices = *shape(case.input(key)).last().unwrap();
    let values = numbers_f32(case.input(key));
    let rows = values.len() / choices;
    Tensor::from_data(TensorData::new(values, [rows, choices]), &device()).require_grad()
}

fn symmetry(case: &Case, prefix: &str) -> Symmetry {
    let kind = case.input("settings.kind").as_str().unwrap_or("rce");
    Symmetry {
        alpha: setting(case, &format!("{prefix}alpha")),
        beta: setting(case, &format!("{prefix}beta")),
        z: setting_or(case, if prefix.is_empty() { "z" } else { "rce_z" }, -1.0),
        form: serde_json::from_value::<ReverseForm>(kind.into()).unwrap(),
    }
}

fn control_case(case: &Case, evaluate: fn(&Case) -> Evaluated) {
    let algorithm: Algorithm = serde_json::from_value(case.input("settings.algorithm").clone()).unwrap();
    let symmetry = symmetry(case, "");
    let clip_range = setting_or(case, "clip_range", 0.2);
    let config =
        |algorithm, symmetry| PolicyLossConfig::new(algorithm).with_symmetry(symmetry).with_clip_range(clip_range);
    let mut advantages = numbers_f32(case.input("advantages"));
    if case.input("settings.normalize") == true {
        normalize(&mut advantages, None).unwrap();
    }
    case.check_f32("advantages_used", &advantages);
    let reduction = Reduction::all(advantages.len());
    let loss = |config: PolicyLossConfig, policy: &Evaluated| -> PolicyLossOutput {
        let old = if algorithm.uses_ratio() { input(case, "old_log_prob") } else { policy.log_prob.clone() };
        let samples = PolicySamples::new(policy.log_prob.clone(), old, vector(advantages.clone()));
        config.init().unwrap().forward(samples, &reduction).unwrap()
    };

    let policy = evaluate(case);
    let output = loss(config(algorithm, symmetry), &policy);
    check(case, "log_prob", policy.log_prob.clone());
    check(case, "entropy", policy.entropy.clone());
    if let Some(other) = policy.other.clone() {
        check(case, "other", other);
    }
    check(case, "policy_loss", output.policy.clone());
    match &output.reverse {
        Some(reverse) => case.check_f32("reverse_loss_bounded", &list(reverse.clone())),
        None => assert!(case.expected("reverse_loss_bounded").is_null(), "{}: no reverse loss", case.name()),
    }
    if algorithm.uses_ratio() {
        check(case, "ratio", output.ratio.clone());
        case.check("flag", &flag_list(output.flag.clone()));
        check(case, "approx_kl_k1", approximate_kl::k1(output.log_ratio.clone(), &reduction));
        check(case, "approx_kl_k3", approximate_kl::k3(output.log_ratio.clone(), &reduction));
        check(case, "clip_fraction", clip_fraction(output.ratio.clone(), clip_range, &reduction));
    }

    let values = input(case, "values").require_grad();
    let value_loss = match case.input("settings.clip_vf.form").as_str() {
        None => ValueLoss::Mse,
        Some("clipped_only") => ValueLoss::ClippedOnly { range: setting(case, "clip_vf.c") },
        Some("max") => ValueLoss::Max { range: Some(setting(case, "clip_vf.c")) },
        Some(other) => panic!("{}: unknown form {other}", case.name()),
    };
    let value_loss =
        value_loss.forward(values.clone(), input(case, "old_values"), input(case, "returns"), &reduction).unwrap();
    let entropy_loss = entropy_loss(Some(policy.entropy.clone()), policy.log_prob.clone(), &reduction);
    check(case, "value_loss", value_loss.clone());
    check(case, "entropy_loss", entropy_loss.clone());
    let total = output.loss + entropy_loss * setting(case, "ent_coef") + value_loss * setting(case, "vf_coef");
    check(case, "total_bounded", total.clone());
    let gradients = total.backward();
    policy.check_gradients(case, "grad", &gradients);
    check(case, "grad_values", values.grad(&gradients).unwrap());

    let ordinary =
        Algorithm::ALL.into_iter().find(|other| !other.is_symmetric() && other.uses_ratio() == algorithm.uses_ratio());
    let policy = evaluate(case);
    let output = loss(config(ordinary.unwrap(), symmetry), &policy);
    policy.check_gradients(case, "grad_policy", &output.loss.backward());
    if !case.expected("grad_reverse_logits").is_null() {
        let policy = evaluate(case);
        let output = loss(config(algorithm, Symmetry { alpha: 0.0, beta: 1.0, ..symmetry }), &policy);
        policy.check_gradients(case, "grad_reverse", &output.loss.backward());
    }
    if algorithm.is_symmetric() {
        if algorithm == Algorithm::Sppo {
            case.check("effective_policy_coef", &[symmetry.effective_policy_coefficient().unwrap()]);
        } else {
            let probabilities = list(policy.log_prob.exp());
            let weights = probabilities.iter().map(|&p| symmetry.effective_sample_weight(f64::from(p)).unwrap());
            case.check("effective_policy_weight", &weights.collect::<Vec<_>>());
        }
    }
}

#[test]
fn golden_losses_of_categorical_actions() {
    for case in golden::load("losses_categorical.json").cases() {
        if case.input("ratio").is_null() {
            control_case(case, categorical);
            case.assert_all_compared(&UNBOUNDED);
        } else {
            let (ratio, advantage) = (input(case, "ratio"), input(case, "advantages"));
            let (objective, flag) = clip_objective(ratio, advantage, case.input("clip_range").as_f64().unwrap());
            case.check_f32("surrogate", &list(objective));
            case.check("flag", &flag_list(flag));
        }
    }
}

#[test]
fn golden_losses_of_multi_categorical_actions() {
    for case in golden::load("losses_multicategorical.json").cases() {
        control_case(case, multi_categorical);
        case.assert_all_compared(&UNBOUNDED);
    }
}

/// Kinds of actions without a probability of the other ones: the symmetric algorithms must refuse them.
fn cases_without_other<D: Distribution>(file: &str, evaluate: fn(&Case) -> Evaluated) {
    for case in golden::load(file).cases() {
        if case.expected("error").is_null() {
            control_case(case, evaluate);
        } else {
            let algorithm: Algorithm = serde_json::from_value(case.input("settings.algorithm").clone()).unwrap();
            case.check("error", &[f64::from(u8::from(D::check_algorithm(algorithm).is_err()))]);
        }
        case.assert_all_compared(&UNBOUNDED);
    }
}

#[test]
fn golden_losses_of_gaussian_actions() {
    cases_without_other::<DiagGaussian>("losses_gaussian.json", diag_gaussian);
}

#[test]
fn golden_losses_of_bernoulli_actions() {
    cases_without_other::<Bernoulli>("losses_bernoulli.json", bernoulli);
}

#[test]
fn golden_losses_of_tokens() {
    for case in golden::load("losses_token.json").cases() {
        token_case(case);
        case.assert_all_compared(&UNBOUNDED);
    }
}

fn token_case(case: &Case) {
    let mask = flags(case.input("mask"));
    let rollin = flags(case.input("rollin_mask"));
    let policy_mask: Vec<bool> = mask.iter().zip(&rollin).map(|(mask, rollin)| *mask && *rollin).collect();
    let value_mask = match case.input("settings.alg_type").as_str().unwrap() {
        "aggrevate" => mask.iter().zip(&rollin).map(|(mask, rollin)| *mask && !*rollin).collect(),
        _ => policy_mask.clone(),
    };
    let count = |mask: &[bool]| mask.iter().filter(|counts| **counts).count();
    case.check("n_tokens", &[count(&policy_mask) as f64]);
    case.check("n_value_tokens", &[count(&value_mask) as f64]);
    let over = |mask: &[bool]| Reduction::masked(Tensor::from_data(mask, &device()), count(mask));
    let (reduction, value_reduction) = (over(&policy_mask), over(&value_mask));
    let everything = Reduction::all(mask.len());

    let mut advantages = numbers_f32(case.input("advantages"));
    match case.input("settings.advantage_norm").as_str().unwrap() {
        "none" => {}
        "all_tokens" => normalize(&mut advantages, None).unwrap(),
        "masked" => normalize(&mut advantages, Some(&policy_mask)).unwrap(),
        other => panic!("{}: unknown normalisation {other}", case.name()),
    }
    case.check_f32("advantages_used", &advantages);

    let symmetry = symmetry(case, "robust_");
    let clip_range = setting(case, "clip_range");
    let config = |algorithm| PolicyLossConfig::new(algorithm).with_symmetry(symmetry).with_clip_range(clip_range);
    let loss = |config: PolicyLossConfig, policy: &Evaluated| -> PolicyLossOutput {
        let old = input(case, "old_log_prob");
        let samples = PolicySamples::new(policy.log_prob.clone(), old, vector(advantages.clone()));
        config.init().unwrap().forward(samples, &reduction).unwrap()
    };

    let policy = categorical(case);
    let output = loss(config(Algorithm::Sppo), &policy);
    check(case, "log_prob", policy.log_prob.clone());
    check(case, "entropy", policy.entropy.clone());
    check(case, "other", policy.other.clone().unwrap());
    check(case, "ratio", output.ratio.clone());
    case.check("flag", &flag_list(output.flag.clone()));
    check(case, "policy_loss", output.policy.clone());
    match &output.reverse {
        Some(reverse) => case.check_f32("reverse_loss_bounded", &list(reverse.clone())),
        None => assert_eq!(symmetry.beta, 0.0, "{}: no reverse loss", case.name()),
    }
    check(case, "approx_kl_k3", approximate_kl::k3(output.log_ratio.clone(), &everything));
    check(case, "approx_kl_k3_masked", approximate_kl::k3(output.log_ratio.clone(), &reduction));
    check(case, "approx_kl_k1_masked", approximate_kl::k1(output.log_ratio.clone(), &reduction));
    check(case, "clip_fraction", clip_fraction(output.ratio.clone(), clip_range, &reduction));
    check(case, "ratio_mean", everything.mean(output.ratio.clone()));
    case.check("pad_percent", &[100.0 * (1.0 - count(&policy_mask) as f64 / mask.len() as f64)]);
    case.check("effective_policy_coef", &[symmetry.effective_policy_coefficient().unwrap()]);

    let values = input(case, "values").require_grad();
    let range = case.input("settings.clip_range_vf").as_f64();
    let value_loss = ValueLoss::Max { range }
        .forward(values.clone(), input(case, "old_values"), input(case, "returns"), &value_reduction)
        .unwrap();
    check(case, "value_loss", value_loss.clone());
    match range {
        Some(range) => {
            let fraction = value_clip_fraction(values.clone(), input(case, "old_values"), range, &value_reduction);
            check(case, "value_clip_fraction", fraction);
        }
        None => case.check("value_clip_fraction", &[0.0]),
    }
    let returns = numbers_f32(case.input("returns"));
    for (key, predictions) in [("explained_var_in_batch", "values"), ("explained_var_out_batch", "old_values")] {
        let explained = explained_variance_stabilized(&returns, &numbers_f32(case.input(predictions))).unwrap();
        case.check(key, &[explained]);
    }
    let entropy_loss = entropy_loss(Some(policy.entropy.clone()), policy.log_prob.clone(), &reduction);
    check(case, "entropy_loss", entropy_loss.clone());
    let mut total = output.loss + entropy_loss * setting(case, "ent_coef") + value_loss * setting(case, "vf_coef");
    let target = target_loss(case);
    match &target {
        Some((_, loss)) => {
            check(case, "target_loss", loss.clone());
            total = total + loss.clone() * setting(case, "target_coef");
        }
        None => case.check("target_loss", &[0.0]),
    }
    check(case, "total_bounded", total.clone());
    let gradients = total.backward();
    policy.check_gradients(case, "grad", &gradients);
    check(case, "grad_values", values.grad(&gradients).unwrap());
    if let Some((logits, _)) = target {
        check(case, "grad_target_logits", logits.grad(&gradients).unwrap());
    }

    let policy = categorical(case);
    let output = loss(config(Algorithm::Ppo), &policy);
    policy.check_gradients(case, "grad_policy", &output.loss.backward());
}

/// Cross entropy of the reference texts: the entropy loss's fallback with the sign turned.
fn target_loss(case: &Case) -> Option<(Tensor<2>, Tensor<1>)> {
    if case.input("target_logits").is_null() {
        return None;
    }
    let logits = logits(case, "target_logits");
    let rows = logits.dims()[0];
    let targets = TensorData::new(integers(case.input("target_ids")), [rows, 1]);
    let targets = Tensor::<2, Int>::from_data(targets, &device());
    let log_prob = log_softmax(logits.clone(), 1).gather(1, targets).reshape([rows]);
    let mask = flags(case.input("target_mask"));
    let count = mask.iter().filter(|counts| **counts).count();
    let reduction = Reduction::masked(Tensor::from_data(mask.as_slice(), &device()), count);
    Some((logits, entropy_loss(None, log_prob, &reduction).neg()))
}
