//! Two small batches, one of control and one of tokens, worked by hand.

use burn::tensor::{Bool, Device, Int, Tensor, activation::log_softmax};

use super::{
    Algorithm, PolicyLossConfig, PolicyLossOutput, PolicySamples, Reduction, ReverseForm, Symmetry, ValueLoss,
    approximate_kl, clip_fraction, entropy_loss,
};
use crate::advantage::normalize;

fn device() -> Device {
    Device::flex().autodiff()
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[track_caller]
fn assert_close<const D: usize>(got: Tensor<D>, want: &[f64]) {
    let got = list(got);
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((f64::from(*got) - want).abs() < 1e-6 + 1e-6 * want.abs(), "{got} where {want} was expected");
    }
}

/// Log-probabilities of the actions taken, `[N]`, with the logits they come from.
fn taken<const N: usize, const K: usize>(logits: [[f32; K]; N], actions: [[i32; 1]; N]) -> (Tensor<2>, Tensor<1>) {
    let logits = Tensor::<2>::from_data(logits, &device()).require_grad();
    let actions = Tensor::<2, Int>::from_data(actions, &device());
    let log_prob = log_softmax(logits.clone(), 1).gather(1, actions).reshape([N]);
    (logits, log_prob)
}

fn control(config: PolicyLossConfig) -> (PolicyLossOutput, Tensor<2>) {
    let (logits, log_prob) =
        taken([[0.2, -0.4, 1.0], [0.0, 0.5, -0.5], [1.5, 0.3, -0.2], [-0.7, 0.1, 0.4]], [[2], [0], [1], [1]]);
    let old_log_prob = Tensor::from_data([-0.60, -0.70, -1.90, -1.30], &device());
    let advantage = Tensor::from_data([0.8, -1.2, 0.5, -0.1], &device());
    let samples = PolicySamples::new(log_prob, old_log_prob, advantage);
    let output = config.init().unwrap().forward(samples, &Reduction::all(4)).unwrap();
    let gradient = logits.grad(&output.loss.backward()).unwrap();
    (output, gradient)
}

fn config(algorithm: Algorithm, alpha: f64, beta: f64, form: ReverseForm) -> PolicyLossConfig {
    PolicyLossConfig::new(algorithm).with_symmetry(Symmetry { alpha, beta, z: -1.0, form })
}

const NO_GRADIENT: [f64; 3] = [0.0; 3];
const PPO_FIRST_ROW: [f64; 3] = [0.05693212, 0.03124501, -0.08817713];
const PPO_LAST_ROW: [f64; 3] = [-0.00526045, 0.02106373, -0.01580328];

fn ppo_gradient(times: f64) -> Vec<f64> {
    let rows = [PPO_FIRST_ROW, NO_GRADIENT, NO_GRADIENT, PPO_LAST_ROW];
    rows.concat().into_iter().map(|entry| entry * times).collect()
}

#[test]
fn a2c() {
    let (output, gradient) = control(PolicyLossConfig::new(Algorithm::A2c));
    assert_close(output.loss, &[-0.07483602]);
    assert_close(
        gradient.narrow(0, 0, 2),
        &[0.05298922, 0.02908110, -0.08207032, 0.20784123, -0.15194412, -0.05589712],
    );
    assert_eq!(list(output.ratio), [1.0; 4]);
}

#[test]
fn symmetric_a2c() {
    let first = [0.03124501, 0.01714762, -0.04839263];
    let last = [-0.00143364, 0.00574054, -0.00430690];
    for (form, times, value) in [(ReverseForm::Rce, 1.0, -0.04221197), (ReverseForm::Mae, 2.0, -0.08442395)] {
        let (output, gradient) = control(config(Algorithm::Sa2c, 0.0, 1.0, form));
        assert_close(output.reverse.unwrap(), &[value]);
        assert_close(gradient.clone().narrow(0, 0, 1), &first.map(|entry| entry * times));
        assert_close(gradient.narrow(0, 3, 1), &last.map(|entry| entry * times));
    }
}

#[test]
fn ppo() {
    let (output, gradient) = control(PolicyLossConfig::new(Algorithm::Ppo));
    assert_close(output.loss, &[-0.09211080]);
    assert_close(gradient, &ppo_gradient(1.0));
    assert_close(output.ratio.clone(), &[1.07440942, 0.61861655, 1.35708803, 1.31084335]);
    let flags: Vec<bool> = output.flag.into_data().iter::<bool>().collect();
    assert_eq!(flags, [true, false, false, true]);
    let reduction = Reduction::all(4);
    assert_close(approximate_kl::k3(output.log_ratio.clone(), &reduction), &[0.04836098]);
    let squares: f32 = list(output.log_ratio.clone()).iter().map(|x| x * x / 8.0).sum();
    assert_close(approximate_kl::k2(output.log_ratio, &reduction), &[f64::from(squares)]);
    assert_close(clip_fraction(output.ratio, 0.2, &reduction), &[0.75]);
}

#[test]
fn symmetric_ppo_has_the_gradient_of_ppo_times_its_effective_coefficient() {
    for (alpha, beta, form, reverse) in [
        (0.0, 1.0, ReverseForm::Rce, 0.09058054),
        (0.0, 1.0, ReverseForm::Mae, -0.09153026),
        (0.5, 20.0, ReverseForm::Rce, 0.09058054),
    ] {
        let config = config(Algorithm::Sppo, alpha, beta, form);
        let (output, gradient) = control(config.clone());
        assert_close(output.reverse.unwrap(), &[reverse]);
        assert_close(output.loss, &[alpha * -0.09211080 + beta * reverse]);
        let times = config.effective_policy_coefficient().unwrap();
        assert_close(gradient, &ppo_gradient(times));
    }
}

#[test]
fn tokens() {
    let (logits, log_prob) = taken(
        [
            [0.5, -0.2, 0.1, 0.0],
            [0.3, 0.3, -0.6, 0.2],
            [1.0, 0.0, 0.0, -1.0],
            [-0.1, 0.4, 0.2, 0.3],
            [0.0, 0.0, 0.7, -0.4],
            [0.2, 0.1, 0.0, -0.1],
        ],
        [[0], [1], [2], [3], [2], [1]],
    );
    let entropy = {
        let all = log_softmax(logits.clone(), 1);
        (all.clone().exp() * all).sum_dim(1).neg().reshape([6])
    };
    let mask = [true, true, true, true, true, false];
    let reduction = Reduction::masked(Tensor::<1, Bool>::from_data(mask, &device()), 5);
    let old_log_prob = || Tensor::from_data([-1.1, -1.4, -1.9, -1.6, -0.7, -1.2], &device());
    let advantages = [0.72682215, 0.6803, 0.6, 0.38015, 0.3, 0.0];
    for (mask, policy, reverse, total) in
        [(None, -0.39392199, 0.08810321, -0.08434319), (Some(&mask[..]), -0.03651379, -0.50678621, -0.14359486)]
    {
        let mut advantages = advantages;
        normalize(&mut advantages, mask).unwrap();
        let symmetry = Symmetry { alpha: 0.5, beta: 0.4, z: -1.0, form: ReverseForm::Rce };
        let loss = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry).init().unwrap();
        let samples = PolicySamples::new(log_prob.clone(), old_log_prob(), Tensor::from_data(advantages, &device()));
        let output = loss.forward(samples, &reduction).unwrap();
        assert_close(output.policy, &[policy]);
        assert_close(output.reverse.unwrap(), &[reverse]);
        assert_close(output.ratio, &[1.08319284, 1.22461536, 1.31452663, 1.34581263, 0.86574231, 1.0]);
        let flags: Vec<bool> = output.flag.into_data().iter::<bool>().collect();
        assert_eq!(flags, [true, false, false, true, true, false]);
        let everything = Reduction::all(6);
        assert_close(approximate_kl::k3(output.log_ratio, &everything), &[0.02084055]);
        // Padding is the sixth entry; the divisor is the number of tokens that count.
        assert_close(output.loss + 0.5 * 0.15475303, &[total]);
    }
    assert_close(entropy_loss(Some(entropy), log_prob.clone(), &reduction), &[-1.30438680]);
    let fallback = reduction.mean(log_prob.clone());
    assert_eq!(list(entropy_loss(None, log_prob, &reduction)), list(fallback));

    let value = Tensor::<1>::from_data([0.25, 0.1, 0.9, 0.1, 0.45, 0.0], &device()).require_grad();
    let old_value = Tensor::from_data([0.2, 0.3, 0.4, 0.1, 0.2, 0.9], &device());
    let returns = Tensor::from_data([0.92682215, 0.9803, 1.0, 0.48015, 0.5, 0.0], &device());
    let loss = ValueLoss::Max { range: Some(0.2) }.forward(value.clone(), old_value, returns, &reduction).unwrap();
    assert_close(loss.clone(), &[0.15475303]);
    let gradient = value.grad(&loss.backward()).unwrap();
    assert_close(gradient, &[-0.13536443, -0.17606, 0.0, -0.07603, 0.0, 0.0]);
}

#[test]
fn the_flag_and_the_gradient_agree_in_every_case() {
    // Ratios below, on, inside, on and above the interval [0.8, 1.2], rows of advantage -1, 0 and 1.
    let truth = [
        (-1.0f32, [false, true, true, true, true]),
        (0.0, [true, true, true, true, true]),
        (1.0, [true, true, true, true, false]),
    ];
    for (advantage, flags) in truth {
        let ratios = [0.7f64, 0.8 + 1e-7, 1.0, 1.2 - 1e-7, 1.3];
        let log_prob = Tensor::<1>::from_data(ratios.map(f64::ln), &device()).require_grad();
        let samples = PolicySamples::new(
            log_prob.clone(),
            Tensor::zeros([5], &device()),
            Tensor::full([5], advantage, &device()),
        );
        let loss = PolicyLossConfig::new(Algorithm::Ppo).init().unwrap();
        let output = loss.forward(samples, &Reduction::all(5)).unwrap();
        let got: Vec<bool> = output.flag.into_data().iter::<bool>().collect();
        assert_eq!(got, flags, "advantage {advantage}");
        let gradient = list(log_prob.grad(&output.loss.backward()).unwrap());
        for ((gradient, flag), ratio) in gradient.into_iter().zip(flags).zip(ratios) {
            assert_eq!(gradient != 0.0, flag && advantage != 0.0, "advantage {advantage}, ratio {ratio}");
        }
    }
}
