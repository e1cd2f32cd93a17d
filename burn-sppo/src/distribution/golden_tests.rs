//! Distributions against numbers computed in f64 elsewhere.

use burn::tensor::{Device, Int, Tensor, TensorData};
use golden::{Case, integers, numbers_f32, shape};

use super::{
    ActionDistribution, Bernoulli, Categorical, DiagGaussian, Distribution, MultiCategorical, SquashedGaussian,
};

fn rows(case: &Case, key: &str) -> Tensor<2> {
    let shape: [usize; 2] = match shape(case.input(key))[..] {
        [rows] => [rows, 1],
        ref shape => shape.try_into().unwrap(),
    };
    Tensor::from_data(TensorData::new(numbers_f32(case.input(key)), shape), &Device::flex())
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn indices<const D: usize>(tensor: Tensor<D, Int>) -> Vec<f64> {
    tensor.into_data().iter::<i64>().map(|index| index as f64).collect()
}

fn gaussian(case: &Case) -> DiagGaussian {
    let log_std = numbers_f32(case.input("log_std"));
    DiagGaussian::new(rows(case, "mean"), Tensor::from_data(log_std.as_slice(), &Device::flex())).unwrap()
}

/// What all kinds have.
fn check(case: &Case, distribution: &ActionDistribution, actions: Tensor<2>) {
    case.check_f32("log_prob", &list(distribution.log_prob(actions)));
    match distribution.entropy() {
        Some(entropy) => case.check_f32("entropy", &list(entropy)),
        None => assert!(case.expected("entropy").is_null(), "{}", case.name()),
    }
    if case.expected("other").is_null() {
        assert!(!distribution.has_other(), "{}", case.name());
    }
}

#[test]
fn golden_distributions() {
    for case in golden::load("distributions.json").cases() {
        match case.input("kind").as_str().unwrap() {
            "categorical" => {
                let (actions, distribution) = (rows(case, "actions"), Categorical::new(rows(case, "logits")));
                let chosen = actions.clone().int().flatten(0, 1);
                case.check_f32("other", &list(distribution.other_prob(chosen.clone()).unwrap()));
                case.check_f32("log_prob", &list(distribution.log_prob(chosen)));
                case.check("mode", &indices(distribution.mode()));
                case.check_f32("probs", &list(distribution.full_log_prob().unwrap().exp()));
                check(case, &ActionDistribution::Categorical(distribution), actions);
            }
            "multicategorical" => {
                let sizes: Vec<usize> = integers(case.input("nvec")).into_iter().map(|size| size as usize).collect();
                let actions = rows(case, "actions");
                let distribution = MultiCategorical::new(rows(case, "logits"), &sizes).unwrap();
                case.check_f32("other", &list(distribution.other_prob(actions.clone().int()).unwrap()));
                case.check("mode", &indices(distribution.mode()));
                check(case, &ActionDistribution::MultiCategorical(distribution), actions);
            }
            "bernoulli" => {
                let distribution = Bernoulli::new(rows(case, "logits"));
                case.check("mode", &indices(distribution.mode()));
                check(case, &ActionDistribution::Bernoulli(distribution), rows(case, "actions"));
            }
            "gaussian" => {
                let distribution = gaussian(case);
                case.check_f32("mode", &list(distribution.mode()));
                case.check_f32("sample", &list(distribution.displaced(rows(case, "noise"))));
                check(case, &ActionDistribution::DiagGaussian(distribution), rows(case, "actions"));
            }
            "squashed_gaussian" => {
                let (distribution, actions) = (SquashedGaussian::new(gaussian(case)), rows(case, "pre_tanh_actions"));
                case.check_f32("actions", &list(SquashedGaussian::squash(actions.clone())));
                case.check_f32("mode", &list(SquashedGaussian::squash(distribution.mode())));
                check(case, &ActionDistribution::SquashedGaussian(distribution), actions);
            }
            other => panic!("{}: unknown kind {other}", case.name()),
        }
        case.assert_all_compared(&[]);
    }
}
