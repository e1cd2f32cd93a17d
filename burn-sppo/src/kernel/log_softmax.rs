//! Log-probabilities of a few choices as one operation.

use burn::backend::flex::FlexTensor;

use super::elementary::exp;
use super::operation::{Operation, contiguous, tensor};
use super::vectorise::vectorise;

/// Log-softmax of each row; the input is `[N, K]`.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax;

impl Operation<1> for LogSoftmax {
    type Saved = FlexTensor;

    fn forward(&self, [logits]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let logits = contiguous(logits);
        let shape: [usize; 2] = logits.layout().shape().dims();
        let mut output = logits.storage::<f32>().to_vec();
        normalize(&mut output, shape[1].max(1));
        let output = tensor(output, shape);
        (output.clone(), output)
    }

    fn backward(self, output: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let shape: [usize; 2] = output.layout().shape().dims();
        let mut gradient = contiguous(gradient).storage::<f32>().to_vec();
        differentiate(&mut gradient, output.storage(), shape[1].max(1));
        [Some(tensor(gradient, shape))]
    }
}

vectorise! {
    fn normalize(rows: &mut [f32], choices: usize) {
        for row in rows.chunks_exact_mut(choices) {
            let highest = row.iter().fold(f32::NEG_INFINITY, |highest, &logit| highest.max(logit));
            let sum: f32 = row.iter().map(|&logit| exp(logit - highest)).sum();
            let level = sum.ln();
            // In this order large logits do not swallow the difference.
            row.iter_mut().for_each(|logit| *logit = *logit - highest - level);
        }
    }

    fn differentiate(gradient: &mut [f32], log_probs: &[f32], choices: usize) {
        for (gradient, log_probs) in gradient.chunks_exact_mut(choices).zip(log_probs.chunks_exact(choices)) {
            let sum: f32 = gradient.iter().sum();
            gradient.iter_mut().zip(log_probs).for_each(|(gradient, &log_prob)| *gradient -= exp(log_prob) * sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, activation::log_softmax};

    use super::LogSoftmax;
    use crate::kernel::operation::run;

    #[test]
    fn rows_are_burns_own_with_gradients() {
        let device = Device::flex().autodiff();
        let logits = [[0.3, -2.0, 5.0], [100.0, 99.0, -100.0], [f32::NEG_INFINITY, 0.5, 1.5]];
        let factors = Tensor::<2>::from_data([[1.0, 2.0, -3.0], [0.5, -1.0, 0.25], [0.0, 1.0, 4.0]], &Device::flex());
        let of = |fused: bool| {
            let logits = Tensor::<2>::from_data(logits, &device).require_grad();
            let output: Tensor<2> = match fused {
                true => run(LogSoftmax, [logits.clone().into_dispatch()]),
                false => log_softmax(logits.clone(), 1),
            };
            // An impossible action has no part in a loss.
            let finite = output.clone().slice([0..3, 1..3]) * factors.clone().slice([0..3, 1..3]);
            let gradients = finite.sum().backward();
            let gradient = logits.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
            (output.into_data().try_into_vec::<f32>().unwrap(), gradient)
        };
        let ((found, gradient), (expected, expected_gradient)) = (of(true), of(false));
        for (found, expected) in found.iter().chain(&gradient).zip(expected.iter().chain(&expected_gradient)) {
            assert!(
                found == expected || (found - expected).abs() < 2e-6 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
        assert_eq!(found[6], f32::NEG_INFINITY);
        let broken = Tensor::<2>::from_data([[f32::NAN, 0.0]], &Device::flex());
        let broken: Tensor<2> = run(LogSoftmax, [broken.into_dispatch()]);
        assert!(broken.into_data().iter::<f32>().all(f32::is_nan));
    }
}
