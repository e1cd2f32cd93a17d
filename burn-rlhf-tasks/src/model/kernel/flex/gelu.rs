//! GELU (<https://arxiv.org/abs/1606.08415>) in one pass, forward and backward.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::elementary::{exp, normal_cdf, sigmoid};
use super::operation::{Operation, contiguous};
use super::vectorise::vectorise;

/// Elements that one thread works on at a time.
const BLOCK: usize = 1 << 14;

/// Which form of GELU.
#[derive(Clone, Copy, Debug)]
pub enum Gelu {
    /// With the normal distribution function.
    Exact,
    /// The tanh form, `gelu_new` of GPT-2.
    Tanh,
}

impl Operation<1> for Gelu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let output = self.infer([x.clone()]);
        (output, x)
    }

    fn infer(&self, [x]: [FlexTensor; 1]) -> FlexTensor {
        let mut output = contiguous(x);
        let values = output.storage_mut::<f32>();
        values.par_chunks_mut(BLOCK).for_each(|block| match self {
            Self::Exact => apply_exact(block),
            Self::Tanh => apply_tanh_form(block),
        });
        output
    }

    fn backward(self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let x = contiguous(x);
        let mut output = contiguous(gradient);
        let blocks = output.storage_mut::<f32>().par_chunks_mut(BLOCK).zip(x.storage::<f32>().par_chunks(BLOCK));
        blocks.for_each(|(gradient, x)| match self {
            Self::Exact => scale_exact(gradient, x),
            Self::Tanh => scale_tanh_form(gradient, x),
        });
        [Some(output)]
    }
}

/// `2 √(2/π)`: `(1 + tanh u) / 2` is the sigmoid of `2u`.
const SCALE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;

#[inline(always)]
fn tanh_form(x: f32) -> f32 {
    x * sigmoid(SCALE * x * (CUBIC * x).mul_add(x, 1.0))
}

#[inline(always)]
fn tanh_form_slope(x: f32) -> f32 {
    let square = x * x;
    let gate = sigmoid(SCALE * x * CUBIC.mul_add(square, 1.0));
    let inner = SCALE * (3.0 * CUBIC).mul_add(square, 1.0);
    (x * inner * gate).mul_add(1.0 - gate, gate)
}

#[inline(always)]
fn exact(x: f32) -> f32 {
    x * normal_cdf(x)
}

#[inline(always)]
fn exact_slope(x: f32) -> f32 {
    let density = 0.398_942_3 * exp(-0.5 * x * x);
    x.mul_add(density, normal_cdf(x))
}

vectorise! {
    fn apply_exact(values: &mut [f32]) {
        for x in values {
            *x = exact(*x);
        }
    }

    fn apply_tanh_form(values: &mut [f32]) {
        for x in values {
            *x = tanh_form(*x);
        }
    }

    fn scale_exact(gradients: &mut [f32], x: &[f32]) {
        for (gradient, &x) in gradients.iter_mut().zip(x) {
            *gradient *= exact_slope(x);
        }
    }

    fn scale_tanh_form(gradients: &mut [f32], x: &[f32]) {
        for (gradient, &x) in gradients.iter_mut().zip(x) {
            *gradient *= tanh_form_slope(x);
        }
    }
}
