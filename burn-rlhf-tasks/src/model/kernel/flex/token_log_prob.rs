//! Log-probabilities of chosen tokens as one operation, which keeps the logits once.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::elementary::{exp, maximum};
use super::gemm::{Right, Threads, multiply};
use super::linear::{matrix, product};
use super::matrix::{MatrixMut, MatrixRef};
use super::operation::{Operation, contiguous, tensor};
use super::tile::{Format, Plus};
use super::vectorise::vectorise;

/// Rows whose logits are computed together.
const BLOCK: usize = 128;

/// The inputs are hidden `[N, H]` and vocabulary `[V, H]`.
///
/// The output is `[1, N]`, the log-probabilities, or `[2, N]`, with the entropies below.
#[derive(Clone, Debug)]
pub struct TokenLogProb {
    pub targets: Arc<Vec<usize>>,
    pub want_entropy: bool,
    pub format: Format,
}

/// Inputs, logits `[N, V]`, and for each row the logarithm of the sum of exponentials and the entropy.
#[derive(Clone, Debug)]
pub struct Saved {
    inputs: [FlexTensor; 2],
    logits: FlexTensor,
    rows: Arc<Vec<[f32; 2]>>,
}

impl TokenLogProb {
    /// Fills the logits of some rows, and says their log-sums and entropies.
    fn block(&self, logits: &mut [f32], hidden: MatrixRef, vocabulary: MatrixRef) -> Vec<[f32; 2]> {
        let view = MatrixMut::new(logits, hidden.rows(), vocabulary.rows());
        multiply(view, hidden, Right::Matrix(vocabulary.transposed(), self.format), Plus::Nothing, Threads::All);
        logits.par_chunks_exact(vocabulary.rows()).map(summarise).collect()
    }

    fn output(&self, logits_of_targets: impl Iterator<Item = f32>, rows: &[[f32; 2]]) -> FlexTensor {
        let mut output: Vec<f32> = logits_of_targets.zip(rows).map(|(logit, [log_sum, _])| logit - log_sum).collect();
        if self.want_entropy {
            output.extend(rows.iter().map(|[_, entropy]| entropy));
        }
        tensor(output, [1 + usize::from(self.want_entropy), rows.len()])
    }
}

impl Operation<2> for TokenLogProb {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        let inputs = inputs.map(contiguous);
        let (hidden, vocabulary) = (matrix(&inputs[0]), matrix(&inputs[1]));
        let mut logits = vec![0.0f32; hidden.rows() * vocabulary.rows()];
        let mut rows = Vec::with_capacity(hidden.rows());
        for (index, logits) in logits.chunks_mut(BLOCK * vocabulary.rows()).enumerate() {
            let start = index * BLOCK;
            let block = hidden.row_range(start..start + logits.len() / vocabulary.rows());
            rows.extend(self.block(logits, block, vocabulary));
        }
        let targets = logits.chunks_exact(vocabulary.rows()).zip(self.targets.iter()).map(|(row, &target)| row[target]);
        let output = self.output(targets, &rows);
        let logits = tensor(logits, [hidden.rows(), vocabulary.rows()]);
        (output, Saved { inputs, logits, rows: Arc::new(rows) })
    }

    fn infer(&self, inputs: [FlexTensor; 2]) -> FlexTensor {
        let inputs = inputs.map(contiguous);
        let (hidden, vocabulary) = (matrix(&inputs[0]), matrix(&inputs[1]));
        let mut logits = vec![0.0f32; hidden.rows().min(BLOCK) * vocabulary.rows()];
        let mut rows = Vec::with_capacity(hidden.rows());
        let mut chosen = Vec::with_capacity(hidden.rows());
        for targets in self.targets.chunks(BLOCK) {
            let block = hidden.row_range(rows.len()..rows.len() + targets.len());
            let logits = &mut logits[..targets.len() * vocabulary.rows()];
            rows.extend(self.block(logits, block, vocabulary));
            chosen.extend(logits.chunks_exact(vocabulary.rows()).zip(targets).map(|(row, &target)| row[target]));
        }
        self.output(chosen.into_iter(), &rows)
    }

    fn backward(self, saved: Saved, gradient: FlexTensor, needed: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let Saved { inputs, mut logits, rows } = saved;
        let gradient = contiguous(gradient);
        let (hidden, vocabulary) = (matrix(&inputs[0]), matrix(&inputs[1]));
        let (log_prob, entropy) = gradient.storage::<f32>().split_at(rows.len());
        let work = logits.storage_mut::<f32>().par_chunks_exact_mut(vocabulary.rows().max(1)).enumerate();
        work.for_each(|(row, logits)| {
            let [log_sum, row_entropy] = rows[row];
            let scale = log_prob[row];
            match entropy.get(row) {
                Some(&entropy) => slopes_with_entropy(logits, log_sum, scale, (entropy, row_entropy)),
                None => slopes(logits, log_sum, scale),
            }
            logits[self.targets[row]] += scale;
        });
        let slopes = matrix(&logits);
        [
            needed[0].then(|| product(slopes, vocabulary, self.format)),
            needed[1].then(|| product(slopes.transposed(), hidden, self.format)),
        ]
    }
}

#[inline(always)]
fn add(sums: &mut [f32; 16], moments: &mut [f32; 16], logits: &[f32], highest: f32) {
    for ((sum, moment), &logit) in sums.iter_mut().zip(moments).zip(logits) {
        let weight = exp(logit - highest);
        *sum += weight;
        *moment = weight.mul_add(logit - highest, *moment);
    }
}

vectorise! {
    /// The logarithm of the sum of exponentials, and the entropy.
    fn summarise(logits: &[f32]) -> [f32; 2] {
        let highest = maximum(logits);
        let mut sums = [0.0f32; 16];
        let mut moments = [0.0f32; 16];
        let (chunks, rest) = logits.as_chunks::<16>();
        for chunk in chunks {
            add(&mut sums, &mut moments, chunk, highest);
        }
        add(&mut sums, &mut moments, rest, highest);
        // In f64: sixteen partial sums of up to thousands of terms each.
        let total: f64 = sums.iter().map(|&sum| f64::from(sum)).sum();
        let moment: f64 = moments.iter().map(|&moment| f64::from(moment)).sum();
        let log = total.ln();
        [(f64::from(highest) + log) as f32, (log - moment / total) as f32]
    }

    /// Turns logits into `-scale` times their probabilities.
    fn slopes(logits: &mut [f32], log_sum: f32, scale: f32) {
        for logit in logits {
            *logit = -scale * exp(*logit - log_sum);
        }
    }

    /// The same, with the slope of the entropy.
    fn slopes_with_entropy(logits: &mut [f32], log_sum: f32, scale: f32, entropy: (f32, f32)) {
        let (gradient, entropy) = entropy;
        for logit in logits {
            let log_prob = *logit - log_sum;
            *logit = -exp(log_prob) * gradient.mul_add(log_prob + entropy, scale);
        }
    }
}
