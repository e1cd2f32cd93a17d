//! What the symmetric losses are equal to, on random batches.

use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::log_softmax};
use rand::RngExt;

use super::{Algorithm, PolicyLossConfig, PolicySamples, Reduction, ReverseForm, Symmetry};
use crate::run::{Purpose, Stream, Streams};

struct Batch {
    logits: Vec<f64>,
    old_logits: Vec<f64>,
    actions: Vec<i64>,
    advantages: Vec<f64>,
    choices: usize,
}

impl Batch {
    fn random(stream: &mut Stream) -> Self {
        let (rows, choices) = (stream.random_range(1..40), stream.random_range(2..9));
        let mut numbers = |count, scale: f64| -> Vec<f64> {
            (0..count).map(|_| scale * (2.0 * stream.random::<f64>() - 1.0)).collect()
        };
        let old_logits = numbers(rows * choices, 3.0);
        let logits = numbers(rows * choices, 0.5).iter().zip(&old_logits).map(|(step, old)| old + step).collect();
        let advantages = numbers(rows, 2.0);
        let actions = (0..rows).map(|_| stream.random_range(0..choices as i64)).collect();
        Self { logits, old_logits, actions, advantages, choices }
    }

    fn rows(&self) -> usize {
        self.actions.len()
    }

    /// Gradient of a policy loss with respect to the logits, row by row.
    fn gradient(&self, config: &PolicyLossConfig, dtype: DType) -> Vec<f64> {
        let device = Device::flex().autodiff();
        let table = |values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [self.rows(), self.choices]);
            Tensor::<2>::from_data(data, (&device, dtype))
        };
        let actions = Tensor::<1, Int>::from_data(self.actions.as_slice(), &device);
        let taken = |all: Tensor<2>| all.gather(1, actions.clone().unsqueeze_dim(1)).reshape([self.rows()]);
        let logits = table(&self.logits).require_grad();
        let (all, old) = (log_softmax(logits.clone(), 1), log_softmax(table(&self.old_logits), 1));
        let advantages = TensorData::new(self.advantages.clone(), [self.rows()]);
        let advantages = Tensor::from_data(advantages, (&device, dtype));
        let samples = PolicySamples::new(taken(all.clone()), taken(old.clone()), advantages).with_distribution(
            all,
            old,
            actions.clone(),
        );
        let output = config.init().unwrap().forward(samples, &Reduction::all(self.rows())).unwrap();
        logits.grad(&output.loss.backward()).unwrap().into_data().iter::<f64>().collect()
    }

    /// `softmax` of the rows, in f64.
    fn probabilities(&self, logits: &[f64]) -> Vec<f64> {
        logits
            .chunks(self.choices)
            .flat_map(|row| {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                row.iter().map(move |x| x.exp() / sum)
            })
            .collect()
    }
}

fn assert_close(got: &[f64], want: &[f64], relative: f64, what: &str) {
    let largest = want.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= relative * largest, "{what}: {got} where {want} was expected");
    }
}

/// Random batches with random coefficients, in both precisions.
fn for_random_batches(check: impl Fn(&Batch, Symmetry, DType, f64)) {
    for lane in 0..60 {
        let mut stream = Streams::new(11).stream(Purpose::Data, 0, lane);
        let batch = Batch::random(&mut stream);
        let symmetry = Symmetry {
            alpha: stream.random_range(0.0..2.0),
            beta: stream.random_range(0.1..20.0),
            z: stream.random_range(-6.0..-0.1),
            form: ReverseForm::Rce,
        };
        for (dtype, tolerance) in [(DType::F64, 1e-6), (DType::F32, 1e-4)] {
            check(&batch, symmetry, dtype, tolerance);
        }
    }
}

#[test]
fn the_gradient_of_symmetric_ppo_is_that_of_ppo_times_alpha_minus_beta_z() {
    for_random_batches(|batch, symmetry, dtype, tolerance| {
        let ppo = batch.gradient(&PolicyLossConfig::new(Algorithm::Ppo), dtype);
        for (form, coefficient) in [
            (ReverseForm::Rce, symmetry.alpha - symmetry.beta * symmetry.z),
            (ReverseForm::Mae, symmetry.alpha + 2.0 * symmetry.beta),
        ] {
            let symmetry = Symmetry { form, ..symmetry };
            let config = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry);
            assert!((config.effective_policy_coefficient().unwrap() - coefficient).abs() < 1e-12);
            let want: Vec<f64> = ppo.iter().map(|x| x * coefficient).collect();
            assert_close(&batch.gradient(&config, dtype), &want, tolerance, "sppo");
        }
    });
}

#[test]
fn the_gradient_of_symmetric_a2c_weighs_each_sample_by_its_probability() {
    for_random_batches(|batch, symmetry, dtype, tolerance| {
        let a2c = batch.gradient(&PolicyLossConfig::new(Algorithm::A2c), dtype);
        let probabilities = batch.probabilities(&batch.logits);
        for form in [ReverseForm::Rce, ReverseForm::Mae, ReverseForm::Unnormalised] {
            let symmetry = Symmetry { form, ..symmetry };
            let want: Vec<f64> = a2c
                .iter()
                .enumerate()
                .map(|(entry, x)| {
                    let row = entry / batch.choices;
                    let p = probabilities[row * batch.choices + batch.actions[row] as usize];
                    let reverse = if form == ReverseForm::Mae { 2.0 } else { -symmetry.z };
                    let weight = symmetry.alpha + symmetry.beta * reverse * p;
                    assert!((symmetry.effective_sample_weight(p).unwrap() - weight).abs() < 1e-12);
                    x * weight
                })
                .collect();
            let config = PolicyLossConfig::new(Algorithm::Sa2c).with_symmetry(symmetry);
            assert_close(&batch.gradient(&config, dtype), &want, tolerance, "sa2c");
        }
    });
}

/// The gradient of a reverse form worked out by hand: `weight * sum_b c_b d pi_b` with `c_b` given by the form.
fn reverse_gradient(batch: &Batch, symmetry: Symmetry, flags: bool) -> Vec<f64> {
    let (new, old) = (batch.probabilities(&batch.logits), batch.probabilities(&batch.old_logits));
    let mut gradient = vec![];
    for row in 0..batch.rows() {
        let (action, advantage) = (batch.actions[row] as usize, batch.advantages[row]);
        let pi = &new[row * batch.choices..][..batch.choices];
        let pi_old = &old[row * batch.choices..][..batch.choices];
        let ratio = pi[action] / pi_old[action];
        let flag = !flags || (0.8..=1.2).contains(&ratio) || advantage * ratio <= advantage * ratio.clamp(0.8, 1.2);
        let weight = if flag { -advantage * symmetry.z * symmetry.beta / batch.rows() as f64 } else { 0.0 };
        let divisor = |b: usize| match symmetry.form {
            ReverseForm::PerActionRatio if flags => pi_old[b],
            ReverseForm::PerActionRatio => pi[b],
            _ => 1.0,
        };
        for j in 0..batch.choices {
            let others = (0..batch.choices).filter(|b| *b != action);
            let sum: f64 = others.map(|b| pi[b] / divisor(b) * (f64::from(u8::from(b == j)) - pi[j])).sum();
            gradient.push(weight * sum);
        }
    }
    gradient
}

#[test]
fn the_forms_with_a_direction_of_their_own_have_the_gradient_of_their_formula() {
    for_random_batches(|batch, symmetry, dtype, tolerance| {
        for form in [ReverseForm::PerActionRatio, ReverseForm::Unnormalised] {
            let symmetry = Symmetry { alpha: 0.0, form, ..symmetry };
            let config = PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(symmetry);
            assert_eq!(config.effective_policy_coefficient(), None);
            let want = reverse_gradient(batch, symmetry, true);
            assert_close(&batch.gradient(&config, dtype), &want, tolerance, "sppo");
        }
        let symmetry = Symmetry { alpha: 0.0, form: ReverseForm::PerActionRatio, ..symmetry };
        let config = PolicyLossConfig::new(Algorithm::Sa2c).with_symmetry(symmetry);
        let want = reverse_gradient(batch, symmetry, false);
        assert_close(&batch.gradient(&config, dtype), &want, tolerance, "sa2c");
    });
}
