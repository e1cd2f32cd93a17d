//! Linear layers as one operation.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::gemm::{Right, multiplied};
use super::matrix::MatrixRef;
use super::operation::{Operation, contiguous, tensor};
use super::packs::Packs;
use super::tile::Format;
use super::vectorise::vectorise;

/// Rows whose bias gradients are summed together; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 64;

/// `x · weight + bias`; the inputs are x `[N, in]`, weight `[in, out]`, bias `[out]`.
#[derive(Clone, Debug)]
pub struct Linear {
    pub format: Format,
    pub packs: Packs,
}

/// `x · weight`; the inputs are x `[N, in]`, weight `[in, out]`.
#[derive(Clone, Debug)]
pub struct LinearWithoutBias {
    pub format: Format,
    pub packs: Packs,
}

/// `hidden · vocabularyᵀ`; the inputs are hidden `[N, H]`, vocabulary `[V, H]`.
#[derive(Clone, Debug)]
pub struct Logits {
    pub format: Format,
    pub packs: Packs,
}

/// The two factors.
pub type Saved = [FlexTensor; 2];

impl Operation<3> for Linear {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        self.packs.clear();
        let [x, weight, bias] = inputs.map(contiguous);
        let output = affine(&x, Right::Matrix(matrix(&weight), self.format), Some(bias.storage()));
        (output, [x, weight])
    }

    fn infer(&self, inputs: [FlexTensor; 3]) -> FlexTensor {
        let [x, weight, bias] = inputs.map(contiguous);
        let affine = |right: Right| affine(&x, right, Some(bias.storage()));
        self.packs.right(&weight, false, self.format, matrix(&x).rows, affine)
    }

    fn backward(self, [x, weight]: Saved, gradient: FlexTensor, needed: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let gradient = contiguous(gradient);
        let [for_x, for_weight, for_bias] = needed;
        [
            for_x.then(|| product(matrix(&gradient), matrix(&weight).transposed(), self.format)),
            for_weight.then(|| product(matrix(&x).transposed(), matrix(&gradient), self.format)),
            for_bias.then(|| column_sums(&gradient)),
        ]
    }
}

impl Operation<2> for LinearWithoutBias {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        self.packs.clear();
        let [x, weight] = inputs.map(contiguous);
        let output = affine(&x, Right::Matrix(matrix(&weight), self.format), None);
        (output, [x, weight])
    }

    fn infer(&self, inputs: [FlexTensor; 2]) -> FlexTensor {
        let [x, weight] = inputs.map(contiguous);
        self.packs.right(&weight, false, self.format, matrix(&x).rows, |right| affine(&x, right, None))
    }

    fn backward(self, [x, weight]: Saved, gradient: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let gradient = contiguous(gradient);
        [
            needed[0].then(|| product(matrix(&gradient), matrix(&weight).transposed(), self.format)),
            needed[1].then(|| product(matrix(&x).transposed(), matrix(&gradient), self.format)),
        ]
    }
}

impl Operation<2> for Logits {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        self.packs.clear();
        let [hidden, vocabulary] = inputs.map(contiguous);
        let output = affine(&hidden, Right::Matrix(matrix(&vocabulary).transposed(), self.format), None);
        (output, [hidden, vocabulary])
    }

    fn infer(&self, inputs: [FlexTensor; 2]) -> FlexTensor {
        let [hidden, vocabulary] = inputs.map(contiguous);
        self.packs.right(&vocabulary, true, self.format, matrix(&hidden).rows, |right| affine(&hidden, right, None))
    }

    fn backward(self, [hidden, vocabulary]: Saved, gradient: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let gradient = contiguous(gradient);
        [
            needed[0].then(|| product(matrix(&gradient), matrix(&vocabulary), self.format)),
            needed[1].then(|| product(matrix(&gradient).transposed(), matrix(&hidden), self.format)),
        ]
    }
}

/// A tensor of rank 2, row by row.
pub fn matrix(tensor: &FlexTensor) -> MatrixRef<'_> {
    let [rows, columns] = tensor.layout().shape().dims();
    MatrixRef::new(tensor.storage(), rows, columns)
}

fn affine(x: &FlexTensor, right: Right, bias: Option<&[f32]>) -> FlexTensor {
    let x = matrix(x);
    tensor(multiplied(x, right, bias), [x.rows, right.columns()])
}

/// A product as a new tensor, on all cores.
pub fn product(left: MatrixRef, right: MatrixRef, format: Format) -> FlexTensor {
    tensor(multiplied(left, Right::Matrix(right, format), None), [left.rows, right.columns])
}

/// The sum of the rows.
pub fn column_sums(x: &FlexTensor) -> FlexTensor {
    let [_, width] = x.layout().shape().dims();
    let blocks: Vec<Vec<f32>> = x
        .storage::<f32>()
        .par_chunks((BLOCK * width).max(1))
        .map(|block| {
            let mut sums = vec![0.0f32; width];
            add_rows(&mut sums, block);
            sums
        })
        .collect();
    let mut sums = vec![0.0f32; width];
    blocks.iter().for_each(|block| add_rows(&mut sums, block));
    tensor(sums, [width])
}

vectorise! {
    /// Adds each row to the sums.
    pub(super) fn add_rows(sums: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
