use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::rollout::{attention_mask, position_ids};

/// Rows of tokens on a device: prompts padded on the left, responses padded on the right.
#[derive(Clone, Debug)]
pub struct TokenBatch {
    /// `[B, P + G]`.
    pub tokens: Tensor<2, Int>,
    /// `[B, P + G]`, true at real tokens.
    pub attention: Tensor<2, Bool>,
    /// `[B, P + G]`, real tokens before each; 1 at padding.
    pub positions: Tensor<2, Int>,
    /// `P`, the length of the longest prompt of the batch.
    pub prompt_length: usize,
    /// `G`.
    pub response_length: usize,
    /// Reference texts that the policy is kept near to, if any.
    pub target: Option<TargetBatch>,
}

/// Prompts followed by reference texts, for target regularisation.
#[derive(Clone, Debug)]
pub struct TargetBatch {
    /// Tokens and masks, as those of a rollout, without a target of its own.
    pub rows: Box<TokenBatch>,
    /// `[B * G]`, which tokens of the references count.
    pub mask: Tensor<1, Bool>,
    /// How many tokens count in the whole minibatch.
    pub count: usize,
    /// Weight of the loss.
    pub coef: f64,
}

impl TokenBatch {
    /// Lays prompts and responses out as rectangles. Prompts are padded to the longest of them, not to a fixed
    /// length, so that padding common to all rows is never computed.
    ///
    /// # Panics
    /// If the two lists differ in length or a response is longer than `response_length`: a trainer's rows never are.
    pub fn collate(
        prompts: &[&[u32]],
        responses: &[&[u32]],
        response_length: usize,
        pad: u32,
        device: &Device,
    ) -> Self {
        assert_eq!(prompts.len(), responses.len(), "every prompt has a response");
        let rows = prompts.len();
        let prompt_length = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        let width = prompt_length + response_length;
        let (mut tokens, mut attention, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for (prompt, response) in prompts.iter().zip(responses) {
            assert!(response.len() <= response_length, "a response fits its row");
            let mut row = vec![pad; width];
            row[prompt_length - prompt.len()..prompt_length].copy_from_slice(prompt);
            row[prompt_length..prompt_length + response.len()].copy_from_slice(response);
            let mask: Vec<bool> = attention_mask(&row, pad).collect();
            positions.extend(position_ids(&mask));
            attention.extend(mask);
            tokens.extend(row.iter().map(|&token| i64::from(token)));
        }
        Self {
            tokens: Tensor::from_data(TensorData::new(tokens, [rows, width]), device),
            attention: Tensor::from_data(TensorData::new(attention, [rows, width]), device),
            positions: Tensor::from_data(TensorData::new(positions, [rows, width]), device),
            prompt_length,
            response_length,
            target: None,
        }
    }

    /// Number of rows, `B`.
    pub fn rows(&self) -> usize {
        self.tokens.dims()[0]
    }

    /// The response tokens row by row, `[B * G]`.
    pub fn actions(&self) -> Tensor<1, Int> {
        let [rows, width] = self.tokens.dims();
        self.tokens.clone().slice([0..rows, self.prompt_length..width]).reshape([rows * self.response_length])
    }

    /// What the network reads to predict the responses: all but the last token, with mask and positions,
    /// each `[B, P + G - 1]`.
    pub fn inputs(&self) -> (Tensor<2, Int>, Tensor<2, Int>, Tensor<2, Bool>) {
        let [rows, width] = self.tokens.dims();
        let ranges = [0..rows, 0..width - 1];
        (
            self.tokens.clone().slice(ranges.clone()),
            self.positions.clone().slice(ranges.clone()),
            self.attention.clone().slice(ranges),
        )
    }
}
