use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation::log_softmax};
use burn_sppo::run::Stream;
use rand::RngExt;

use super::SupervisedSource;
use crate::model::distilbert::DistilBertClassifier;

/// Texts with labels, for training a classifier.
pub struct LabelledRows {
    rows: Vec<(Vec<u32>, u8)>,
    length: usize,
    first: Option<u32>,
    pad: u32,
}

impl LabelledRows {
    /// Texts as tokens with their labels. What is longer than `length` is seen in windows that are drawn anew at
    /// every visit, so that the classifier can judge any part of a text. `first`, if given, comes before each.
    pub fn new(rows: Vec<(Vec<u32>, u8)>, length: usize, first: Option<u32>, pad: u32) -> Self {
        let length = length.saturating_sub(usize::from(first.is_some())).max(1);
        Self { rows: rows.into_iter().filter(|(tokens, _)| !tokens.is_empty()).collect(), length, first, pad }
    }

    fn window(&self, row: usize, stream: Option<&mut Stream>) -> Vec<u32> {
        let tokens = &self.rows[row].0;
        let spare = tokens.len().saturating_sub(self.length);
        let start = stream.map_or(0, |stream| if spare > 0 { stream.random_range(0..=spare) } else { 0 });
        let window = &tokens[start..tokens.len().min(start + self.length)];
        self.first.into_iter().chain(window.iter().copied()).collect()
    }

    fn labels(&self, rows: &[usize], device: &Device) -> Tensor<2, Int> {
        let labels: Vec<i64> = rows.iter().map(|&row| i64::from(self.rows[row].1)).collect();
        Tensor::from_data(TensorData::new(labels, [rows.len(), 1]), device)
    }
}

/// Rows of tokens padded on the right, with their mask, both `[B, T]`.
pub(crate) fn pad_right(rows: &[Vec<u32>], pad: u32, device: &Device) -> (Tensor<2, Int>, Tensor<2, Bool>) {
    let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let tokens: Vec<i64> = rows
        .iter()
        .flat_map(|row| row.iter().copied().chain(std::iter::repeat(pad)).take(width))
        .map(i64::from)
        .collect();
    let mask: Vec<bool> = rows.iter().flat_map(|row| (0..width).map(|place| place < row.len())).collect();
    let shape = [rows.len(), width];
    (Tensor::from_data(TensorData::new(tokens, shape), device), Tensor::from_data(TensorData::new(mask, shape), device))
}

impl SupervisedSource<DistilBertClassifier> for LabelledRows {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn weight(&self, rows: &[usize]) -> f64 {
        rows.len() as f64
    }

    fn loss(&self, model: &DistilBertClassifier, rows: &[usize], stream: &mut Stream, device: &Device) -> Tensor<1> {
        let windows: Vec<Vec<u32>> = rows.iter().map(|&row| self.window(row, Some(&mut *stream))).collect();
        let (tokens, mask) = pad_right(&windows, self.pad, device);
        let log_prob = log_softmax(model.forward(tokens, mask), 1);
        log_prob.gather(1, self.labels(rows, device)).sum().neg()
    }
}

/// Share of texts whose label the classifier finds.
pub fn accuracy(model: &DistilBertClassifier, texts: &LabelledRows, batch: usize, device: &Device) -> f64 {
    let rows: Vec<usize> = (0..texts.rows.len()).collect();
    let right: f64 = rows
        .chunks(batch.max(1))
        .map(|rows| {
            let windows: Vec<Vec<u32>> = rows.iter().map(|&row| texts.window(row, None)).collect();
            let (tokens, mask) = pad_right(&windows, texts.pad, device);
            let found = model.forward(tokens, mask).argmax(1);
            found.equal(texts.labels(rows, device)).int().sum().into_scalar::<f64>()
        })
        .sum();
    right / texts.rows.len().max(1) as f64
}
