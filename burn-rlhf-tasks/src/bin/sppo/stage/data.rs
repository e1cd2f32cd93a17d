use std::path::Path;

use burn_rlhf_tasks::{
    config::{Target, TaskName},
    model::hub::Hub,
    task::{
        Sample, Source, Splits,
        builtin::BuiltinConfig,
        imdb::{ImdbConfig, Reference},
    },
};

use super::{Data, Fingerprint, Stages};
use crate::failure::Failure;

/// The data set on the Hub.
const IMDB: &str = "stanfordnlp/imdb";

impl Stages<'_> {
    /// Writes or reads the data set of the run's task.
    pub fn data(&self) -> Result<Data, Failure> {
        let data = match self.config.task.name {
            TaskName::Builtin => self.builtin()?,
            TaskName::Imdb => self.imdb()?,
        };
        self.console.line(&format!(
            "data: {} training, {} validation and {} test samples{}",
            data.splits.train.len(),
            data.splits.validation.len(),
            data.splits.test.len(),
            match data.unlabelled.len() {
                0 => String::new(),
                count => format!(", {count} unlabelled texts"),
            }
        ));
        Ok(data)
    }

    fn builtin(&self) -> Result<Data, Failure> {
        let task = &self.config.task;
        let config = BuiltinConfig::new()
            .with_seed(task.data_seed.unwrap_or(self.config.seed))
            .with_train(task.train_rows.unwrap_or(20_000))
            .with_validation(task.validation_rows.unwrap_or(1_000))
            .with_test(task.test_rows.unwrap_or(1_000));
        self.console.line(&format!("writing {} film reviews", config.train));
        let fingerprint = Fingerprint::of("builtin", &(config.seed, config.train), &[])?;
        Ok(Data { splits: config.generate(), unlabelled: Vec::new(), fingerprint })
    }

    fn imdb(&self) -> Result<Data, Failure> {
        let task = &self.config.task;
        let source = match &task.data {
            Some(path) => self.imdb_from_files(path)?,
            None => self.imdb_from_hub()?,
        };
        let config = ImdbConfig::new()
            .with_seed(task.data_seed.unwrap_or(self.config.seed))
            .with_text_column(task.text_column.clone())
            .with_label_column(task.label_column.clone())
            .with_train_fraction(task.train_fraction)
            .with_test_size(task.test_rows.unwrap_or(usize::MAX))
            .with_prompt_fraction(task.prompt_fraction)
            .with_reference(match task.target {
                Target::Continuation => Reference::Continuation,
                Target::TextStart => Reference::FullText,
            });
        self.console.line("reading reviews");
        let mut splits = without_empty_prompts(config.load(&source)?);
        splits.train.truncate(task.train_rows.unwrap_or(usize::MAX));
        splits.validation.truncate(task.validation_rows.unwrap_or(usize::MAX));
        let mut unlabelled = Vec::new();
        if self.config.model.from_scratch && !source.unsupervised.is_empty() {
            for sample in config.unsupervised(&source)? {
                unlabelled.push(sample?.text);
            }
        }
        let files = [source.train, source.test, source.unsupervised].concat();
        let fingerprint = Fingerprint::of("imdb", &task, &[&Fingerprint::of_files(&files)?])?;
        Ok(Data { splits, unlabelled, fingerprint })
    }

    fn imdb_from_files(&self, path: &Path) -> Result<Source, Failure> {
        let mut source = Source::find(path)?;
        if let Some(test) = &self.config.task.test_data {
            source.test = Source::every_file(test)?;
        }
        Ok(source)
    }

    fn imdb_from_hub(&self) -> Result<Source, Failure> {
        let name = self.config.task.dataset.as_deref().unwrap_or(IMDB);
        self.console.line(&format!("fetching the data set {name}"));
        let hub = Hub::from_env()?;
        let mut source = Source {
            train: hub.dataset_files(name, None, None, "train")?,
            test: hub.dataset_files(name, None, None, "test")?,
            unsupervised: Vec::new(),
        };
        if self.config.model.from_scratch {
            // A data set without unlabelled texts is fine.
            source.unsupervised = hub.dataset_files(name, None, None, "unsupervised").unwrap_or_default();
        }
        Ok(source)
    }
}

/// A text of one word has no first half.
fn without_empty_prompts(mut splits: Splits) -> Splits {
    let keep = |sample: &Sample| !sample.prompt.is_empty();
    splits.train.retain(keep);
    splits.validation.retain(keep);
    splits.test.retain(keep);
    splits
}
