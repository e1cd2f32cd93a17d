//! Attention as one operation: a block of queries at a time, each head on one thread.
//!
//! The backward pass computes the probabilities again from the logarithm of their sum (as
//! <https://arxiv.org/abs/2205.14135> does), so that no `[Q, K]` matrix outlives its block.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::elementary::{exp, maximum, sum, sum_pairs};
use super::gemm::{Right, Threads, multiply};
use super::matrix::{MatrixMut, MatrixRef};
use super::operation::{Operation, contiguous, tensor};
use super::tile::{Format, Plus};
use super::vectorise::vectorise;

/// Queries handled together.
const BLOCK: usize = 64;
/// Queries up to which packing keys and values costs more than it gives.
const FEW_QUERIES: usize = 4;

/// Which keys a query sees.
#[derive(Clone, Debug)]
pub struct Visible {
    pub causal: bool,
    /// `[B, K]`, true at real tokens.
    pub keys: Option<FlexTensor>,
}

/// Attention of query, key and value `[B, H, T, hd]`.
#[derive(Clone, Debug)]
pub struct Attention {
    pub visible: Visible,
}

/// Attention of one matrix `[B·T, 3·H·hd]` that holds query, key and value side by side; the output is `[B·T, H·hd]`.
#[derive(Clone, Debug)]
pub struct SelfAttention {
    pub rows: usize,
    pub heads: usize,
    pub visible: Visible,
}

/// Inputs, output, and for each query the logarithm of the sum of its exponentials.
#[derive(Clone, Debug)]
pub struct Saved<const N: usize> {
    inputs: [FlexTensor; N],
    output: FlexTensor,
    log_sums: Arc<Vec<f32>>,
}

/// The inputs of one head.
#[derive(Clone, Copy)]
struct Head<'a> {
    query: MatrixRef<'a>,
    key: MatrixRef<'a>,
    value: MatrixRef<'a>,
    causal: bool,
    real: Option<&'a [u8]>,
}

impl Operation<3> for Attention {
    type Saved = Saved<3>;

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let inputs = inputs.map(adjacent);
        let [rows, count, queries, width] = inputs[0].layout().shape().dims();
        let mut output = vec![0.0; rows * count * queries * width];
        let mut log_sums = vec![0.0; rows * count * queries];
        let outputs = output.chunks_mut((queries * width).max(1)).map(|part| MatrixMut::new(part, queries, width));
        forward(self.visible.heads(&inputs), outputs, &mut log_sums, queries);
        let output = tensor(output, [rows, count, queries, width]);
        (output.clone(), Saved { inputs, output, log_sums: Arc::new(log_sums) })
    }

    fn backward(self, saved: Self::Saved, gradient: FlexTensor, _: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let gradient = contiguous(gradient);
        let [rows, count, queries, width] = gradient.layout().shape().dims();
        let [_, _, keys, _] = saved.inputs[1].layout().shape().dims::<4>();
        let mut gradients = [queries, keys, keys].map(|tokens| vec![0.0; rows * count * tokens * width]);
        let [query, key, value] = &mut gradients;
        let parts = query.chunks_mut((queries * width).max(1)).zip(key.chunks_mut((keys * width).max(1)));
        let parts = parts.zip(value.chunks_mut((keys * width).max(1))).map(|((query, key), value)| {
            [
                MatrixMut::new(query, queries, width),
                MatrixMut::new(key, keys, width),
                MatrixMut::new(value, keys, width),
            ]
        });
        let of = |tensor| split(tensor, queries, width);
        let upstream = of(&saved.output).zip(of(&gradient));
        backward(self.visible.heads(&saved.inputs), upstream, parts, &saved.log_sums, queries);
        let [query, key, value] = gradients;
        [(query, queries), (key, keys), (value, keys)]
            .map(|(gradient, tokens)| Some(tensor(gradient, [rows, count, tokens, width])))
    }
}

impl Operation<1> for SelfAttention {
    type Saved = Saved<1>;

    fn forward(&self, inputs: [FlexTensor; 1]) -> (FlexTensor, Self::Saved) {
        let inputs = inputs.map(contiguous);
        let [tokens, width] = self.sizes(&inputs[0]);
        let all = self.heads * width;
        let mut output = vec![0.0; self.rows * tokens * all];
        let mut log_sums = vec![0.0; self.rows * self.heads * tokens];
        let rows = output.chunks_mut((tokens * all).max(1));
        let outputs = rows.flat_map(|row| MatrixMut::new(row, tokens, all).split_columns(width));
        forward(self.split_heads(&inputs[0]), outputs, &mut log_sums, tokens);
        let output = tensor(output, [self.rows * tokens, all]);
        (output.clone(), Saved { inputs, output, log_sums: Arc::new(log_sums) })
    }

    fn backward(self, saved: Self::Saved, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let gradient = contiguous(gradient);
        let [tokens, width] = self.sizes(&saved.inputs[0]);
        let all = self.heads * width;
        let mut output = vec![0.0; self.rows * tokens * 3 * all];
        let parts = output.chunks_mut((tokens * 3 * all).max(1)).flat_map(|row| {
            let mut parts: Vec<_> = MatrixMut::new(row, tokens, 3 * all).split_columns(width).collect();
            let values = parts.split_off(2 * self.heads);
            let keys = parts.split_off(self.heads);
            parts.into_iter().zip(keys).zip(values).map(|((query, key), value)| [query, key, value])
        });
        let of = |tensor| self.columns(tensor, tokens, width, 0, 1);
        let upstream = of(&saved.output).zip(of(&gradient));
        backward(self.split_heads(&saved.inputs[0]), upstream, parts, &saved.log_sums, tokens);
        [Some(tensor(output, [self.rows * tokens, 3 * all]))]
    }
}

impl SelfAttention {
    fn sizes(&self, x: &FlexTensor) -> [usize; 2] {
        let [rows, columns] = x.layout().shape().dims();
        [rows / self.rows.max(1), columns / (3 * self.heads)]
    }

    fn split_heads<'a>(&'a self, x: &'a FlexTensor) -> impl Iterator<Item = Head<'a>> {
        let [tokens, width] = self.sizes(x);
        let [query, key, value] = [0, 1, 2].map(|part| self.columns(x, tokens, width, part, 3));
        let real = self.visible.real(tokens).flat_map(move |real| std::iter::repeat_n(real, self.heads));
        query.zip(key).zip(value).zip(real).map(|(((query, key), value), real)| Head {
            query,
            key,
            value,
            causal: self.visible.causal,
            real,
        })
    }

    /// The matrix `[T, hd]` of each row and head, in one of `parts` blocks of columns.
    fn columns<'a>(
        &'a self,
        x: &'a FlexTensor,
        tokens: usize,
        width: usize,
        part: usize,
        parts: usize,
    ) -> impl Iterator<Item = MatrixRef<'a>> {
        let all = self.heads * width;
        let stride = parts * all;
        x.storage::<f32>().chunks((tokens * stride).max(1)).flat_map(move |row| {
            (0..self.heads)
                .map(move |head| MatrixRef::strided(&row[part * all + head * width..], [tokens, width], [stride, 1]))
        })
    }
}

impl Visible {
    /// The real keys of each row, without end where no key is padding.
    fn real(&self, keys: usize) -> Box<dyn Iterator<Item = Option<&[u8]>> + '_> {
        match &self.keys {
            Some(real) => Box::new(real.storage::<u8>().chunks(keys.max(1)).map(Some)),
            None => Box::new(std::iter::repeat(None)),
        }
    }

    fn heads<'a>(&'a self, [query, key, value]: &'a [FlexTensor; 3]) -> impl Iterator<Item = Head<'a>> {
        let [_, count, ..] = query.layout().shape().dims::<4>();
        let [_, _, keys, _] = key.layout().shape().dims::<4>();
        let real = self.real(keys).flat_map(move |real| std::iter::repeat_n(real, count));
        strided(query).zip(strided(key)).zip(strided(value)).zip(real).map(|(((query, key), value), real)| Head {
            query,
            key,
            value,
            causal: self.causal,
            real,
        })
    }
}

/// A view whose rows `[hd]` have no gaps.
fn adjacent(tensor: FlexTensor) -> FlexTensor {
    let [.., width] = tensor.layout().shape().dims::<4>();
    let [.., last] = tensor.layout().strides() else { return contiguous(tensor) };
    let forwards = tensor.layout().strides().iter().all(|&stride| stride >= 0);
    if forwards && (*last == 1 || width <= 1) { tensor } else { contiguous(tensor) }
}

/// The matrix `[T, hd]` of each row and head of a view `[B, H, T, hd]`.
fn strided(tensor: &FlexTensor) -> impl Iterator<Item = MatrixRef<'_>> {
    let layout = tensor.layout();
    let [rows, heads, tokens, width] = layout.shape().dims();
    let stride = |axis: usize| layout.strides()[axis].unsigned_abs();
    let [row, head, token] = [stride(0), stride(1), stride(2)];
    let elements = tensor.storage::<f32>();
    let start = layout.start_offset();
    (0..rows * heads).map(move |index| {
        let offset = start + index / heads * row + index % heads * head;
        let elements = if tokens * width == 0 { &[] } else { &elements[offset..] };
        MatrixRef::strided(elements, [tokens, width], [token, 1])
    })
}

fn split(tensor: &FlexTensor, tokens: usize, width: usize) -> impl Iterator<Item = MatrixRef<'_>> {
    let parts = tensor.storage::<f32>().chunks((tokens * width).max(1));
    parts.map(move |part| MatrixRef::new(part, tokens, width))
}

fn forward<'a>(
    heads: impl Iterator<Item = Head<'a>>,
    outputs: impl Iterator<Item = MatrixMut<'a>>,
    log_sums: &mut [f32],
    queries: usize,
) {
    let work: Vec<_> = heads.zip(outputs).zip(log_sums.chunks_mut(queries.max(1))).collect();
    work.into_par_iter().for_each_init(Vec::new, |scores, ((head, output), log_sums)| {
        head.forward(output, log_sums, scores);
    });
}

fn backward<'a>(
    heads: impl Iterator<Item = Head<'a>>,
    upstream: impl Iterator<Item = (MatrixRef<'a>, MatrixRef<'a>)>,
    gradients: impl Iterator<Item = [MatrixMut<'a>; 3]>,
    log_sums: &[f32],
    queries: usize,
) {
    let work: Vec<_> = heads.zip(upstream).zip(gradients).zip(log_sums.chunks(queries.max(1))).collect();
    work.into_par_iter().for_each_init(
        || (Vec::new(), Vec::new()),
        |scratch, (((head, (output, gradient)), gradients), log_sums)| {
            head.backward([output, gradient], gradients, log_sums, scratch);
        },
    );
}

impl Head<'_> {
    fn scale(&self) -> f32 {
        1.0 / (self.query.columns() as f32).sqrt()
    }

    /// Keys that a query may see, from the first on, if none of them is padding.
    fn reach(&self, query: usize) -> usize {
        if self.causal { self.key.rows() + query + 1 - self.query.rows() } else { self.key.rows() }
    }

    /// The products of a block of queries with the keys that its last one reaches.
    fn scores(&self, block: std::ops::Range<usize>, keys: usize, scores: &mut Vec<f32>) {
        scores.resize(block.len() * keys, 0.0);
        let output = MatrixMut::new(scores, block.len(), keys);
        let (query, key) = (self.query.row_range(block), self.key.row_range(0..keys).transposed());
        product(output, query, key, Plus::Nothing);
    }

    fn forward(&self, mut output: MatrixMut, log_sums: &mut [f32], scores: &mut Vec<f32>) {
        let scale = self.scale();
        if self.query.rows() <= FEW_QUERIES && self.query.column_stride() == 1 {
            return self.forward_few(output, log_sums, scores);
        }
        for block in blocks(self.query.rows()) {
            let keys = self.reach(block.end - 1);
            if keys == 0 {
                continue;
            }
            self.scores(block.clone(), keys, scores);
            let mut inverses = [0.0f32; BLOCK];
            for ((query, scores), inverse) in block.clone().zip(scores.chunks_exact_mut(keys)).zip(&mut inverses) {
                let (visible, hidden) = scores.split_at_mut(self.reach(query));
                [log_sums[query], *inverse] = exponentials(visible, self.real, scale);
                hidden.fill(0.0);
            }
            let weights = MatrixRef::new(scores, block.len(), keys);
            let values = self.value.row_range(0..keys);
            product(output.row_range(block.clone()), weights, values, Plus::Nothing);
            for (query, inverse) in block.zip(inverses) {
                output.row_mut(query).iter_mut().for_each(|value| *value *= inverse);
            }
        }
    }

    /// One query after the other, without packing keys and values first.
    fn forward_few(&self, mut output: MatrixMut, log_sums: &mut [f32], scores: &mut Vec<f32>) {
        for (query, log_sum) in log_sums.iter_mut().enumerate() {
            let keys = self.reach(query);
            scores.resize(keys, 0.0);
            products_with_rows(self.query.row(query), self.key, scores);
            let [logarithm, inverse] = exponentials(scores, self.real, self.scale());
            *log_sum = logarithm;
            sum_of_rows(scores, inverse, self.value, output.row_mut(query));
        }
    }

    fn backward(
        &self,
        [output, gradient]: [MatrixRef; 2],
        [mut query_gradient, mut key_gradient, mut value_gradient]: [MatrixMut; 3],
        log_sums: &[f32],
        (weights, slopes): &mut (Vec<f32>, Vec<f32>),
    ) {
        let scale = self.scale();
        for block in blocks(self.query.rows()) {
            let keys = self.reach(block.end - 1);
            if keys == 0 {
                continue;
            }
            let size = block.len();
            self.scores(block.clone(), keys, weights);
            slopes.resize(size * keys, 0.0);
            let block_gradient = gradient.row_range(block.clone());
            let (keys_seen, values_seen) = (self.key.row_range(0..keys), self.value.row_range(0..keys));
            let view = MatrixMut::new(slopes, size, keys);
            product(view, block_gradient, values_seen.transposed(), Plus::Nothing);
            let rows = block.clone().zip(weights.chunks_exact_mut(keys)).zip(slopes.chunks_exact_mut(keys));
            for ((query, weights), slopes) in rows {
                let reach = self.reach(query);
                let (visible, hidden) = weights.split_at_mut(reach);
                hidden.fill(0.0);
                slopes[reach..].fill(0.0);
                let upstream = [output.row(query), gradient.row(query)];
                differentiate(visible, slopes, self.real, upstream, [scale, log_sums[query]]);
            }
            let weights = MatrixRef::new(weights, size, keys);
            let slopes = MatrixRef::new(slopes, size, keys);
            product(value_gradient.row_range(0..keys), weights.transposed(), block_gradient, Plus::Output);
            product(query_gradient.row_range(block.clone()), slopes, keys_seen, Plus::Nothing);
            let query = self.query.row_range(block);
            product(key_gradient.row_range(0..keys), slopes.transposed(), query, Plus::Output);
        }
    }
}

fn blocks(queries: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..queries).step_by(BLOCK).map(move |start| start..queries.min(start + BLOCK))
}

/// In f32: these products are small, and what they feed is sensitive.
fn product(output: MatrixMut, left: MatrixRef, right: MatrixRef, plus: Plus) {
    multiply(output, left, Right::Matrix(right, Format::F32), plus, Threads::One);
}

/// Writes `value` where a key is padding.
#[inline(always)]
fn hide(row: &mut [f32], real: Option<&[u8]>, value: f32) {
    if let Some(real) = real {
        for (element, &real) in row.iter_mut().zip(real) {
            *element = if real == 0 { value } else { *element };
        }
    }
}

vectorise! {
    /// The products of a vector with the first rows of a matrix.
    fn products_with_rows(vector: &[f32], rows: MatrixRef, products: &mut [f32]) {
        for (row, product) in products.iter_mut().enumerate() {
            *product = sum_pairs(vector, rows.row(row), |left, right| left * right);
        }
    }

    /// The sum of the first rows of a matrix, each with a weight, and all with a scale.
    fn sum_of_rows(weights: &[f32], scale: f32, rows: MatrixRef, output: &mut [f32]) {
        output.fill(0.0);
        for (row, &weight) in weights.iter().enumerate() {
            for (sum, &value) in output.iter_mut().zip(rows.row(row)) {
                *sum = weight.mul_add(value, *sum);
            }
        }
        for sum in output {
            *sum *= scale;
        }
    }

    /// Turns products into exponentials, and says the logarithm and the reciprocal of their sum; zeros if no key is
    /// real.
    fn exponentials(scores: &mut [f32], real: Option<&[u8]>, scale: f32) -> [f32; 2] {
        hide(scores, real, f32::NEG_INFINITY);
        let highest = maximum(scores) * scale;
        let highest = if highest == f32::NEG_INFINITY { 0.0 } else { highest };
        for score in scores.iter_mut() {
            *score = exp(*score * scale - highest);
        }
        let total = sum(scores, |weight| weight);
        if total > 0.0 { [highest + total.ln(), 1.0 / total] } else { [0.0, 0.0] }
    }

    /// Turns products of queries and keys into weights, and products of gradients and values into slopes of the
    /// former.
    fn differentiate(
        weights: &mut [f32],
        slopes: &mut [f32],
        real: Option<&[u8]>,
        upstream: [&[f32]; 2],
        constants: [f32; 2],
    ) {
        let [scale, log_sum] = constants;
        for weight in weights.iter_mut() {
            *weight = exp(*weight * scale - log_sum);
        }
        hide(weights, real, 0.0);
        let shared = sum_pairs(upstream[0], upstream[1], |output, gradient| output * gradient);
        for (slope, &weight) in slopes.iter_mut().zip(weights.iter()) {
            *slope = weight * (*slope - shared) * scale;
        }
    }
}
