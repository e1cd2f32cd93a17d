//! Layer normalisation in one pass over the rows, forward and backward.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::elementary::{sum, sum_pairs};
use super::operation::{Operation, contiguous, tensor};
use super::vectorise::vectorise;

/// Rows whose parameter gradients are summed together; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 64;

/// Normalises rows; the inputs are x `[N, D]`, gamma and beta `[D]`.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    pub epsilon: f32,
}

/// The inputs, with the mean and the reciprocal deviation of each row.
#[derive(Clone, Debug)]
pub struct Saved {
    x: FlexTensor,
    gamma: FlexTensor,
    moments: Arc<Vec<[f32; 2]>>,
}

impl LayerNorm {
    fn normalise(&self, x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor) -> (FlexTensor, Vec<[f32; 2]>) {
        let [rows, width] = sizes(x);
        let (x, gamma, beta) = (x.storage::<f32>(), gamma.storage::<f32>(), beta.storage::<f32>());
        let mut output = vec![0.0; rows * width];
        let mut moments = vec![[0.0; 2]; rows];
        let size = BLOCK * width.max(1);
        let blocks = output.par_chunks_mut(size).zip(x.par_chunks(size)).zip(moments.par_chunks_mut(BLOCK));
        blocks.for_each(|((output, x), moments)| normalise(output, x, [gamma, beta], self.epsilon, moments));
        (tensor(output, [rows, width]), moments)
    }
}

impl Operation<3> for LayerNorm {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [x, gamma, beta] = inputs.map(contiguous);
        let (output, moments) = self.normalise(&x, &gamma, &beta);
        (output, Saved { x, gamma, moments: Arc::new(moments) })
    }

    fn backward(self, saved: Saved, gradient: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let [rows, width] = sizes(&saved.x);
        let mut gradient = contiguous(gradient);
        let (x, gamma) = (saved.x.storage::<f32>(), saved.gamma.storage::<f32>());
        let size = BLOCK * width.max(1);
        let mut parameters = vec![0.0f32; rows.div_ceil(BLOCK) * 2 * width];
        let blocks = gradient.storage_mut::<f32>().par_chunks_mut(size).zip(x.par_chunks(size));
        let blocks = blocks.zip(saved.moments.par_chunks(BLOCK)).zip(parameters.par_chunks_mut(2 * width.max(1)));
        blocks.for_each(|(((gradient, x), moments), parameters)| {
            let (gamma_sums, beta_sums) = parameters.split_at_mut(width);
            differentiate(gradient, x, gamma, moments, [gamma_sums, beta_sums]);
        });
        let mut sums = vec![0.0f32; 2 * width];
        for block in parameters.chunks_exact(2 * width.max(1)) {
            sums.iter_mut().zip(block).for_each(|(sum, &value)| *sum += value);
        }
        let beta = sums.split_off(width);
        [Some(gradient), Some(tensor(sums, [width])), Some(tensor(beta, [width]))]
    }
}

fn sizes(x: &FlexTensor) -> [usize; 2] {
    x.layout().shape().dims()
}

vectorise! {
    /// Normalises rows, and says their moments.
    fn normalise(output: &mut [f32], x: &[f32], parameters: [&[f32]; 2], epsilon: f32, moments: &mut [[f32; 2]]) {
        let [gamma, beta] = parameters;
        let width = gamma.len();
        let rows = output.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(moments);
        for ((output, x), moment) in rows {
            let mean = sum(x, |x| x) / width as f32;
            let variance = sum(x, |x| (x - mean) * (x - mean)) / width as f32;
            let scale = 1.0 / (variance + epsilon).sqrt();
            for (((output, &x), &gamma), &beta) in output.iter_mut().zip(x).zip(gamma).zip(beta) {
                *output = ((x - mean) * scale).mul_add(gamma, beta);
            }
            *moment = [mean, scale];
        }
    }

    /// Turns gradients of outputs into those of inputs, and adds up those of gamma and beta.
    fn differentiate(
        gradients: &mut [f32],
        x: &[f32],
        gamma: &[f32],
        moments: &[[f32; 2]],
        sums: [&mut [f32]; 2],
    ) {
        let [gamma_sums, beta_sums] = sums;
        let width = gamma.len();
        let rows = gradients.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(moments);
        for ((gradient, x), &[mean, scale]) in rows {
            let sums = gamma_sums.iter_mut().zip(beta_sums.iter_mut());
            for (((gamma_sum, beta_sum), gradient), (&x, &gamma)) in sums.zip(gradient.iter_mut()).zip(x.iter().zip(gamma)) {
                *gamma_sum = gradient.mul_add((x - mean) * scale, *gamma_sum);
                *beta_sum += *gradient;
                *gradient *= gamma;
            }
            let average = sum(gradient, |gradient| gradient) / width as f32;
            let tilt = sum_pairs(gradient, x, |gradient, x| gradient * ((x - mean) * scale)) / width as f32;
            for (gradient, &x) in gradient.iter_mut().zip(x) {
                *gradient = scale * (*gradient - average - (x - mean) * scale * tilt);
            }
        }
    }
}
