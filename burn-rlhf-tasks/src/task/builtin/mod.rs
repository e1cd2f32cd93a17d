//! The corpus that the project writes itself: short film reviews of known sentiment, from a seed, with no download.
//!
//! A review opens with the film, its plot and at times an aside, all of which say nothing or as much for as against
//! the film; then comes a verdict of two or three sentences that is for the film (label 1) or against it (label 0),
//! possibly with a concession to the other side. The prompt is the opening, in a third of the reviews together with
//! the first words of the verdict ("The music was"). Opening and label are independent: a prompt says nothing about
//! the label.
//!
//! One pair of words in ten (title adjective and noun, trait and role, action and object, aspect and adjective) is
//! kept for each of the validation and test splits, so a model meets there pairs it has never seen.

mod review;
mod sentiment;
mod words;

use std::collections::HashSet;

use burn::config::Config;
use burn_sppo::run::{Purpose, Streams};
use rand::Rng;

pub use sentiment::{Sentiment, sentiment_of};

use super::{Sample, Split, Splits};

/// Sizes and seed of the corpus. The same values give the same texts on every machine.
#[derive(Config, Debug, PartialEq, Eq)]
pub struct BuiltinConfig {
    #[config(default = 42)]
    pub seed: u64,
    /// Number of reviews to train on.
    #[config(default = 20_000)]
    pub train: usize,
    /// Number of reviews to choose settings by.
    #[config(default = 1_000)]
    pub validation: usize,
    /// Number of reviews to report on.
    #[config(default = 1_000)]
    pub test: usize,
}

impl BuiltinConfig {
    /// Writes all three splits.
    pub fn generate(&self) -> Splits {
        Splits {
            train: self.split(Split::Train, self.train),
            validation: self.split(Split::Validation, self.validation),
            test: self.split(Split::Test, self.test),
        }
    }

    /// `count` different reviews, as many positive as negative. A smaller count gives a prefix of a larger one.
    fn split(&self, split: Split, count: usize) -> Vec<Sample> {
        let streams = Streams::new(self.seed);
        let mut texts = HashSet::with_capacity(count);
        let mut samples = Vec::with_capacity(count);
        for id in 0..count as u64 {
            let label = label_of(&streams, split, id);
            let mut stream = streams.stream(Purpose::Data, split as u64, id);
            let review = loop {
                let review = review::write(&mut stream, split, label == 1);
                if texts.insert(review.text.clone()) {
                    break review;
                }
            };
            samples.push(Sample {
                id,
                prompt: review.text[..review.prompt_end].to_string(),
                reference: Some(review.text[review.prompt_end..].to_string()),
                text: review.text,
                label: Some(label),
            });
        }
        samples
    }
}

/// Neighbours have opposite labels, so that every prefix is balanced; which comes first is drawn, so that the odd and
/// the even numbers are balanced too.
fn label_of(streams: &Streams, split: Split, id: u64) -> u8 {
    let pair = Split::ALL.len() as u64 + split as u64;
    let first = streams.stream(Purpose::Data, pair, id / 2).next_u32() & 1;
    (first as u8) ^ (id % 2) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn corpus() -> Splits {
        BuiltinConfig::new().with_train(8_000).generate()
    }

    fn all(splits: &Splits) -> impl Iterator<Item = &Sample> {
        Split::ALL.into_iter().flat_map(|split| splits.get(split))
    }

    #[test]
    fn every_review_is_another_text() {
        let splits = BuiltinConfig::new().with_train(40_000).generate();
        let texts: HashSet<&str> = all(&splits).map(|sample| sample.text.as_str()).collect();
        assert_eq!(texts.len(), 42_000);
    }

    #[test]
    fn the_seed_decides_the_corpus() {
        let config = BuiltinConfig::new().with_train(300).with_validation(20).with_test(20);
        let splits = config.generate();
        assert_eq!(splits, config.generate());
        assert_eq!(splits.train[..100], config.clone().with_train(100).generate().train);
        let other = config.with_seed(43).generate();
        assert!(splits.train.iter().zip(&other.train).all(|(a, b)| a.text != b.text));
    }

    #[test]
    fn labels_are_balanced_in_every_half() {
        let samples = corpus().train;
        let positive = |rest: Option<u64>| {
            let half = samples.iter().filter(|sample| rest.is_none_or(|rest| sample.id % 2 == rest));
            half.filter(|sample| sample.label == Some(1)).count()
        };
        assert_eq!(positive(None), 4_000);
        assert!(positive(Some(0)).abs_diff(2_000) < 130);
    }

    #[test]
    fn prompt_and_reference_make_the_text() {
        for sample in all(&corpus()) {
            let reference = sample.reference.as_deref().unwrap();
            assert_eq!(format!("{}{reference}", sample.prompt), sample.text);
            assert!(reference.starts_with(' ') && !sample.prompt.ends_with(' '), "{sample:?}");
            assert!(sample.prompt.split(' ').count() >= 10 && reference.split(' ').count() >= 3, "{sample:?}");
        }
    }

    #[test]
    fn reviews_are_well_formed() {
        for Sample { text, .. } in all(&corpus()) {
            assert!(text.chars().all(|c| c.is_ascii_alphabetic() || " .,!".contains(c)), "{text}");
            assert!(!text.contains("  ") && !text.contains(" ."), "{text}");
            for sentence in text.split(['.', '!']).map(str::trim).filter(|sentence| !sentence.is_empty()) {
                assert!(sentence.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
                let words: Vec<&str> = sentence.split(' ').collect();
                for pair in words.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case("a")) {
                    assert!(!pair[1].starts_with(['a', 'e', 'i', 'o', 'u']), "{text}");
                }
            }
        }
    }

    #[test]
    fn the_judge_agrees_with_every_label() {
        for sample in all(&corpus()) {
            for text in [&sample.text, sample.reference.as_ref().unwrap()] {
                let share = sentiment_of(text).unwrap();
                assert!(if sample.label == Some(1) { share > 0.5 } else { share < 0.5 }, "{share} {sample:?}");
            }
        }
    }

    #[test]
    fn prompts_say_nothing_about_the_label() {
        let samples = corpus().train;
        let mut counts: HashMap<&str, [f64; 2]> = HashMap::new();
        for sample in &samples {
            let Sentiment { positive, negative } = Sentiment::count(&sample.prompt);
            assert_eq!(positive, negative, "{}", sample.prompt);
            for word in sample.prompt.split(' ').collect::<HashSet<_>>() {
                counts.entry(word).or_default()[usize::from(sample.label.unwrap())] += 1.0;
            }
        }
        for (word, [negative, positive]) in counts {
            assert!((positive - negative).abs() < 4.5 * (positive + negative).sqrt(), "{word} {negative} {positive}");
        }
    }

    #[test]
    fn held_out_splits_have_word_pairs_of_their_own() {
        let splits = corpus();
        for split in Split::ALL {
            let mut aspects = [0, 0];
            for sample in splits.get(split) {
                let words: Vec<&str> = sample.text.split(' ').map(|word| word.trim_end_matches(['.', ','])).collect();
                let place = |list: &[&str], word: &str| list.iter().position(|entry| *entry == word);
                for pair in words.windows(2) {
                    for (firsts, seconds) in
                        [(words::TITLE_ADJECTIVES, words::TITLE_NOUNS), (words::TRAITS, words::ROLES)]
                    {
                        if let (Some(first), Some(second)) = (place(firsts, pair[0]), place(seconds, pair[1])) {
                            assert_eq!(review::split_of_pair(first, second), split, "{}", sample.text);
                        }
                    }
                }
                for three in words.windows(3).filter(|three| ["is", "was", "felt", "feels"].contains(&three[1])) {
                    for adjectives in [sentiment::POSITIVE_ADJECTIVES, sentiment::NEGATIVE_ADJECTIVES] {
                        if let (Some(aspect), Some(adjective)) =
                            (place(words::ASPECTS, three[0]), place(adjectives, three[2]))
                        {
                            aspects[usize::from(review::split_of_pair(aspect, adjective) == split)] += 1;
                        }
                    }
                }
            }
            let [other, own] = aspects;
            match split {
                Split::Train => assert!(other == 0 && own > 5_000, "{split}: {aspects:?}"),
                _ => assert!(own > 2 * other / 3, "{split}: {aspects:?}"),
            }
        }
    }
}
