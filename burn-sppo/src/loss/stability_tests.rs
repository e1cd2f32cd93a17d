//! Losses and gradients at the limits of f32, and what must be refused.

use burn::tensor::{Bool, DType, Device, Int, Tensor, activation::log_softmax};

use super::{
    A2cLossConfig, Algorithm, ClippedSurrogateLossConfig, LossError, PolicyLossConfig, PolicySamples, Reduction,
    ReverseForm, SymmetricA2cLossConfig, SymmetricPpoLossConfig, Symmetry, ValueLoss, approximate_kl,
};

fn device() -> Device {
    Device::flex().autodiff()
}

fn vector(values: &[f32]) -> Tensor<1> {
    Tensor::from_data(values, &device())
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn all_losses() -> Vec<PolicyLossConfig> {
    let with =
        |algorithm, form| PolicyLossConfig::new(algorithm).with_symmetry(Symmetry { form, ..Symmetry::default() });
    let mut losses = vec![PolicyLossConfig::new(Algorithm::A2c), PolicyLossConfig::new(Algorithm::Ppo)];
    for form in [ReverseForm::Rce, ReverseForm::Mae, ReverseForm::Unnormalised] {
        losses.extend([with(Algorithm::Sa2c, form), with(Algorithm::Sppo, form)]);
    }
    losses
}

/// Loss and gradient with respect to the log-probabilities.
fn loss_and_gradient(
    config: &PolicyLossConfig,
    log_prob: &[f32],
    old_log_prob: &[f32],
    advantage: &[f32],
    reduction: &Reduction,
) -> (f32, Vec<f32>) {
    let log_prob = vector(log_prob).require_grad();
    let samples = PolicySamples::new(log_prob.clone(), vector(old_log_prob), vector(advantage));
    let output = config.init().unwrap().forward(samples, reduction).unwrap();
    let gradient = log_prob.grad(&output.loss.backward()).unwrap();
    (list(output.loss)[0], list(gradient))
}

#[test]
fn what_lies_at_padding_reaches_neither_value_nor_gradient() {
    let mask = Tensor::<1, Bool>::from_data([true, false, false, false, true], &device());
    let reduction = Reduction::masked(mask, 2);
    for config in all_losses() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let padded = loss_and_gradient(
            &config,
            &[-0.5, -1.0, nan, -inf, -0.9],
            &[-0.6, -200.0, nan, -inf, -0.8],
            &[1.0, inf, nan, 1.0, -1.0],
            &reduction,
        );
        let (loss, gradient) =
            loss_and_gradient(&config, &[-0.5, -0.9], &[-0.6, -0.8], &[1.0, -1.0], &Reduction::all(2));
        assert_eq!(padded, (loss, vec![gradient[0], 0.0, 0.0, 0.0, gradient[1]]), "{config}");
    }
}

#[test]
fn whole_distributions_at_padding_reach_neither_value_nor_gradient() {
    let mask = Tensor::<1, Bool>::from_data([true, false], &device());
    for algorithm in [Algorithm::Sa2c, Algorithm::Sppo] {
        let form = ReverseForm::PerActionRatio;
        let config = PolicyLossConfig::new(algorithm).with_symmetry(Symmetry { form, ..Symmetry::default() });
        let of = |padding: f32| {
            let all = Tensor::<2>::from_data([[-0.5, -0.9], [padding; 2]], &device()).require_grad();
            let old = Tensor::<2>::from_data([[-0.6, -0.8], [padding; 2]], &device());
            let samples = PolicySamples::new(vector(&[-0.5, -0.5]), vector(&[-0.6, -0.6]), vector(&[1.0, 1.0]))
                .with_distribution(all.clone(), old, Tensor::from_data([0, 0], &device()));
            let output = config.init().unwrap().forward(samples, &Reduction::masked(mask.clone(), 1)).unwrap();
            let gradient = all.grad(&output.loss.backward()).unwrap();
            (list(output.loss), list(gradient))
        };
        assert_eq!(of(-0.3), of(f32::NAN), "{algorithm}");
        assert_eq!(of(-0.3), of(f32::NEG_INFINITY), "{algorithm}");
    }
}

#[test]
fn a_ratio_that_overflows_leaves_loss_and_gradient_finite() {
    for config in all_losses() {
        for advantage in [-2.0, 0.0, 2.0] {
            let (loss, gradient) = loss_and_gradient(
                &config,
                &[-0.1, -0.1, -1.0],
                &[-200.0, -91.0, -1.0],
                &[advantage, advantage, 1.0],
                &Reduction::all(3),
            );
            assert!(loss.is_finite(), "{config}: {loss}");
            let norm: f32 = gradient.iter().map(|g| g * g).sum();
            assert!(norm.is_finite(), "{config}: {gradient:?}");
        }
    }
}

#[test]
fn a_tiny_old_probability_leaves_the_gradient_exact() {
    let symmetry = Symmetry { alpha: 0.5, beta: 20.0, z: -1.0, form: ReverseForm::Rce };
    let config = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry);
    let (_, gradient) = loss_and_gradient(&config, &[-85.0], &[-85.0], &[1.5], &Reduction::all(1));
    assert_eq!(gradient, [-1.5 * 20.5]);
}

#[test]
fn nan_in_a_sample_that_counts_is_not_hidden() {
    for config in all_losses() {
        let (loss, _) = loss_and_gradient(&config, &[f32::NAN, -0.5], &[-0.5, -0.5], &[1.0, 1.0], &Reduction::all(2));
        assert!(loss.is_nan(), "{config}: {loss}");
    }
    let value = ValueLoss::Max { range: Some(0.2) };
    let loss = value.forward(vector(&[f32::NAN]), vector(&[0.0]), vector(&[0.0]), &Reduction::all(1)).unwrap();
    assert!(list(loss)[0].is_nan());
}

#[test]
fn sixteen_bit_inputs_are_computed_in_f32() {
    let half = |values: &[f32]| vector(values).cast(DType::BF16);
    for config in all_losses() {
        let samples = PolicySamples::new(half(&[-0.5, -0.25]), half(&[-0.75, -0.25]), half(&[1.0, -0.5]));
        let output = config.init().unwrap().forward(samples, &Reduction::all(2)).unwrap();
        assert_eq!(output.loss.dtype(), DType::F32);
        let (loss, _) = loss_and_gradient(&config, &[-0.5, -0.25], &[-0.75, -0.25], &[1.0, -0.5], &Reduction::all(2));
        assert_eq!(list(output.loss), [loss], "{config}");
    }
}

#[test]
fn without_beta_the_symmetric_losses_are_the_ordinary_ones() {
    let none = Symmetry { alpha: 1.0, beta: 0.0, z: -1.0, form: ReverseForm::PerActionRatio };
    for (symmetric, ordinary) in [(Algorithm::Sppo, Algorithm::Ppo), (Algorithm::Sa2c, Algorithm::A2c)] {
        let symmetric = PolicyLossConfig::new(symmetric).with_symmetry(none);
        assert!(!symmetric.needs_distribution());
        let of = |config: &PolicyLossConfig| {
            loss_and_gradient(config, &[-7.0, -0.4], &[-91.0, -0.5], &[1.0, 0.3], &Reduction::all(2))
        };
        assert_eq!(of(&symmetric), of(&PolicyLossConfig::new(ordinary)));
    }
}

#[test]
fn an_impossible_action_is_no_part_of_the_per_action_ratio() {
    let logits = Tensor::<2>::from_data([[0.2, f32::NEG_INFINITY, 1.0]], &device()).require_grad();
    let all = log_softmax(logits.clone(), 1);
    let taken = all.clone().narrow(1, 0, 1).reshape([1]);
    let loss = SymmetricPpoLossConfig::new().with_form(ReverseForm::PerActionRatio).init().unwrap();
    let actions = Tensor::<1, Int>::from_data([0], &device());
    let samples = PolicySamples::new(taken.clone(), taken, vector(&[1.0])).with_distribution(all.clone(), all, actions);
    let output = loss.forward(samples, &Reduction::all(1)).unwrap();
    // One action is left, of ratio 1.
    assert_eq!(list(output.reverse.unwrap()), [1.0]);
    let gradient = list(logits.grad(&output.loss.backward()).unwrap());
    assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
}

#[test]
fn a_form_over_the_whole_distribution_asks_for_it() {
    let samples = || PolicySamples::new(vector(&[-0.5]), vector(&[-0.5]), vector(&[1.0]));
    let reduction = Reduction::all(1);
    let form = ReverseForm::PerActionRatio;
    let config = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(Symmetry { form, ..Symmetry::default() });
    assert!(config.needs_distribution());
    let sppo = SymmetricPpoLossConfig::new().with_form(form).init().unwrap();
    let sa2c = SymmetricA2cLossConfig::new().with_form(form).init().unwrap();
    for error in [sppo.forward(samples(), &reduction), sa2c.forward(samples(), &reduction)] {
        let error = error.unwrap_err();
        assert!(matches!(error, LossError::DistributionRequired { form: ReverseForm::PerActionRatio, .. }));
        assert!(error.to_string().contains("per_action_ratio"), "{error}");
    }
    let all = || Tensor::<2>::from_data([[-0.5, -0.9]], &device());
    let mut without_old = samples().with_distribution(all(), all(), Tensor::from_data([0], &device()));
    without_old.old_full_log_prob = None;
    assert!(sppo.forward(without_old.clone(), &reduction).is_err());
    assert!(sa2c.forward(without_old, &reduction).is_ok());
}

#[test]
fn lengths_that_differ_are_refused() {
    let reduction = Reduction::all(2);
    for config in all_losses() {
        let loss = config.init().unwrap();
        let samples = PolicySamples::new(vector(&[-0.5, -0.5]), vector(&[-0.5]), vector(&[1.0, 1.0]));
        let error = loss.forward(samples, &reduction).unwrap_err();
        assert_eq!(error, LossError::Length { name: "old_log_prob", expected: 2, found: 1 });
        let mask = Tensor::<1, Bool>::from_data([true, true, false], &device());
        let samples = PolicySamples::new(vector(&[-0.5, -0.5]), vector(&[-0.5, -0.5]), vector(&[1.0, 1.0]));
        let error = loss.forward(samples, &Reduction::masked(mask, 2)).unwrap_err();
        assert_eq!(error, LossError::Length { name: "the mask", expected: 2, found: 3 });
    }
    let error = ValueLoss::Mse.forward(vector(&[1.0]), vector(&[1.0]), vector(&[1.0, 2.0]), &reduction).unwrap_err();
    assert_eq!(error, LossError::Length { name: "returns", expected: 1, found: 2 });
}

#[test]
fn coefficients_out_of_range_are_refused() {
    let name = |error: LossError| match error {
        LossError::Coefficient { name, .. } => name,
        other => panic!("{other}"),
    };
    let ppo = SymmetricPpoLossConfig::new;
    assert_eq!(name(ppo().with_z(1.0).init().unwrap_err()), "z");
    assert_eq!(name(ppo().with_beta(-0.1).init().unwrap_err()), "beta");
    assert_eq!(name(ppo().with_alpha(f64::NAN).init().unwrap_err()), "alpha");
    assert_eq!(name(ppo().with_clip_range(-0.2).init().unwrap_err()), "clip_range");
    assert_eq!(name(SymmetricA2cLossConfig::new().with_beta(f64::INFINITY).init().unwrap_err()), "beta");
    assert_eq!(name(ClippedSurrogateLossConfig::new().with_clip_range(-1.0).init().unwrap_err()), "clip_range");
    assert_eq!(name(A2cLossConfig::new().with_coefficient(-1.0).init().unwrap_err()), "coefficient");
    // The end of a clip range that falls to 0.
    assert!(ppo().with_clip_range(0.0).init().is_ok());
}

#[test]
fn the_k3_estimate_does_not_cancel() {
    let of = |x: f32| f64::from(list(approximate_kl::k3(vector(&[x]), &Reduction::all(1)))[0]);
    for x in [1e-5f32, -1e-4, 1e-3, -0.02, 0.0999, -0.0999, 0.1001, 0.7, -3.0] {
        let exact = f64::from(x).exp_m1() - f64::from(x);
        assert!((of(x) - exact).abs() <= 2e-5 * exact, "{x}: {} where {exact} was expected", of(x));
    }
    assert!(of(200.0).is_finite() && of(-200.0) > 198.0);
}

#[test]
fn a_negative_range_switches_value_clipping_off() {
    let of = |loss: ValueLoss| {
        list(loss.forward(vector(&[1.0]), vector(&[0.0]), vector(&[3.0]), &Reduction::all(1)).unwrap())[0]
    };
    assert_eq!(of(ValueLoss::ClippedOnly { range: -1.0 }), of(ValueLoss::Mse));
    assert_eq!(of(ValueLoss::Max { range: Some(-1.0) }), of(ValueLoss::Max { range: None }));
    assert_eq!(of(ValueLoss::Max { range: None }), 2.0);
    assert_eq!(of(ValueLoss::ClippedOnly { range: 0.5 }), 6.25);
    assert_eq!(ValueLoss::Max { range: Some(-1.0) }.range(), None);
}

#[test]
fn names_are_those_of_configurations() {
    for algorithm in Algorithm::ALL {
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.to_string());
    }
    for form in [ReverseForm::Rce, ReverseForm::Mae, ReverseForm::PerActionRatio, ReverseForm::Unnormalised] {
        assert_eq!(serde_json::to_value(form).unwrap(), form.to_string());
    }
    assert!(serde_json::from_str::<Symmetry>(r#"{"alhpa": 1.0}"#).is_err());
}
