use burn::tensor::{Device, activation::softmax};
use thiserror::Error;

use super::{Response, Reward, RewardError};
use crate::{
    algorithm::pad_right,
    model::{
        distilbert::DistilBertClassifier,
        tokenizer::{EncodeOptions, Side, Tokenizer, Truncation},
    },
    rollout::Rewards,
};

/// A classifier that cannot be a reward.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ClassifierError {
    #[error("the classifier has {labels} labels, so there is no label {label}: set reward.label below {labels}")]
    Label { label: usize, labels: usize },
    #[error(
        "the classifier's tokenizer has {tokenizer} tokens and the classifier {model}: they do not belong together"
    )]
    Vocabulary { tokenizer: usize, model: usize },
}

/// The probability that a classifier gives one label, for the text of prompt and response or of the response alone.
pub struct ClassifierReward {
    model: DistilBertClassifier,
    tokenizer: Tokenizer,
    /// The label whose probability is the reward.
    label: usize,
    include_prompt: bool,
    options: EncodeOptions,
    batch: usize,
    device: Device,
}

impl ClassifierReward {
    /// Texts are cut on the left to `max_length` tokens, and `batch` of them are scored together.
    ///
    /// # Errors
    /// If the classifier has no such label, or fewer tokens than its tokenizer.
    pub fn new(
        model: DistilBertClassifier,
        tokenizer: Tokenizer,
        label: usize,
        include_prompt: bool,
        max_length: usize,
        batch: usize,
        device: &Device,
    ) -> Result<Self, ClassifierError> {
        if label >= model.labels() {
            return Err(ClassifierError::Label { label, labels: model.labels() });
        }
        if tokenizer.vocab_size() > model.vocab_size() {
            return Err(ClassifierError::Vocabulary { tokenizer: tokenizer.vocab_size(), model: model.vocab_size() });
        }
        let max_length = max_length.min(model.context_length());
        let options = EncodeOptions {
            special_tokens: true,
            truncation: Some(Truncation { max_length, side: Side::Left }),
            ..EncodeOptions::default()
        };
        Ok(Self { model, tokenizer, label, include_prompt, options, batch: batch.max(1), device: device.clone() })
    }

    /// The probability of the label for each text.
    ///
    /// # Errors
    /// If a text cannot be tokenised or numbers cannot be read back.
    pub fn score(&self, texts: &[String]) -> Result<Vec<f32>, RewardError> {
        let rows = self.tokenizer.encode_batch(texts, &self.options)?;
        // Rows of similar length together: padding is computed, too.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| rows[row].get_ids().len());
        let mut scores = vec![0.0; texts.len()];
        for places in order.chunks(self.batch) {
            let pad = self.tokenizer.pad_id().unwrap_or(0);
            // A text without tokens still needs one position to be judged.
            let ids: Vec<Vec<u32>> = places
                .iter()
                .map(|&row| match rows[row].get_ids() {
                    [] => vec![pad],
                    ids => ids.to_vec(),
                })
                .collect();
            let (tokens, mask) = pad_right(&ids, pad, &self.device);
            let probabilities = softmax(self.model.forward(tokens, mask), 1);
            let [count, _] = probabilities.dims();
            let column = probabilities.slice([0..count, self.label..self.label + 1]).into_data();
            let column = column.convert::<f32>().try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?;
            for (&row, score) in places.iter().zip(column) {
                scores[row] = score;
            }
        }
        Ok(scores)
    }
}

impl Reward for ClassifierReward {
    fn reward(&mut self, responses: &[Response]) -> Result<Rewards, RewardError> {
        let texts: Vec<String> = responses
            .iter()
            .map(|response| if self.include_prompt { response.full_text() } else { response.response.clone() })
            .collect();
        self.score(&texts).map(Rewards::Sequence)
    }
}
