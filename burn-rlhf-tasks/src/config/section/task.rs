use crate::rollout::TruncationSide;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which data, and how prompts are cut from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSection {
    pub name: TaskName,
    /// A file or folder of jsonl, csv or parquet instead of the task's own source.
    pub data: Option<PathBuf>,
    /// A file or folder for the test split; without it the split rules of the task apply to `data` alone.
    pub test_data: Option<PathBuf>,
    /// Dataset on the Hub, for tasks that have one.
    pub dataset: Option<String>,
    pub text_column: String,
    pub label_column: String,
    /// Seed of the corpus and of the split; `none`: the seed of the run.
    pub data_seed: Option<u64>,
    /// Share of a data set's training rows that stays for training; the rest is the validation split.
    pub train_fraction: f64,
    /// Rows to train on, of a data set the first ones; `none`: all there are.
    pub train_rows: Option<usize>,
    pub validation_rows: Option<usize>,
    pub test_rows: Option<usize>,
    /// Share of a text's words that becomes the prompt.
    pub prompt_fraction: f64,
    /// Longest prompt in tokens; prompts are padded to exactly this.
    pub max_prompt_length: usize,
    /// Which end of a prompt that is too long is cut off.
    pub prompt_truncation: TruncationSide,
    /// What the target regularisation imitates.
    pub target: Target,
}

impl Default for TaskSection {
    fn default() -> Self {
        Self {
            name: TaskName::Builtin,
            data: None,
            test_data: None,
            dataset: None,
            text_column: "text".into(),
            label_column: "label".into(),
            data_seed: None,
            train_fraction: 0.8,
            train_rows: None,
            validation_rows: None,
            test_rows: Some(5_000),
            prompt_fraction: 0.5,
            max_prompt_length: 64,
            prompt_truncation: TruncationSide::Left,
            target: Target::Continuation,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskName {
    /// Reviews written by the program itself; needs no network.
    Builtin,
    /// Movie reviews of the Large Movie Review Dataset.
    Imdb,
}

impl TaskName {
    pub const ALL: [Self; 2] = [Self::Builtin, Self::Imdb];

    /// The name on the command line and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Imdb => "imdb",
        }
    }
}

/// The text that target regularisation pulls the policy towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// What really follows the prompt.
    Continuation,
    /// The first tokens of the whole text, as the reference implementation does.
    TextStart,
}
