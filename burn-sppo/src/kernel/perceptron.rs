//! Fully connected layers one after another as one operation: a block of rows goes through all of them while it is in
//! the nearest cache.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::direct::multiply;
use super::elementary::tanh;
use super::linear::add_rows;
use super::matrix::{MatrixMut, MatrixRef};
use super::operation::{Operation, contiguous, tensor};
use super::tile::Plus;
use super::vectorise::vectorise;

/// Rows that go through the layers together; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 64;
/// Multiply-adds for which it is worth to wake another thread.
const TASK: usize = 1 << 23;

/// What follows a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    Relu,
    Tanh,
}

/// Fully connected layers.
///
/// The inputs are x `[rows, in]`, then weight `[in, out]` and bias `[out]` of each layer; the output is `[rows, out]`.
/// The machine must have the instructions of [`direct`](super::direct).
#[derive(Clone, Copy, Debug)]
pub struct Perceptron<const L: usize> {
    /// What follows each layer.
    pub activations: [Activation; L],
}

/// The inputs, and the output of every layer.
#[derive(Clone, Debug)]
pub struct Saved<const L: usize> {
    x: FlexTensor,
    weights: [FlexTensor; L],
    outputs: [FlexTensor; L],
}

impl<const L: usize> Perceptron<L> {
    fn widths(x: &FlexTensor, weights: &[FlexTensor; L]) -> (usize, Vec<usize>) {
        let [rows, width] = x.layout().shape().dims();
        let widths = weights.iter().map(|weight| {
            let [_, width] = weight.layout().shape().dims();
            width
        });
        (rows, std::iter::once(width).chain(widths).collect())
    }

    /// The outputs of all layers.
    fn apply(&self, x: &FlexTensor, weights: &[FlexTensor; L], biases: &[FlexTensor; L]) -> [FlexTensor; L] {
        let (rows, widths) = Self::widths(x, weights);
        let mut outputs: Vec<Vec<f32>> = widths[1..].iter().map(|width| vec![0.0; rows * width]).collect();
        let mut blocks: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(BLOCK)).map(|_| Vec::with_capacity(L)).collect();
        for (output, width) in outputs.iter_mut().zip(&widths[1..]) {
            blocks.iter_mut().zip(output.chunks_mut(BLOCK * width)).for_each(|(block, part)| block.push(part));
        }
        let work = |(index, mut block): (usize, Vec<&mut [f32]>)| {
            let rows = BLOCK.min(rows - index * BLOCK);
            let mut below = &x.storage::<f32>()[index * BLOCK * widths[0]..][..rows * widths[0]];
            for (layer, output) in block.iter_mut().enumerate() {
                let (width, next) = (widths[layer], widths[layer + 1]);
                let weight = MatrixRef::new(weights[layer].storage(), width, next);
                let output_view = MatrixMut::new(output, rows, next);
                multiply(output_view, MatrixRef::new(below, rows, width), weight, Plus::Row(biases[layer].storage()));
                activate(self.activations[layer], output);
                below = output;
            }
        };
        if parallel(rows, &widths) {
            blocks.into_par_iter().enumerate().for_each(work);
        } else {
            blocks.into_iter().enumerate().for_each(work);
        }
        let mut outputs = outputs.into_iter().zip(&widths[1..]).map(|(output, &width)| tensor(output, [rows, width]));
        std::array::from_fn(|_| outputs.next().expect("an output of each layer"))
    }
}

/// Whether several threads are of use.
fn parallel(rows: usize, widths: &[usize]) -> bool {
    rows > BLOCK && rows * widths.windows(2).map(|pair| pair[0] * pair[1]).sum::<usize>() >= TASK
}

fn activate(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::None => {}
        Activation::Relu => relu(values),
        Activation::Tanh => tanh_all(values),
    }
}

vectorise! {
    fn relu(values: &mut [f32]) {
        for value in values {
            *value = if *value < 0.0 { 0.0 } else { *value };
        }
    }

    fn tanh_all(values: &mut [f32]) {
        for value in values {
            *value = tanh(*value);
        }
    }

    /// The gradient before ReLU, from its output.
    fn through_relu(gradient: &mut [f32], outputs: &[f32]) {
        for (gradient, &output) in gradient.iter_mut().zip(outputs) {
            *gradient = if output <= 0.0 { 0.0 } else { *gradient };
        }
    }

    /// The gradient before tanh, from its output.
    fn through_tanh(gradient: &mut [f32], outputs: &[f32]) {
        for (gradient, &output) in gradient.iter_mut().zip(outputs) {
            *gradient *= 1.0 - output * output;
        }
    }
}

/// Gradients of the parameters of each layer.
struct Sums {
    weights: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
}

impl Sums {
    fn new(widths: &[usize]) -> Self {
        Self {
            weights: widths.windows(2).map(|pair| vec![0.0; pair[0] * pair[1]]).collect(),
            biases: widths[1..].iter().map(|&width| vec![0.0; width]).collect(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.weights.iter_mut().zip(&other.weights).for_each(|(sums, values)| add_rows(sums, values));
        self.biases.iter_mut().zip(&other.biases).for_each(|(sums, values)| add_rows(sums, values));
    }
}

/// Weights `[out, in]`.
fn transposed(weight: &FlexTensor) -> Vec<f32> {
    let [rows, columns] = weight.layout().shape().dims();
    let values = weight.storage::<f32>();
    let mut transposed = vec![0.0; values.len()];
    for (column, row) in transposed.chunks_exact_mut(rows.max(1)).enumerate().take(columns) {
        row.iter_mut().zip(values[column..].iter().step_by(columns)).for_each(|(to, &from)| *to = from);
    }
    transposed
}

impl<const L: usize> Perceptron<L> {
    /// Adds what one block contributes to the parameters, and writes the gradient of its inputs where it is wanted.
    fn differentiate(
        &self,
        saved: &Saved<L>,
        transposed: &[Vec<f32>],
        widths: &[usize],
        block: Block,
        sums: &mut Sums,
    ) {
        let Block { start, rows, gradient, for_x } = block;
        let mut gradient = gradient.to_vec();
        let mut for_x = for_x;
        for layer in (0..L).rev() {
            let (width, next) = (widths[layer], widths[layer + 1]);
            let output = &saved.outputs[layer].storage::<f32>()[start * next..][..rows * next];
            match self.activations[layer] {
                Activation::None => {}
                Activation::Relu => through_relu(&mut gradient, output),
                Activation::Tanh => through_tanh(&mut gradient, output),
            }
            add_rows(&mut sums.biases[layer], &gradient);
            let below = if layer > 0 { &saved.outputs[layer - 1] } else { &saved.x };
            let below = MatrixRef::new(&below.storage::<f32>()[start * width..][..rows * width], rows, width);
            let view = MatrixRef::new(&gradient, rows, next);
            let weights = MatrixMut::new(&mut sums.weights[layer], width, next);
            multiply(weights, below.transposed(), view, Plus::Output);
            let weight = MatrixRef::new(&transposed[layer], transposed[layer].len() / width, width);
            if layer > 0 {
                let mut lower = vec![0.0; rows * width];
                multiply(MatrixMut::new(&mut lower, rows, width), view, weight, Plus::Nothing);
                gradient = lower;
            } else if let Some(for_x) = for_x.take() {
                multiply(MatrixMut::new(for_x, rows, width), view, weight, Plus::Nothing);
            }
        }
    }
}

/// Some rows of a batch.
struct Block<'a> {
    start: usize,
    rows: usize,
    gradient: &'a [f32],
    for_x: Option<&'a mut [f32]>,
}

/// `N` is `1 + 2 L`.
impl<const L: usize, const N: usize> Operation<N> for Perceptron<L> {
    type Saved = Saved<L>;

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Saved<L>) {
        let mut inputs = inputs.into_iter().map(contiguous);
        let mut next = || inputs.next().expect("x, then weight and bias of each layer");
        let x = next();
        let mut pairs: Vec<(FlexTensor, FlexTensor)> = (0..L).map(|_| (next(), next())).collect();
        let weights: [FlexTensor; L] = std::array::from_fn(|layer| pairs[layer].0.clone());
        let biases: [FlexTensor; L] = std::array::from_fn(|_| pairs.remove(0).1);
        let outputs = self.apply(&x, &weights, &biases);
        (outputs[L - 1].clone(), Saved { x, weights, outputs })
    }

    fn backward(self, saved: Saved<L>, gradient: FlexTensor, needed: [bool; N]) -> [Option<FlexTensor>; N] {
        let gradient = contiguous(gradient);
        let (rows, widths) = Self::widths(&saved.x, &saved.weights);
        // That of the first layer is read only where x wants a gradient.
        let transposed: Vec<Vec<f32>> = saved
            .weights
            .iter()
            .enumerate()
            .map(|(layer, weight)| if layer > 0 || needed[0] { transposed(weight) } else { Vec::new() })
            .collect();
        let mut for_x = needed[0].then(|| vec![0.0; rows * widths[0]]);
        let mut parts = for_x.as_mut().map(|for_x| for_x.chunks_mut((BLOCK * widths[0]).max(1)));
        let blocks: Vec<Block> = gradient
            .storage::<f32>()
            .chunks((BLOCK * widths[L]).max(1))
            .enumerate()
            .map(|(index, gradient)| Block {
                start: index * BLOCK,
                rows: gradient.len() / widths[L],
                gradient,
                for_x: parts.as_mut().and_then(Iterator::next),
            })
            .collect();
        let mut total = Sums::new(&widths);
        if parallel(rows, &widths) {
            let each = blocks.into_par_iter().map(|block| {
                let mut sums = Sums::new(&widths);
                self.differentiate(&saved, &transposed, &widths, block, &mut sums);
                sums
            });
            each.collect::<Vec<_>>().iter().for_each(|sums| total.add(sums));
        } else {
            blocks.into_iter().for_each(|block| self.differentiate(&saved, &transposed, &widths, block, &mut total));
        }
        let mut gradients = for_x.map(|for_x| tensor(for_x, [rows, widths[0]])).into_iter();
        let mut weights = total.weights.into_iter().zip(widths.windows(2));
        let mut biases = total.biases.into_iter();
        std::array::from_fn(|input| match input {
            0 => gradients.next(),
            _ if input % 2 == 1 => weights.next().map(|(sums, pair)| tensor(sums, [pair[0], pair[1]])),
            _ => biases.next().map(|sums| {
                let width = sums.len();
                tensor(sums, [width])
            }),
        })
    }
}
