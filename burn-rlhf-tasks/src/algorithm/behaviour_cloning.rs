use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_sppo::{loss::Reduction, run::Stream};

use super::SupervisedSource;
use crate::{model::gpt2::Gpt2, rollout::position_ids};

/// Texts as rows of tokens, for training a language model on every token of them or on responses alone.
pub struct TextRows {
    rows: Vec<TextRow>,
    pad: u32,
}

struct TextRow {
    tokens: Vec<u32>,
    /// Tokens at the beginning that are read but not learnt; at least 1, which nothing predicts.
    given: usize,
}

impl TextRow {
    fn targets(&self) -> usize {
        self.tokens.len() - self.given
    }
}

impl TextRows {
    /// Cuts texts into rows of up to `length` tokens. `eos`, if given, ends every text.
    pub fn new(texts: impl IntoIterator<Item = Vec<u32>>, length: usize, eos: Option<u32>, pad: u32) -> Self {
        let mut rows = Vec::new();
        for mut text in texts {
            text.extend(eos);
            // A row of one token predicts nothing.
            let pieces = text.chunks(length.max(2)).filter(|row| row.len() > 1);
            rows.extend(pieces.map(|row| TextRow { tokens: row.to_vec(), given: 1 }));
        }
        Self { rows, pad }
    }

    /// Prompts with the responses to learn, cut to `length` tokens; prompts that leave no room for a response are left
    /// out. `eos`, if given, ends every response.
    pub fn responses(
        pairs: impl IntoIterator<Item = (Vec<u32>, Vec<u32>)>,
        length: usize,
        eos: Option<u32>,
        pad: u32,
    ) -> Self {
        let row = |(prompt, response): (Vec<u32>, Vec<u32>)| {
            let given = prompt.len().max(1);
            let mut tokens = prompt;
            tokens.extend(response);
            tokens.extend(eos);
            tokens.truncate(length);
            (tokens.len() > given).then_some(TextRow { tokens, given })
        };
        Self { rows: pairs.into_iter().filter_map(row).collect(), pad }
    }

    fn collate(&self, rows: &[usize], device: &Device) -> Collated {
        let width = rows.iter().map(|&row| self.rows[row].tokens.len()).max().unwrap_or(0);
        let shape = [rows.len(), width - 1];
        let (mut inputs, mut attention, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut targets, mut mask) = (Vec::new(), Vec::new());
        for &row in rows {
            let TextRow { tokens: row, given } = &self.rows[row];
            let real: Vec<bool> = (0..width - 1).map(|place| place < row.len()).collect();
            let token = |place: usize| i64::from(row.get(place).copied().unwrap_or(self.pad));
            inputs.extend((0..width - 1).map(token));
            targets.extend((1..width).map(token));
            mask.extend((1..width).map(|place| place >= *given && place < row.len()));
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
        rows.iter().map(|&row| self.rows[row].targets()).sum::<usize>() as f64
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn_sppo::run::{Purpose, Streams};

    use super::*;
    use crate::model::gpt2::Gpt2Config;

    #[test]
    fn only_responses_are_learnt_where_prompts_are_given() {
        let device = Device::flex();
        let shape =
            Gpt2Config { vocab_size: 11, n_positions: 8, n_embd: 8, n_layer: 1, n_head: 2, ..Gpt2Config::default() };
        let model = shape.init(&mut Streams::new(1).stream(Purpose::Initialization, 0, 0), &device);
        let pairs = vec![(vec![1, 2, 3], vec![4, 5]), (vec![6], vec![7]), (vec![1; 8], vec![2])];
        let rows = TextRows::responses(pairs, 6, Some(9), 0);
        assert_eq!(rows.rows(), 2, "a prompt that fills its row teaches nothing");
        assert_eq!((rows.weight(&[0]), rows.weight(&[0, 1])), (3.0, 5.0));
        let loss = |rows: &TextRows, row| rows.negative_log_likelihood(&model, &[row], &device).into_scalar::<f64>();
        let tail = |texts: Vec<u32>| loss(&TextRows::new([texts], 8, None, 0), 0);
        let expected = tail(vec![1, 2, 3, 4, 5, 9]) - tail(vec![1, 2, 3]);
        assert!((loss(&rows, 0) - expected).abs() < 1e-4);
        // Padding of a shorter row beside a longer one counts for nothing.
        let both = rows.negative_log_likelihood(&model, &[0, 1], &device).into_scalar::<f64>();
        assert!((both - loss(&rows, 0) - loss(&rows, 1)).abs() < 1e-4);
    }
}
