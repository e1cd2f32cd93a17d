//! What comes before training from rewards: data, tokenizer, language model, judges. Each stage is kept in a folder
//! whose name is the hash of everything it depends on, so that it is made once.

mod cache;
mod data;
mod evaluation;
mod judge;
mod policy;
mod tokenizer;

use std::path::{Path, PathBuf};

use burn::{tensor::Device, train::Interrupter};
use burn_rlhf_tasks::{
    config::RunConfig,
    model::{
        kernel::{Compute, Precision},
        tokenizer::Tokenizer,
    },
    task::Splits,
};

pub use cache::Fingerprint;
pub use judge::Judges;

use crate::{console::Console, failure::Failure};

/// Everything that a stage needs to know of the program around it.
pub struct Stages<'a> {
    pub config: &'a RunConfig,
    /// Folder of finished stages.
    pub folder: PathBuf,
    /// Device without gradients.
    pub device: Device,
    pub console: Console,
    pub interrupter: Interrupter,
}

/// The data set of a run.
pub struct Data {
    pub splits: Splits,
    /// Unlabelled texts for the language model, besides those of the training split.
    pub unlabelled: Vec<String>,
    pub fingerprint: Fingerprint,
}

/// A model in a folder, with its tokenizer.
pub struct Stored<M> {
    pub model: M,
    pub tokenizer: Tokenizer,
    pub folder: PathBuf,
}

impl Stages<'_> {
    /// How the models' products are computed; every model keeps packed weights of its own.
    pub fn compute(&self) -> Compute {
        Compute::new(self.config.model.precision)
    }

    /// How they are computed while stages train them.
    fn stage_precision(&self) -> Precision {
        self.config.model.stage_precision.unwrap_or(self.config.model.precision)
    }

    /// The seed of the models that are made here.
    fn seed(&self) -> u64 {
        self.config.model.seed.unwrap_or(self.config.seed)
    }

    fn interrupted(&self) -> Failure {
        Failure::Interrupted("a checkpoint of this stage has been written; the same command goes on with it".into())
    }

    fn stage_folder(&self, name: &str, fingerprint: &Fingerprint) -> PathBuf {
        self.folder.join(format!("{name}-{}", fingerprint.short()))
    }

    /// Writes a stage beside its folder and then moves it there, so that the folder is whole or absent.
    fn finish(&self, folder: &Path, write: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
        let partial = folder.with_extension("writing");
        if partial.exists() {
            std::fs::remove_dir_all(&partial)?;
        }
        let create = |path: &Path| {
            std::fs::create_dir_all(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
        };
        create(&partial)?;
        write(&partial)?;
        std::fs::rename(&partial, folder).map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))
    }
}

/// Whether a finished stage lies in `folder`.
fn is_finished(folder: &Path) -> bool {
    folder.is_dir()
}
