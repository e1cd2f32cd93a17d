use std::collections::BTreeMap;

use burn::tensor::Device;
use burn_sppo::{
    learner::Request,
    run::{Purpose, Streams},
};
use serde::{Deserialize, Serialize};

use super::{TextPerplexity, TrainError};
use crate::{
    generate::SamplingConfig,
    metric::distinct,
    policy::{TokenBatch, TokenPolicy},
    reward::{Response, Reward, RewardError},
    rollout::{PromptSource, Responder, TextDecoder},
};

/// What is measured on prompts that are not trained on, and how often.
pub struct Evaluation {
    /// Name of the split, part of every file that is written.
    pub split: String,
    pub prompts: PromptSource,
    pub sampling: SamplingConfig,
    /// Evaluate after so many iterations, and after the last; 0: only after the last.
    pub every: u64,
    /// Evaluate the policy before training, too.
    pub zero_shot: bool,
    /// Rows that are generated together.
    pub rows: usize,
    /// Judges by name: each is the mean of its rewards.
    pub judges: Vec<(String, Box<dyn Reward>)>,
    /// Further measures of all responses together, by name.
    pub corpus_metrics: Vec<(String, CorpusMetric)>,
    /// Which of the trainer's own measures are wanted.
    pub measures: Measures,
    /// Texts whose perplexity under the policy is measured, too.
    pub perplexity: Option<TextPerplexity>,
    /// Most responses that are kept in `samples.jsonl`, the first ones.
    pub samples: usize,
}

/// One number of all responses together.
pub type CorpusMetric = Box<dyn FnMut(&[Response]) -> Result<f64, RewardError>>;

/// The trainer's own measures; `response_length` and `finished_percent` are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    /// `kl_div`: KL to the reference of a response, in nats.
    pub kl: bool,
    /// `fluency_metrics/output_perplexity`: of the responses under the reference, given their prompts.
    pub output_perplexity: bool,
    /// `diversity_metrics/distinct-N` for N of 1 to 3.
    pub distinct: bool,
}

impl Default for Measures {
    fn default() -> Self {
        Self { kl: true, output_perplexity: true, distinct: true }
    }
}

/// One line of `evaluation.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Iterations done; 0 before training.
    pub epoch: u64,
    pub split: String,
    pub metrics: BTreeMap<String, f64>,
}

/// One line of `samples.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluatedSample {
    pub epoch: u64,
    pub split_name: String,
    pub sample_id: u64,
    pub prompt_text: String,
    pub generated_text: String,
    pub ref_text: Option<String>,
    /// What each judge says.
    pub scores: BTreeMap<String, f32>,
}

impl Evaluation {
    /// Samples a response to every prompt and measures them.
    ///
    /// The random numbers are the same at every evaluation, so that differences come from the policy.
    ///
    /// # Errors
    /// If generation or a judge fails.
    pub fn run<P: TokenPolicy>(
        &mut self,
        policy: &P,
        reference: Option<&P>,
        decoder: &TextDecoder,
        streams: Streams,
        epoch: u64,
        device: &Device,
    ) -> Result<(EvaluationReport, Vec<EvaluatedSample>), TrainError> {
        let indices: Vec<usize> = (0..self.prompts.len()).collect();
        let responder =
            Responder { policy, prompts: &self.prompts, decoder, sampling: &self.sampling, rows: self.rows, device };
        let (responses, generated): (Vec<Response>, Vec<_>) =
            responder.respond(&indices, streams, Purpose::Evaluation, 0)?.into_iter().unzip();
        let mut metrics = BTreeMap::new();
        let mut samples: Vec<EvaluatedSample> = responses.iter().map(|response| self.sample(response, epoch)).collect();
        for (name, judge) in &mut self.judges {
            let scores =
                judge.reward(&responses).map_err(|source| TrainError::Judge { name: name.clone(), source })?.totals();
            if scores.len() != responses.len() {
                return Err(TrainError::JudgeCount {
                    name: name.clone(),
                    expected: responses.len(),
                    found: scores.len(),
                });
            }
            metrics.insert(name.clone(), mean(scores.iter().map(|&score| f64::from(score))));
            for (sample, score) in samples.iter_mut().zip(scores) {
                sample.scores.insert(name.clone(), score);
            }
        }
        samples.truncate(self.samples);
        for (name, metric) in &mut self.corpus_metrics {
            let value = metric(&responses).map_err(|source| TrainError::Judge { name: name.clone(), source })?;
            metrics.insert(name.clone(), value);
        }
        if let Some(texts) = &self.perplexity {
            metrics.insert("fluency_metrics/perplexity".into(), texts.of(policy, device)?.value());
        }
        let log_prob: f64 = generated.iter().flat_map(|row| &row.log_prob).map(|&x| f64::from(x)).sum();
        let tokens = generated.iter().map(|row| row.tokens.len()).sum::<usize>().max(1) as f64;
        let Measures { kl, output_perplexity, distinct: diversity } = self.measures;
        if let Some(reference) = reference.filter(|_| kl || output_perplexity) {
            let reference_log_prob = self.reference_log_prob(reference, &responses, device)?;
            if output_perplexity {
                metrics.insert("fluency_metrics/output_perplexity".into(), (-reference_log_prob / tokens).exp());
            }
            if kl {
                metrics.insert("kl_div".into(), (log_prob - reference_log_prob) / responses.len().max(1) as f64);
            }
        }
        if diversity {
            let words: Vec<Vec<&str>> =
                responses.iter().map(|response| response.response.split_whitespace().collect()).collect();
            for n in 1..=3 {
                metrics.insert(format!("diversity_metrics/distinct-{n}"), distinct(&words, n));
            }
        }
        metrics.insert("response_length".into(), tokens / responses.len().max(1) as f64);
        metrics.insert(
            "finished_percent".into(),
            100.0 * mean(responses.iter().map(|response| f64::from(u8::from(response.finished)))),
        );
        Ok((EvaluationReport { epoch, split: self.split.clone(), metrics }, samples))
    }

    fn sample(&self, response: &Response, epoch: u64) -> EvaluatedSample {
        EvaluatedSample {
            epoch,
            split_name: self.split.clone(),
            sample_id: self.prompts.sample(response.index).id,
            prompt_text: response.prompt.clone(),
            generated_text: response.response.clone(),
            ref_text: response.reference.clone(),
            scores: BTreeMap::new(),
        }
    }

    /// Sum of the reference's log-probabilities of all response tokens.
    fn reference_log_prob<P: TokenPolicy>(
        &self,
        reference: &P,
        responses: &[Response],
        device: &Device,
    ) -> Result<f64, TrainError> {
        let length = self.sampling.max_new_tokens;
        let mut sum = 0.0;
        for rows in responses.chunks(self.rows.max(1)) {
            let prompts: Vec<&[u32]> = rows.iter().map(|row| row.prompt_tokens.as_slice()).collect();
            let tokens: Vec<&[u32]> = rows.iter().map(|row| row.response_tokens.as_slice()).collect();
            let batch = TokenBatch::collate(&prompts, &tokens, length, self.prompts.special_tokens().pad, device);
            let log_prob = reference.evaluate(&batch, Request::default()).log_prob.into_data();
            let log_prob = log_prob
                .convert::<f32>()
                .try_into_vec::<f32>()
                .map_err(|error| TrainError::Read(format!("{error:?}")))?;
            for (row, log_prob) in rows.iter().zip(log_prob.chunks(length.max(1))) {
                sum += log_prob[..row.response_tokens.len()].iter().map(|&x| f64::from(x)).sum::<f64>();
            }
        }
        Ok(sum)
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.sum::<f64>() / count
}
