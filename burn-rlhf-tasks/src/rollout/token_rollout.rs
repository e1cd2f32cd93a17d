use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_sppo::learner::{Rollout, Samples};

use super::{RolloutStatistics, attention_mask};
use crate::policy::{TargetBatch, TokenBatch};

/// Reference texts that the policy is kept near to while it trains.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Tokens of each row's reference text.
    pub tokens: Vec<Vec<u32>>,
    /// Weight of the loss.
    pub coef: f64,
}

/// One iteration's responses with everything that the update needs of them.
#[derive(Clone, Debug)]
pub struct TokenRollout {
    pub prompts: Vec<Vec<u32>>,
    pub responses: Vec<Vec<u32>>,
    /// Numbers of `responses.len() * response_length` tokens, row by row.
    pub samples: Samples,
    pub target: Option<Target>,
    /// The token that fills prompts and responses.
    pub pad: u32,
    /// Log-probabilities of the whole vocabulary at every response position, where a reverse loss needs them.
    pub distribution: Option<Vec<f32>>,
    pub statistics: RolloutStatistics,
}

impl TokenRollout {
    /// Length that responses are padded to, `G`.
    pub fn response_length(&self) -> usize {
        self.samples.per_row
    }

    /// The inputs of `rows`, without a target.
    pub fn token_batch(&self, rows: &[usize], device: &Device) -> TokenBatch {
        self.collate(&self.responses, rows, device)
    }

    fn target_batch(&self, target: &Target, rows: &[usize], minibatch: &[usize], device: &Device) -> TargetBatch {
        let length = self.response_length();
        let mask_of = |row: usize| {
            let tokens = &target.tokens[row];
            attention_mask(tokens, self.pad).chain(std::iter::repeat(false)).take(length)
        };
        let mask: Vec<bool> = rows.iter().flat_map(|&row| mask_of(row)).collect();
        let shape = [mask.len()];
        TargetBatch {
            rows: Box::new(self.collate(&target.tokens, rows, device)),
            mask: Tensor::<1, Bool>::from_data(TensorData::new(mask, shape), device),
            count: minibatch.iter().map(|&row| mask_of(row).filter(|&keep| keep).count()).sum(),
            coef: target.coef,
        }
    }

    fn collate(&self, responses: &[Vec<u32>], rows: &[usize], device: &Device) -> TokenBatch {
        let prompts: Vec<&[u32]> = rows.iter().map(|&row| self.prompts[row].as_slice()).collect();
        let responses: Vec<&[u32]> = rows.iter().map(|&row| responses[row].as_slice()).collect();
        TokenBatch::collate(&prompts, &responses, self.response_length(), self.pad, device)
    }
}

impl Rollout for TokenRollout {
    type Batch = TokenBatch;

    fn samples(&self) -> &Samples {
        &self.samples
    }

    fn batch(&self, rows: &[usize], minibatch: &[usize], device: &Device) -> TokenBatch {
        let mut batch = self.token_batch(rows, device);
        batch.target = self.target.as_ref().map(|target| self.target_batch(target, rows, minibatch, device));
        batch
    }

    fn old_distribution(&self, rows: &[usize], device: &Device) -> Option<(Tensor<2>, Tensor<1, Int>)> {
        let all = self.distribution.as_ref()?;
        let vocabulary = all.len() / (self.responses.len() * self.response_length()).max(1);
        let per_row = vocabulary * self.response_length();
        let mut picked = Vec::with_capacity(rows.len() * per_row);
        let mut actions = Vec::with_capacity(rows.len() * self.response_length());
        for &row in rows {
            picked.extend_from_slice(&all[row * per_row..(row + 1) * per_row]);
            let tokens = self.responses[row].iter().map(|&token| i64::from(token));
            actions.extend(tokens.chain(std::iter::repeat(i64::from(self.pad))).take(self.response_length()));
        }
        let count = actions.len();
        Some((
            Tensor::from_data(TensorData::new(picked, [count, vocabulary]), device),
            Tensor::from_data(TensorData::new(actions, [count]), device),
        ))
    }
}
