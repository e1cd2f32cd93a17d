use burn_rlhf_tasks::{
    algorithm::{LabelledRows, SupervisedConfig, accuracy},
    config::{EvaluationMetric, TaskName},
    model::{
        distilbert::{DistilBertClassifier, DistilBertConfig},
        export::export_distilbert_classifier,
        hub::Hub,
        kernel::Compute,
        load::load_distilbert_classifier,
        tokenizer::Tokenizer,
    },
    reward::{ClassifierReward, Response, Reward},
    task::{Sample, builtin::sentiment_of},
};
use burn_sppo::run::{Purpose, Streams};

use super::{
    Data, Fingerprint, Stages, Stored, is_finished,
    tokenizer::{END, encode_all, texts},
};
use crate::failure::Failure;

/// What says how favourable a text is.
pub type Judge = (String, Box<dyn Reward>);

/// The reward and those who were not trained against.
pub struct Judges {
    pub reward: Stored<DistilBertClassifier>,
    /// A classifier of another seed and other data.
    pub other: Option<Stored<DistilBertClassifier>>,
}

/// Which half of the training data a classifier sees, and from which weights it starts.
#[derive(Clone, Copy)]
enum Half {
    First,
    Second,
}

impl Stages<'_> {
    /// The reward model, a finished one or one trained on half of the data, and a second judge trained on the other
    /// half.
    pub fn judges(&self, data: &Data, tokenizer: &Tokenizer) -> Result<Judges, Failure> {
        if let Some(name) = self.config.reward.model.as_ref().filter(|_| !self.config.model.from_scratch) {
            self.console.line(&format!("loading the reward model {name}"));
            let folder = Hub::from_env()?.find_model(name, None)?;
            let model = load_distilbert_classifier(&folder, &self.device)?.with_compute(self.compute());
            let tokenizer = Tokenizer::from_folder(&folder)?;
            return Ok(Judges { reward: Stored { model, tokenizer, folder }, other: None });
        }
        let tokenizer = &tokenizer.clone().starting_with(END)?;
        let reward = self.classifier(data, tokenizer, Half::First)?;
        let other =
            if self.config.reward_model.judge { Some(self.classifier(data, tokenizer, Half::Second)?) } else { None };
        Ok(Judges { reward, other })
    }

    /// The reward model alone.
    pub fn reward_model(&self, data: &Data, tokenizer: &Tokenizer) -> Result<Stored<DistilBertClassifier>, Failure> {
        self.classifier(data, &tokenizer.clone().starting_with(END)?, Half::First)
    }

    /// A classifier as a reward.
    pub fn as_reward(&self, stored: &Stored<DistilBertClassifier>) -> Result<ClassifierReward, Failure> {
        let reward = &self.config.reward;
        Ok(ClassifierReward::new(
            stored.model.clone(),
            stored.tokenizer.clone(),
            reward.label,
            reward.include_prompt,
            reward.max_length,
            reward.batch,
            &self.device,
        )?)
    }

    /// The judges that are wanted, by the name of their metric.
    pub fn evaluation_judges(&self, judges: &Judges) -> Result<Vec<Judge>, Failure> {
        let wants = |metric| self.config.evaluation.metrics.contains(&metric);
        let mut list: Vec<Judge> = Vec::new();
        if wants(EvaluationMetric::Reward) {
            list.push(("semantic/learned_automodel_metric".into(), Box::new(self.as_reward(&judges.reward)?)));
        }
        if let Some(other) = judges.other.as_ref().filter(|_| wants(EvaluationMetric::Judge)) {
            list.push(("semantic/judge".into(), Box::new(self.as_reward(other)?)));
        }
        if self.config.task.name == TaskName::Builtin && wants(EvaluationMetric::Label) {
            let lexicon = |responses: &[Response]| {
                let score = |response: &Response| sentiment_of(&response.response).unwrap_or(0.5) as f32;
                Ok(responses.iter().map(score).collect::<Vec<f32>>())
            };
            list.push(("semantic/lexicon".into(), Box::new(lexicon)));
        }
        Ok(list)
    }

    fn classifier(
        &self,
        data: &Data,
        tokenizer: &Tokenizer,
        half: Half,
    ) -> Result<Stored<DistilBertClassifier>, Failure> {
        let section = &self.config.reward_model;
        let (name, seed) = match half {
            Half::First => ("reward-model", self.seed()),
            Half::Second => ("judge", self.seed().wrapping_add(1_000)),
        };
        let shape = DistilBertConfig {
            vocab_size: tokenizer.vocab_size(),
            max_position_embeddings: section.max_length,
            n_layers: section.n_layers,
            dim: section.dim,
            hidden_dim: section.hidden_dim,
            n_heads: section.n_heads,
            num_labels: Some(2),
            ..DistilBertConfig::default()
        };
        shape.check().map_err(Failure::usage)?;
        let fingerprint =
            Fingerprint::of(name, &(section, &shape, self.stage_precision(), seed), &[&data.fingerprint])?;
        let folder = self.stage_folder(name, &fingerprint);
        if is_finished(&folder) {
            self.console.line(&format!("{name}: {}", folder.display()));
            let model = load_distilbert_classifier(&folder, &self.device)?.with_compute(self.compute());
            return Ok(Stored { model, tokenizer: tokenizer.clone(), folder });
        }
        let train = half_of(&data.splits.train, half, section.rows);
        let rows = self.labelled(&train, tokenizer)?;
        let mut stream = Streams::new(seed).stream(Purpose::Initialization, 1, 0);
        self.console.line(&format!("training the {name} on {} texts", train.len()));
        let config = SupervisedConfig::new(section.minibatch, section.microbatch, section.optimizer.learning_rate)
            .with_epochs(section.epochs)
            .with_max_grad_norm(section.max_grad_norm)
            .with_warmup(section.warmup)
            .with_seed(seed);
        let model = shape.init(&mut stream, &self.device).with_compute(Compute::new(self.stage_precision()));
        let model = self.supervised(config, &section.scheduler, &section.optimizer, model, &rows, &folder)?;
        let validation: Vec<Sample> = data.splits.validation.iter().take(1_000).cloned().collect();
        let validation = self.labelled(&validation, tokenizer)?;
        let right = accuracy(&model, &validation, section.microbatch, &self.device);
        self.console.line(&format!("{name}: {:.1} % of the validation labels found", 100.0 * right));
        self.finish(&folder, |partial| Ok(export_distilbert_classifier(&model, &shape, tokenizer, partial)?))?;
        let model = model.with_compute(self.compute());
        Ok(Stored { model, tokenizer: tokenizer.clone(), folder })
    }

    fn labelled(&self, samples: &[Sample], tokenizer: &Tokenizer) -> Result<LabelledRows, Failure> {
        let tokens = encode_all(tokenizer, &texts(samples))?;
        let rows = tokens
            .into_iter()
            .zip(samples)
            .filter_map(|(tokens, sample)| sample.label.map(|label| (tokens, label)))
            .collect();
        let first = tokenizer.first_id()?;
        Ok(LabelledRows::new(rows, self.config.reward_model.max_length, first, tokenizer.pad_id()?))
    }
}

fn half_of(samples: &[Sample], half: Half, most: Option<usize>) -> Vec<Sample> {
    let (first, second) = samples.split_at(samples.len() / 2);
    let half = match half {
        Half::First => first,
        Half::Second => second,
    };
    half.iter().take(most.unwrap_or(usize::MAX)).cloned().collect()
}
