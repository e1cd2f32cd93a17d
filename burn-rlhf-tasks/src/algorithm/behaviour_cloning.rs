use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_sppo::{loss::Reduction, run::Stream};

use super::SupervisedSource;
use crate::{model::gpt2::Gpt2, rollout::position_ids};

/// Texts as rows of tokens, for training a language model on every token of them.
pub struct TextRows {
    rows: Vec<Vec<u32>>,
    pad: u32,
}

impl TextRows {
    /// Cuts texts into rows of up to `length` tokens. `eos`, if given, ends every text.
    pub fn new(texts: impl IntoIterator<Item = Vec<u32>>, length: usize, eos: Option<u32>, pad: u32) -> Self {
        let mut rows = Vec::new();
        for mut text in texts {
            text.extend(eos);
            // A row of one token predicts nothing.
            rows.extend(text.chunks(length.max(2)).filter(|row| row.len() > 1).map(<[u32]>::to_vec));
        }
        Self { rows, pad }
    }

    fn collate(&self, rows: &[usize], device: &Device) -> Collated {
        let width = rows.iter().map(|&row| self.rows[row].len()).max().unwrap_or(0);
        let shape = [rows.len(), width - 1];
        let (mut inputs, mut attention, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut targets, mut mask) = (Vec::new(), Vec::new());
        for &row in rows {
            let row = &self.rows[row];
            let real: Vec<bool> = (0..width - 1).map(|place| place < row.len()).collect();
            let token = |place: usize| i64::from(row.get(place).copied().unwrap_or(self.pad));
            inputs.extend((0..width - 1).map(token));
            targets.extend((1..width).map(token));
            mask.extend((1..width).map(|place| place < row.len()));
            positions.extend(position_ids(&real));
            attention.extend(real);
        }
        let count = targets.len();
        Collated {
            inputs: Tensor::from_data(TensorData::new(inputs, shape), device),
            positions: Tensor::from_data(TensorData::new(positions, shape), device),
            attention: Tensor::from_data(TensorData::new(attention, shape), device),
            targets: Tensor::from_data(TensorData::new(targets, [count]), device),
            mask: Tensor::from_data(TensorData::new(mask, [count]), device),
        }
    }

    /// Sum of the log-probabilities of the predicted tokens of `rows`, negated, `[1]`.
    fn negative_log_likelihood(&self, model: &Gpt2, rows: &[usize], device: &Device) -> Tensor<1> {
        let batch = self.collate(rows, device);
        let hidden = model.hidden(batch.inputs, batch.positions, batch.attention);
        let [count, width, size] = hidden.dims();
        let log_prob = model.log_prob(hidden.reshape([count * width, size]), batch.targets, false).log_prob;
        Reduction::masked(batch.mask, 1).mean(log_prob).neg()
    }
}

struct Collated {
    inputs: Tensor<2, Int>,
    positions: Tensor<2, Int>,
    attention: Tensor<2, Bool>,
    targets: Tensor<1, Int>,
    mask: Tensor<1, Bool>,
}

impl SupervisedSource<Gpt2> for TextRows {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn weight(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|&row| self.rows[row].len() - 1).sum::<usize>() as f64
    }

    fn loss(&self, model: &Gpt2, rows: &[usize], _stream: &mut Stream, device: &Device) -> Tensor<1> {
        self.negative_log_likelihood(model, rows, device)
    }
}

/// Mean negative log-likelihood of a token in nats, over all rows; its exponential is the perplexity.
pub fn mean_negative_log_likelihood(model: &Gpt2, texts: &TextRows, batch: usize, device: &Device) -> f64 {
    let rows: Vec<usize> = (0..texts.rows.len()).collect();
    let sum: f64 = rows
        .chunks(batch.max(1))
        .map(|rows| texts.negative_log_likelihood(model, rows, device).into_scalar::<f64>())
        .sum();
    sum / texts.weight(&rows).max(1.0)
}
