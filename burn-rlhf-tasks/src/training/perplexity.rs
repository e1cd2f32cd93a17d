use burn::tensor::Device;
use burn_sppo::learner::Request;

use super::TrainError;
use crate::{
    metric::{Perplexity, StridedPerplexity},
    policy::{TokenBatch, TokenPolicy},
};

/// A long text whose perplexity under a policy is measured in windows.
#[derive(Clone, Debug)]
pub struct TextPerplexity {
    tokens: Vec<u32>,
    stride: usize,
    pad: u32,
}

impl TextPerplexity {
    /// `stride` is the step of the windows, as long as the policy's own at most. `pad` is a token that is not part of
    /// the text, or ends it.
    pub fn new(tokens: Vec<u32>, stride: usize, pad: u32) -> Self {
        Self { tokens, stride, pad }
    }

    /// The perplexity of the text, token by token under the untruncated policy.
    ///
    /// # Errors
    /// For a stride of 0, and where numbers cannot be read back.
    pub fn of<P: TokenPolicy>(&self, policy: &P, device: &Device) -> Result<Perplexity, TrainError> {
        let window = policy.context_length();
        let windows = StridedPerplexity::new(self.stride.min(window), window)?;
        windows.evaluate(self.tokens.len(), |window| {
            let tokens = &self.tokens[window.begin..window.end];
            let (first, rest) = tokens.split_at(1);
            if rest.is_empty() {
                return Ok(Vec::new());
            }
            let batch = TokenBatch::collate(&[first], &[rest], rest.len(), self.pad, device);
            let log_prob = policy.evaluate(&batch, Request::default()).log_prob.into_data();
            let log_prob = log_prob.try_into_vec::<f32>().map_err(|error| TrainError::Read(format!("{error:?}")))?;
            Ok(log_prob.into_iter().map(f64::from).collect())
        })
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn_sppo::{
        learner::Evaluate,
        run::{Purpose, Streams},
    };

    use super::*;
    use crate::{model::gpt2::Gpt2Config, policy::LanguageActorCritic};

    #[test]
    fn a_text_is_scored_in_windows_of_the_policy() {
        let device = Device::flex();
        let shape =
            Gpt2Config { vocab_size: 13, n_positions: 8, n_embd: 8, n_layer: 1, n_head: 2, ..Gpt2Config::default() };
        let mut stream = Streams::new(1).stream(Purpose::Initialization, 0, 0);
        let model = shape.init(&mut stream, &device);
        let policy = LanguageActorCritic::from(model);
        let tokens: Vec<u32> = (0..21).map(|i| 1 + i * 5 % 12).collect();
        let log_prob = |given: &[u32], next: u32| {
            let batch = TokenBatch::collate(&[given], &[&[next]], 1, 0, &device);
            policy.evaluate(&batch, Request::default()).log_prob.into_scalar::<f64>()
        };
        // Windows of 8 tokens that move on by 4: the first has no context before its first token.
        let mut sum = (1..4).map(|i| log_prob(&tokens[..i], tokens[i])).sum::<f64>() / 3.0 * 4.0;
        sum += (4..21).map(|i| log_prob(&tokens[i / 4 * 4 - 4..i], tokens[i])).sum::<f64>();
        let found = TextPerplexity::new(tokens, 4, 0).of(&policy, &device).unwrap();
        assert_eq!(found.tokens, 21);
        assert!((found.negative_log_likelihood + sum).abs() < 1e-4, "{found:?} {sum}");
        assert!(TextPerplexity::new(vec![1, 2], 0, 0).of(&policy, &device).is_err());
    }
}
