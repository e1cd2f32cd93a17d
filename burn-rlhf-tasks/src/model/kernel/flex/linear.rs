//! A linear layer as one operation.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::matrix::{MatrixMut, MatrixRef, Output, Threads, product};
use super::operation::{Operation, contiguous, tensor};

/// Rows whose bias gradients are summed together; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 64;

/// `x · weight + bias`; the inputs are x `[N, in]`, weight `[in, out]`, bias `[out]`.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

/// `x · weight`.
#[derive(Clone, Copy, Debug)]
pub struct LinearWithoutBias;

/// x and the weight.
pub type Saved = [FlexTensor; 2];

impl Operation<3> for Linear {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        let [x, weight, bias] = inputs.map(contiguous);
        let output = multiply(&x, &weight, Some(bias.storage()));
        (output, [x, weight])
    }

    fn backward(self, saved: Saved, gradient: FlexTensor, needed: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let gradient = contiguous(gradient);
        let [x, weight, bias] = needed;
        let [x, weight] = gradients(saved, &gradient, [x, weight]);
        [x, weight, bias.then(|| column_sums(&gradient))]
    }
}

impl Operation<2> for LinearWithoutBias {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        let [x, weight] = inputs.map(contiguous);
        let output = multiply(&x, &weight, None);
        (output, [x, weight])
    }

    fn backward(self, saved: Saved, gradient: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        gradients(saved, &contiguous(gradient), needed)
    }
}

fn matrix(tensor: &FlexTensor) -> MatrixRef<'_> {
    let [rows, columns] = tensor.layout().shape().dims();
    MatrixRef::new(tensor.storage(), rows, columns)
}

fn multiply(x: &FlexTensor, weight: &FlexTensor, bias: Option<&[f32]>) -> FlexTensor {
    let (x, weight) = (matrix(x), matrix(weight));
    let (rows, columns) = (x.rows, weight.columns);
    let mut output = Vec::new();
    let keep = match bias {
        Some(bias) => {
            output.reserve_exact(rows * columns);
            (0..rows).for_each(|_| output.extend_from_slice(bias));
            Output::Add
        }
        None => {
            output.resize(rows * columns, 0.0);
            Output::Replace
        }
    };
    product(MatrixMut::new(&mut output, rows, columns), x, weight, 1.0, keep, Threads::All);
    tensor(output, [rows, columns])
}

fn gradients([x, weight]: Saved, gradient: &FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
    let (x, weight, gradient) = (matrix(&x), matrix(&weight), matrix(gradient));
    let of = |left: MatrixRef, right: MatrixRef| {
        let mut output = vec![0.0; left.rows * right.columns];
        let view = MatrixMut::new(&mut output, left.rows, right.columns);
        product(view, left, right, 1.0, Output::Replace, Threads::All);
        tensor(output, [left.rows, right.columns])
    };
    [needed[0].then(|| of(gradient, weight.transposed())), needed[1].then(|| of(x.transposed(), gradient))]
}

/// The sum of the rows.
pub fn column_sums(x: &FlexTensor) -> FlexTensor {
    let [_, width] = x.layout().shape().dims();
    let blocks: Vec<Vec<f32>> = x
        .storage::<f32>()
        .par_chunks((BLOCK * width).max(1))
        .map(|block| {
            let mut sums = vec![0.0f32; width];
            for row in block.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += value);
            }
            sums
        })
        .collect();
    let mut sums = vec![0.0f32; width];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += value);
    }
    tensor(sums, [width])
}
