use burn_sppo::run::{Purpose, Streams};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{generate::SpecialTokens, task::Sample};

/// Which end of a text is cut off when it is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruncationSide {
    /// The beginning goes, the end stays.
    #[default]
    Left,
    /// The end goes, the beginning stays.
    Right,
}

impl TruncationSide {
    /// At most `length` of `tokens`.
    pub fn truncate(self, tokens: &[u32], length: usize) -> &[u32] {
        let length = length.min(tokens.len());
        match self {
            Self::Left => &tokens[tokens.len() - length..],
            Self::Right => &tokens[..length],
        }
    }
}

/// Why prompts cannot be made of samples.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PromptError {
    #[error("there are no samples to take prompts from")]
    Empty,
    #[error("the prompt of sample {id} has no tokens: leave such samples out")]
    NoTokens { id: u64 },
    #[error(
        "prompts of up to {prompt} tokens and responses of up to {response} do not fit the model's window of {window}: \
         shorten one of them"
    )]
    Window { prompt: usize, response: usize, window: usize },
}

/// Checks that prompts and responses fit a model that sees `window` tokens.
///
/// # Errors
/// [`PromptError::Window`] if they do not.
pub fn check_window(prompt: usize, response: usize, window: usize) -> Result<(), PromptError> {
    match prompt + response > window {
        true => Err(PromptError::Window { prompt, response, window }),
        false => Ok(()),
    }
}

struct Prompt {
    sample: Sample,
    tokens: Vec<u32>,
    reference: Vec<u32>,
}

/// Prompts as tokens, drawn without repetition until all have had their turn.
pub struct PromptSource {
    prompts: Vec<Prompt>,
    special: SpecialTokens,
}

impl PromptSource {
    /// Encodes all samples, cutting prompts to `max_length` tokens on `side`.
    ///
    /// # Errors
    /// Without samples, and for a prompt without tokens.
    pub fn new(
        samples: Vec<Sample>,
        encode: impl Fn(&str) -> Vec<u32>,
        max_length: usize,
        side: TruncationSide,
        special: SpecialTokens,
    ) -> Result<Self, PromptError> {
        if samples.is_empty() {
            return Err(PromptError::Empty);
        }
        let prompts: Result<Vec<Prompt>, PromptError> = samples
            .into_iter()
            .map(|sample| {
                let tokens = side.truncate(&encode(&sample.prompt), max_length).to_vec();
                let reference = sample.reference.as_deref().map(&encode).unwrap_or_default();
                match tokens.is_empty() {
                    true => Err(PromptError::NoTokens { id: sample.id }),
                    false => Ok(Prompt { sample, tokens, reference }),
                }
            })
            .collect();
        Ok(Self { prompts: prompts?, special })
    }

    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    pub fn special_tokens(&self) -> SpecialTokens {
        self.special
    }

    pub fn sample(&self, index: usize) -> &Sample {
        &self.prompts[index].sample
    }

    /// The prompt of a sample, cut to length.
    pub fn tokens(&self, index: usize) -> &[u32] {
        &self.prompts[index].tokens
    }

    /// The wanted answer to a prompt, if the data have one.
    pub fn reference(&self, index: usize) -> Option<&str> {
        self.prompts[index].sample.reference.as_deref()
    }

    /// The first `length` tokens of the wanted answer.
    pub fn reference_tokens(&self, index: usize, length: usize) -> Vec<u32> {
        TruncationSide::Right.truncate(&self.prompts[index].reference, length).to_vec()
    }

    /// Longest prompt, in tokens.
    pub fn longest(&self) -> usize {
        self.prompts.iter().map(|prompt| prompt.tokens.len()).max().unwrap_or(0)
    }

    /// Indices of the `count` prompts of `iteration`, 1 for the first.
    ///
    /// Every pass over the source is shuffled anew, and what is left of a pass that cannot fill an iteration is left
    /// out. The draw depends on the iteration alone, so a resumed run needs no cursor. More prompts than there are
    /// take several passes.
    pub fn draw(&self, streams: Streams, iteration: u64, count: usize) -> Vec<usize> {
        let (len, place) = (self.len(), iteration.saturating_sub(1));
        if count == 0 {
            return Vec::new();
        }
        if count > len {
            let passes = count.div_ceil(len) as u64;
            let mut all: Vec<usize> = (0..passes).flat_map(|pass| self.pass(streams, place * passes + pass)).collect();
            all.truncate(count);
            return all;
        }
        let per_pass = (len / count) as u64;
        let start = (place % per_pass) as usize * count;
        self.pass(streams, place / per_pass)[start..start + count].to_vec()
    }

    fn pass(&self, streams: Streams, pass: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut streams.stream(Purpose::Prompts, pass, 0));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(count: usize) -> PromptSource {
        let samples = (0..count as u64)
            .map(|id| Sample {
                id,
                text: format!("{id} and more"),
                prompt: id.to_string(),
                reference: Some(" and more".into()),
                label: None,
            })
            .collect();
        let encode = |text: &str| text.bytes().map(u32::from).collect();
        PromptSource::new(samples, encode, 2, TruncationSide::Left, SpecialTokens { pad: 0, eos: 1 }).unwrap()
    }

    #[test]
    fn every_prompt_has_its_turn_once_a_pass() {
        let source = source(10);
        let streams = Streams::new(3);
        let mut first: Vec<usize> = (1..=3).flat_map(|iteration| source.draw(streams, iteration, 3)).collect();
        let order = first.clone();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 9);
        let second: Vec<usize> = (4..=6).flat_map(|iteration| source.draw(streams, iteration, 3)).collect();
        assert_ne!(order, second);
        assert_eq!(source.draw(streams, 5, 3), second[3..6]);
    }

    #[test]
    fn a_pass_uses_no_prompt_twice_and_all_where_iterations_fill_it() {
        for (len, count) in (1..=12).flat_map(|len| (1..=len).map(move |count| (len, count))) {
            let source = source(len);
            let streams = Streams::new(5);
            let iterations = (len / count) as u64;
            for pass in 0..3 {
                let mut drawn: Vec<usize> = (1..=iterations)
                    .flat_map(|iteration| source.draw(streams, pass * iterations + iteration, count))
                    .collect();
                drawn.sort_unstable();
                drawn.dedup();
                assert_eq!(drawn.len(), len - len % count, "{count} of {len}");
            }
        }
    }

    #[test]
    fn the_end_of_a_text_is_kept_on_one_side_and_its_beginning_on_the_other() {
        let tokens = [1, 2, 3, 4];
        for length in 0..=6 {
            assert_eq!(TruncationSide::Left.truncate(&tokens, length), &tokens[4 - length.min(4)..]);
            assert_eq!(TruncationSide::Right.truncate(&tokens, length), &tokens[..length.min(4)]);
        }
    }

    #[test]
    fn more_prompts_than_there_are_take_several_passes() {
        let source = source(4);
        let drawn = source.draw(Streams::new(3), 1, 9);
        assert_eq!(drawn.len(), 9);
        assert!((0..4).all(|index| drawn[..4].contains(&index) && drawn[4..8].contains(&index)));
    }

    #[test]
    fn prompts_are_cut_on_the_left_and_references_on_the_right() {
        let source = source(101);
        assert_eq!(source.tokens(100), [48, 48]);
        assert_eq!(source.reference_tokens(0, 4), b" and".map(u32::from));
    }

    #[test]
    fn what_cannot_be_a_prompt_is_an_error() {
        let special = SpecialTokens { pad: 0, eos: 1 };
        let nothing = |_: &str| Vec::new();
        let error = PromptSource::new(Vec::new(), nothing, 8, TruncationSide::Left, special).err();
        assert_eq!(error, Some(PromptError::Empty));
        let sample = Sample { id: 7, text: String::new(), prompt: String::new(), reference: None, label: None };
        let error = PromptSource::new(vec![sample], nothing, 8, TruncationSide::Left, special).err();
        assert_eq!(error, Some(PromptError::NoTokens { id: 7 }));
        assert!(check_window(8, 9, 16).is_err() && check_window(8, 8, 16).is_ok());
    }
}
