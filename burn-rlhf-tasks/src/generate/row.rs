use burn_sppo::run::Stream;

use super::{
    GenerateError, Generated, SamplingConfig, candidates::Candidates, distribution::Softmax, processor::LogitsProcessor,
};

/// One sequence while it grows.
pub(super) struct Row<'a> {
    /// Its place among the prompts.
    pub index: usize,
    pub prompt: &'a [u32],
    pub response: Generated,
    stream: &'a mut Stream,
    scores: Vec<f32>,
    candidates: Candidates,
}

impl<'a> Row<'a> {
    pub fn new(index: usize, prompt: &'a [u32], max_new_tokens: usize, stream: &'a mut Stream) -> Self {
        let response = Generated {
            tokens: Vec::with_capacity(max_new_tokens),
            log_prob: Vec::with_capacity(max_new_tokens),
            entropy: Vec::with_capacity(max_new_tokens),
            finished: false,
        };
        Self { index, prompt, response, stream, scores: Vec::new(), candidates: Candidates::default() }
    }

    /// Chooses the next token from the model's scores `logits` of all tokens.
    pub fn extend(
        &mut self,
        logits: &[f32],
        processors: &[&dyn LogitsProcessor],
        sampling: &SamplingConfig,
        eos: u32,
    ) -> Result<(), GenerateError> {
        let (row, step) = (self.index, self.response.tokens.len());
        let softmax = Softmax::of(logits).ok_or(GenerateError::NotFinite { row, step })?;
        let token = self.choose(logits, processors, sampling);
        let logit = token.and_then(|token| logits.get(token as usize));
        let (Some(token), Some(&logit)) = (token, logit) else {
            return Err(GenerateError::NothingAllowed { row, step });
        };
        self.response.tokens.push(token);
        self.response.log_prob.push(softmax.log_prob(logit));
        self.response.entropy.push(softmax.entropy);
        self.response.finished = token == eos;
        Ok(())
    }

    fn choose(
        &mut self,
        logits: &[f32],
        processors: &[&dyn LogitsProcessor],
        sampling: &SamplingConfig,
    ) -> Option<u32> {
        self.scores.clear();
        self.scores.extend_from_slice(logits);
        for processor in processors {
            let decided = processor.process(self.index, &self.response.tokens, &mut self.scores);
            if decided.is_some() {
                return decided;
            }
        }
        match sampling.do_sample {
            true => {
                self.candidates.filter(&self.scores, sampling);
                self.candidates.draw(self.stream)
            }
            false => likeliest(&self.scores),
        }
    }
}

/// The first of the highest scores above minus infinity.
fn likeliest(scores: &[f32]) -> Option<u32> {
    let mut best = (None, f32::NEG_INFINITY);
    for (token, &score) in (0..).zip(scores) {
        if score > best.1 {
            best = (Some(token), score);
        }
    }
    best.0
}
