use std::sync::Arc;

use burn::tensor::Device;
use burn_sppo::run::{Purpose, Streams};

use super::PromptSource;
use crate::{
    generate::{Decoder, GenerateError, Generated, SamplingConfig, generate},
    reward::Response,
};

/// Turns tokens into text, without special tokens.
pub type TextDecoder = Arc<dyn Fn(&[u32]) -> String + Send + Sync>;

/// Samples responses to prompts of a source.
pub struct Responder<'a, P> {
    /// The policy without gradients.
    pub policy: &'a P,
    pub prompts: &'a PromptSource,
    pub decoder: &'a TextDecoder,
    pub sampling: &'a SamplingConfig,
    /// Rows that are generated together.
    pub rows: usize,
    pub device: &'a Device,
}

impl<P: Decoder> Responder<'_, P> {
    /// One response to each of the prompts `indices`.
    ///
    /// Every response has a random stream of its own, so it does not depend on how many rows are generated together.
    ///
    /// # Errors
    /// If a prompt and its response do not fit the model's window, or if its logits are unusable.
    pub fn respond(
        &self,
        indices: &[usize],
        streams: Streams,
        purpose: Purpose,
        iteration: u64,
    ) -> Result<Vec<(Response, Generated)>, GenerateError> {
        let mut responses = Vec::with_capacity(indices.len());
        for indices in indices.chunks(self.rows.max(1)) {
            let first = responses.len() as u64;
            let mut lanes: Vec<_> =
                (0..indices.len() as u64).map(|row| streams.stream(purpose, iteration, first + row)).collect();
            let prompts: Vec<&[u32]> = indices.iter().map(|&index| self.prompts.tokens(index)).collect();
            let special = self.prompts.special_tokens();
            let generated = generate(self.policy, &prompts, self.sampling, special, &mut lanes, self.device)?;
            for ((&index, prompt), generated) in indices.iter().zip(prompts).zip(generated) {
                responses.push((self.response(index, prompt, &generated), generated));
            }
        }
        Ok(responses)
    }

    fn response(&self, index: usize, prompt: &[u32], generated: &Generated) -> Response {
        Response {
            index,
            prompt: (self.decoder)(prompt),
            response: (self.decoder)(&generated.tokens),
            reference: self.prompts.reference(index).map(str::to_owned),
            prompt_tokens: prompt.to_vec(),
            response_tokens: generated.tokens.clone(),
            finished: generated.finished,
        }
    }
}
