use burn_rlhf_tasks::{
    config::EvaluationMetric,
    model::{
        hub::Hub,
        load::load_gpt2,
        tokenizer::{EncodeOptions, Tokenizer},
    },
    policy::LanguageActorCritic,
    reward::{Response, RewardError},
    task::{Sample, Split},
    training::{CorpusMetric, Evaluation, Measures, TextPerplexity},
};

use super::{Data, Judges, Stages};
use crate::{failure::Failure, text};

/// Between texts that are read as one.
const BLANK_LINE: &str = "\n\n";

impl Stages<'_> {
    /// What the configuration wants to know of a split, on its first `rows` samples.
    pub fn evaluation(
        &self,
        data: &Data,
        split: Split,
        rows: Option<usize>,
        tokenizer: &Tokenizer,
        judges: &Judges,
    ) -> Result<Evaluation, Failure> {
        let section = &self.config.evaluation;
        let wants = |metric| section.metrics.contains(&metric);
        let mut samples = data.splits.get(split).to_vec();
        samples.truncate(rows.unwrap_or(usize::MAX));
        let perplexity = match wants(EvaluationMetric::Perplexity) {
            true => Some(self.reference_texts(&samples, tokenizer)?),
            false => None,
        };
        let fixed = section.perplexity_model.as_ref().filter(|_| !self.config.model.from_scratch);
        let mut corpus_metrics = Vec::new();
        if let Some(name) = fixed.filter(|_| wants(EvaluationMetric::OutputPerplexity)) {
            corpus_metrics.push(("fluency_metrics/output_perplexity".into(), self.fixed_model_perplexity(name)?));
        }
        Ok(Evaluation {
            split: match split {
                Split::Validation => "val".into(),
                other => other.to_string(),
            },
            prompts: text::prompts(self.config, samples, tokenizer)?,
            sampling: section.sampling.clone(),
            every: section.every,
            zero_shot: section.at_start,
            rows: section.generation_rows,
            judges: self.evaluation_judges(judges)?,
            corpus_metrics,
            measures: Measures {
                kl: wants(EvaluationMetric::Kl),
                output_perplexity: wants(EvaluationMetric::OutputPerplexity) && fixed.is_none(),
                distinct: wants(EvaluationMetric::Distinct),
            },
            perplexity,
            samples: section.samples,
        })
    }

    /// The reference texts of samples as one text.
    fn reference_texts(&self, samples: &[Sample], tokenizer: &Tokenizer) -> Result<TextPerplexity, Failure> {
        let texts: Vec<&str> = samples.iter().filter_map(|sample| sample.reference.as_deref()).collect();
        let tokens = tokenizer.ids(&texts.join(BLANK_LINE), &EncodeOptions::default())?;
        Ok(TextPerplexity::new(tokens, self.config.evaluation.perplexity_stride, tokenizer.pad_id()?))
    }

    /// The perplexity of all responses as one text, without their prompts, under a language model that stays as it is.
    fn fixed_model_perplexity(&self, name: &str) -> Result<CorpusMetric, Failure> {
        self.console.line(&format!("loading the language model {name} as a judge of fluency"));
        let folder = Hub::from_env()?.find_model(name, None)?;
        let tokenizer = Tokenizer::from_folder(&folder)?;
        let model = LanguageActorCritic::from(load_gpt2(&folder, &self.device)?.with_compute(self.compute()));
        let (stride, pad) = (self.config.evaluation.perplexity_stride, tokenizer.pad_id()?);
        let device = self.device.clone();
        Ok(Box::new(move |responses: &[Response]| -> Result<f64, RewardError> {
            let texts: Vec<&str> = responses.iter().map(|response| response.response.as_str()).collect();
            let tokens = tokenizer.ids(&texts.join(BLANK_LINE), &EncodeOptions::default())?;
            Ok(TextPerplexity::new(tokens, stride, pad).of(&model, &device)?.value())
        }))
    }
}
