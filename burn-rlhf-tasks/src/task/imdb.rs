//! The Large Movie Review Dataset (Maas et al. 2011), or any other labelled texts in the same form.
//!
//! The sizes and prompts are those of the IMDB task of the reference implementation (arXiv 2405.17618, after TRIL):
//! the train split is shuffled and its first 80 % are trained on, the rest is the validation split; the first 5000
//! reviews of the shuffled test split are the test split; a prompt is the first half of a review's words.
//!
//! The shuffle is this project's own. It is repeatable from the seed, but which reviews fall on which side differs
//! from `datasets.Dataset.shuffle`, whose permutation comes from NumPy's generator.

use burn::config::Config;
use burn_sppo::run::{Purpose, Streams};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use std::path::PathBuf;

use super::{Columns, DataError, Row, Rows, Sample, Source, Split, Splits};

/// What the reference of a sample is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// What follows the prompt in the review, from the space between them on.
    #[default]
    Continuation,
    /// The whole review, as in the reference implementation.
    FullText,
}

/// How samples are made from labelled texts.
#[derive(Config, Debug, PartialEq)]
pub struct ImdbConfig {
    /// Seed of the shuffle.
    #[config(default = 42)]
    pub seed: u64,
    #[config(default = "\"text\".to_string()")]
    pub text_column: String,
    #[config(default = "\"label\".to_string()")]
    pub label_column: String,
    /// Share of the train split that is trained on; the rest is the validation split.
    #[config(default = 0.8)]
    pub train_fraction: f64,
    /// Most samples of the test split.
    #[config(default = 5_000)]
    pub test_size: usize,
    /// Share of a text's words that is the prompt.
    #[config(default = 0.5)]
    pub prompt_fraction: f64,
    #[config(default = "Reference::Continuation")]
    pub reference: Reference,
    /// Puts a space in the place of `<br />` marks. The texts are not changed otherwise.
    #[config(default = false)]
    pub strip_line_breaks: bool,
}

impl ImdbConfig {
    /// Reads the train and test files of `source` and makes the three splits. The id of a sample is the place of its
    /// row in the files. Without test files the test split is empty.
    ///
    /// # Errors
    /// If a fraction is not between 0 and 1, a file is unreadable or malformed, or there is no row to train on.
    pub fn load(&self, source: &Source) -> Result<Splits, DataError> {
        self.check()?;
        let columns = Columns::new(&self.text_column, Some(&self.label_column));
        let mut train = self.shuffled(read(&source.train, &columns)?, Split::Train);
        if train.is_empty() {
            return Err(DataError::Empty { paths: source.train.clone() });
        }
        let validation = train.split_off((train.len() as f64 * self.train_fraction) as usize);
        let mut test = self.shuffled(read(&source.test, &columns)?, Split::Test);
        if test.is_empty() && !source.test.is_empty() {
            return Err(DataError::Empty { paths: source.test.clone() });
        }
        test.truncate(self.test_size);
        let samples = |rows: Vec<(u64, Row)>| rows.into_iter().map(|(id, row)| self.sample(id, row)).collect();
        Ok(Splits { train: samples(train), validation: samples(validation), test: samples(test) })
    }

    /// The unlabelled texts of `source`, one by one and in order, for training a language model. A label column is not
    /// looked at.
    ///
    /// # Errors
    /// If there are no such files, or the first cannot be opened. Other errors come with the row they are met at.
    pub fn unsupervised(
        &self,
        source: &Source,
    ) -> Result<impl Iterator<Item = Result<Sample, DataError>> + use<>, DataError> {
        self.check()?;
        let Some((first, rest)) = source.unsupervised.split_first() else {
            return Err(DataError::Empty { paths: Vec::new() });
        };
        let columns = Columns::new(&self.text_column, None);
        let (rest, config) = (rest.to_vec(), self.clone());
        let first = Rows::open(first, &columns)?;
        let rows = first.chain(rest.into_iter().flat_map(move |path| match Rows::open(&path, &columns) {
            Ok(rows) => Box::new(rows) as Box<dyn Iterator<Item = Result<Row, DataError>>>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        }));
        Ok(rows.zip(0..).map(move |(row, id)| Ok(config.sample(id, row?))))
    }

    fn check(&self) -> Result<(), DataError> {
        for (setting, value) in [("train_fraction", self.train_fraction), ("prompt_fraction", self.prompt_fraction)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(DataError::Fraction { setting, value });
            }
        }
        Ok(())
    }

    fn shuffled(&self, rows: Vec<Row>, split: Split) -> Vec<(u64, Row)> {
        let mut rows: Vec<(u64, Row)> = (0..).zip(rows).collect();
        rows.shuffle(&mut Streams::new(self.seed).stream(Purpose::Data, split as u64, 0));
        rows
    }

    fn sample(&self, id: u64, row: Row) -> Sample {
        let text = if self.strip_line_breaks { without_line_breaks(&row.text) } else { row.text };
        let end = prompt_end(&text, self.prompt_fraction);
        let reference = match self.reference {
            Reference::Continuation => text[end..].to_string(),
            Reference::FullText => text.clone(),
        };
        Sample { id, prompt: text[..end].to_string(), reference: Some(reference), text, label: row.label }
    }
}

fn read(files: &[PathBuf], columns: &Columns) -> Result<Vec<Row>, DataError> {
    let mut rows = Vec::new();
    for file in files {
        for row in Rows::open(file, columns)? {
            rows.push(row?);
        }
    }
    Ok(rows)
}

/// Where the first `int(fraction * n)` of the `n` words end. Words are what single spaces separate, so that two
/// spaces in a row have an empty word between them.
fn prompt_end(text: &str, fraction: f64) -> usize {
    let words = text.split(' ').count();
    let kept = (words as f64 * fraction) as usize;
    match kept {
        0 => 0,
        kept => text.match_indices(' ').nth(kept - 1).map_or(text.len(), |(place, _)| place),
    }
}

fn without_line_breaks(text: &str) -> String {
    let parts = text.split("<br />").map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::Write;

    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, rows: usize) -> PathBuf {
        let mut lines = String::new();
        for row in 0..rows {
            let text = format!("{name} review {row} is<br /><br />good  or not");
            writeln!(lines, "{}", serde_json::json!({ "text": text, "label": row % 2 })).unwrap();
        }
        let path = folder.path().join(format!("{name}.jsonl"));
        std::fs::write(&path, lines).unwrap();
        path
    }

    fn source(folder: &tempfile::TempDir) -> Source {
        Source {
            train: vec![file(folder, "train-0", 30), file(folder, "train-1", 25)],
            test: vec![file(folder, "test", 40)],
            unsupervised: vec![file(folder, "unsup-0", 3), file(folder, "unsup-1", 4)],
        }
    }

    #[test]
    fn splits_have_the_sizes_of_the_reference_implementation() {
        let folder = tempfile::tempdir().unwrap();
        let splits = ImdbConfig::new().with_test_size(15).load(&source(&folder)).unwrap();
        assert_eq!((splits.train.len(), splits.validation.len(), splits.test.len()), (44, 11, 15));
        let ids: HashSet<u64> = splits.train.iter().chain(&splits.validation).map(|sample| sample.id).collect();
        assert_eq!(ids, (0..55).collect());
        for sample in splits.train.iter().chain(&splits.validation) {
            let (name, row) = if sample.id < 30 { ("train-0", sample.id) } else { ("train-1", sample.id - 30) };
            assert!(sample.text.starts_with(&format!("{name} review {row} ")), "{sample:?}");
            assert_eq!(sample.label, Some((row % 2) as u8));
        }
        assert!(splits.test.iter().all(|sample| sample.text.starts_with("test ")));
    }

    #[test]
    fn the_seed_decides_the_shuffle() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(&folder);
        let ids = |seed: u64| -> Vec<u64> {
            let splits = ImdbConfig::new().with_seed(seed).load(&source).unwrap();
            splits.train.iter().map(|sample| sample.id).collect()
        };
        assert_eq!(ids(42), ids(42));
        assert_ne!(ids(42), ids(43));
        assert!(ids(42).windows(2).any(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn a_prompt_is_the_first_half_of_the_words_between_single_spaces() {
        let sample = |config: ImdbConfig, text: &str| config.sample(7, Row { text: text.to_string(), label: Some(1) });
        for (text, prompt) in [
            ("one two three four", "one two"),
            ("one two three four five", "one two"),
            ("one", ""),
            ("", ""),
            ("a  b c", "a "),
            ("a<br /><br />b c d\ne f", "a<br /><br />b"),
            (" été déjà vu", " été"),
        ] {
            let made = sample(ImdbConfig::new(), text);
            assert_eq!(made.prompt, prompt);
            // The rule as it is stated, in place of the byte offset.
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(made.prompt, words[..words.len() / 2].join(" "));
            assert_eq!(format!("{}{}", made.prompt, made.reference.unwrap()), text);
            let made = sample(ImdbConfig::new().with_reference(Reference::FullText), text);
            assert_eq!((made.prompt.as_str(), made.reference.as_deref()), (prompt, Some(text)));
            assert_eq!(sample(ImdbConfig::new().with_prompt_fraction(1.0), text).prompt, text);
        }
        assert_eq!((sample(ImdbConfig::new(), "a b").id, sample(ImdbConfig::new(), "a b").label), (7, Some(1)));
    }

    #[test]
    fn line_breaks_stay_unless_they_are_to_be_stripped() {
        let row = || Row { text: "Good.<br /><br />Very good. <br />".to_string(), label: None };
        assert_eq!(ImdbConfig::new().sample(0, row()).text, row().text);
        assert_eq!(ImdbConfig::new().with_strip_line_breaks(true).sample(0, row()).text, "Good. Very good.");
    }

    #[test]
    fn unlabelled_texts_come_in_order_whatever_their_label_column_holds() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = source(&folder);
        let last = folder.path().join("unsup-2.jsonl");
        std::fs::write(&last, "{\"text\": \"no label\"}\n{\"text\": \"the Hub's\", \"label\": -1}\n").unwrap();
        source.unsupervised.push(last);
        let samples: Vec<Sample> = ImdbConfig::new().unsupervised(&source).unwrap().map(Result::unwrap).collect();
        assert_eq!(samples.len(), 9);
        assert!(samples[3].text.starts_with("unsup-1 review 0") && samples[8].text == "the Hub's");
        assert!(samples.iter().zip(0..).all(|(sample, id)| sample.id == id && sample.label.is_none()));
    }

    #[test]
    fn data_without_rows_and_wrong_fractions_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let full = source(&folder);
        let empty = file(&folder, "empty", 0);
        let load = |source: &Source| ImdbConfig::new().load(source).unwrap_err();
        assert!(matches!(load(&Source { train: vec![empty.clone()], ..full.clone() }), DataError::Empty { .. }));
        let error = load(&Source { test: vec![empty.clone()], ..full.clone() });
        assert!(error.to_string().contains("empty.jsonl"), "{error}");
        assert!(ImdbConfig::new().load(&Source { test: vec![], ..full.clone() }).unwrap().test.is_empty());
        assert!(ImdbConfig::new().unsupervised(&Source::default()).is_err());
        for config in [ImdbConfig::new().with_train_fraction(1.5), ImdbConfig::new().with_prompt_fraction(f64::NAN)] {
            assert!(matches!(config.load(&full), Err(DataError::Fraction { .. })));
        }
    }
}
