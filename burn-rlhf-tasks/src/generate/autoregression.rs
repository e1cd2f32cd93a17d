use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use burn_sppo::run::Stream;
use rayon::prelude::*;

use super::{Decoder, GenerateError, KeepRows, LogitsProcessor, SamplingConfig, processor::MinLength, row::Row};

/// Tokens with a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Fills rows; never seen by real tokens.
    pub pad: u32,
    /// Ends a response. A number outside of the vocabulary ends none.
    pub eos: u32,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// New tokens up to and including the first end token.
    pub tokens: Vec<u32>,
    /// Log-probability of each token, over the whole vocabulary at temperature 1.
    pub log_prob: Vec<f32>,
    /// Entropy in nats of the distribution that each token's log-probability is from.
    pub entropy: Vec<f32>,
    /// Whether it ended with an end token, not at the longest length.
    pub finished: bool,
}

/// Samples a response to each prompt. `streams` holds one random stream for each of them, so that a response depends
/// neither on the other prompts nor on how many there are. A module that is being trained has to be given without its
/// gradients (`valid()`), else every step stays in memory.
///
/// # Errors
/// For settings out of range, prompts that are empty, too long or of unknown tokens, and scores that are not finite.
pub fn generate<D: Decoder>(
    decoder: &D,
    prompts: &[&[u32]],
    sampling: &SamplingConfig,
    special: SpecialTokens,
    streams: &mut [Stream],
    device: &Device,
) -> Result<Vec<Generated>, GenerateError> {
    generate_with(decoder, prompts, sampling, special, &[], streams, device)
}

/// [`generate`] with processors, which come before everything that `sampling` asks for.
///
/// # Errors
/// As [`generate`], and if a processor leaves no token.
pub fn generate_with<D: Decoder>(
    decoder: &D,
    prompts: &[&[u32]],
    sampling: &SamplingConfig,
    special: SpecialTokens,
    processors: &[&dyn LogitsProcessor],
    streams: &mut [Stream],
    device: &Device,
) -> Result<Vec<Generated>, GenerateError> {
    check(decoder, prompts, sampling, special, streams.len())?;
    if prompts.is_empty() || sampling.max_new_tokens == 0 {
        return Ok(vec![Generated::default(); prompts.len()]);
    }
    let min_length = MinLength { min_length: sampling.min_length, eos: special.eos };
    let processors: Vec<&dyn LogitsProcessor> = processors.iter().copied().chain([&min_length as _]).collect();
    let mut rows: Vec<Row> = prompts
        .iter()
        .zip(streams)
        .enumerate()
        .map(|(index, (&prompt, stream))| Row::new(index, prompt, sampling.max_new_tokens, stream))
        .collect();
    let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
    // The last new token is never fed.
    let mut feed = Feed {
        cache: decoder.new_cache(rows.len(), longest + sampling.max_new_tokens - 1, device),
        decoder,
        longest,
        pad: special.pad,
        device,
    };
    let mut logits = feed.prompts(&rows)?;
    // Indices into `rows` of those that the cache still holds.
    let mut fed: Vec<usize> = (0..rows.len()).collect();
    loop {
        let vocab_size = logits.len() / fed.len();
        rows.par_iter_mut().filter(|row| !row.response.finished).try_for_each(|row| {
            let place = fed.binary_search(&row.index).expect("a row that has not ended is still fed");
            row.extend(&logits[place * vocab_size..][..vocab_size], &processors, sampling, special.eos)
        })?;
        let open: Vec<usize> = rows.iter().filter(|row| !row.response.finished).map(|row| row.index).collect();
        let step = rows.iter().map(|row| row.response.tokens.len()).max().unwrap_or(0);
        if open.is_empty() || step == sampling.max_new_tokens {
            break;
        }
        // Taking rows out copies the cache; at half of them that is soon paid back.
        if 2 * open.len() <= fed.len() {
            let places: Vec<usize> = (0..fed.len()).filter(|&place| open.binary_search(&fed[place]).is_ok()).collect();
            feed.cache.keep_rows(&places);
            fed = open;
        }
        logits = feed.step(fed.iter().map(|&index| &rows[index]), step)?;
    }
    Ok(rows.into_iter().map(|row| row.response).collect())
}

fn check<D: Decoder>(
    decoder: &D,
    prompts: &[&[u32]],
    sampling: &SamplingConfig,
    special: SpecialTokens,
    streams: usize,
) -> Result<(), GenerateError> {
    sampling.check()?;
    let (vocab_size, context_length) = (decoder.vocab_size(), decoder.context_length());
    let max_new_tokens = sampling.max_new_tokens;
    if streams != prompts.len() {
        return Err(GenerateError::Streams { prompts: prompts.len(), streams });
    }
    if special.pad as usize >= vocab_size {
        return Err(GenerateError::UnknownPadding { pad: special.pad, vocab_size });
    }
    for (row, prompt) in prompts.iter().enumerate() {
        if prompt.is_empty() {
            return Err(GenerateError::EmptyPrompt { row });
        }
        if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocab_size) {
            return Err(GenerateError::UnknownToken { row, token, vocab_size });
        }
        if prompt.len().saturating_add(max_new_tokens) > context_length {
            return Err(GenerateError::TooLong { row, prompt: prompt.len(), max_new_tokens, context_length });
        }
    }
    Ok(())
}

/// Hands tokens to the model and reads its scores.
struct Feed<'a, D: Decoder> {
    decoder: &'a D,
    cache: D::Cache,
    /// Length of the longest prompt; shorter ones are padded on the left.
    longest: usize,
    pad: u32,
    device: &'a Device,
}

impl<D: Decoder> Feed<'_, D> {
    /// All prompts at once.
    fn prompts(&mut self, rows: &[Row]) -> Result<Vec<f32>, GenerateError> {
        let mut tokens = Vec::with_capacity(rows.len() * self.longest);
        let mut positions = Vec::with_capacity(tokens.capacity());
        for Row { prompt, .. } in rows {
            let padding = self.longest - prompt.len();
            tokens.extend(std::iter::repeat_n(self.pad, padding).chain(prompt.iter().copied()).map(i64::from));
            // Positions of padding only have to be valid.
            positions.extend(std::iter::repeat_n(0, padding).chain(0..prompt.len() as i64));
        }
        self.decode(rows.len(), tokens, positions, self.attention(rows.iter(), 0))
    }

    /// The newest token of each row, which has been given `step` of them. Rows that have ended go on with padding.
    fn step<'r>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'r Row<'r>> + Clone,
        step: usize,
    ) -> Result<Vec<f32>, GenerateError> {
        let token = |row: &Row| match row.response.finished {
            true => self.pad,
            false => row.response.tokens.last().copied().unwrap_or(self.pad),
        };
        let tokens = rows.clone().map(|row| i64::from(token(row))).collect();
        let positions = rows.clone().map(|row| (row.prompt.len() + step - 1) as i64).collect();
        let attention = self.attention(rows.clone(), step);
        self.decode(rows.len(), tokens, positions, attention)
    }

    /// True at real tokens, with `step` new ones.
    fn attention<'r>(&self, rows: impl Iterator<Item = &'r Row<'r>>, step: usize) -> Vec<bool> {
        let width = self.longest + step;
        rows.flat_map(|row| {
            let padding = self.longest - row.prompt.len();
            (0..width).map(move |place| place >= padding)
        })
        .collect()
    }

    fn decode(
        &mut self,
        rows: usize,
        tokens: Vec<i64>,
        positions: Vec<i64>,
        attention: Vec<bool>,
    ) -> Result<Vec<f32>, GenerateError> {
        let tensor = |values: Vec<i64>| {
            let shape = [rows, values.len() / rows];
            Tensor::<2, Int>::from_data(TensorData::new(values, shape), self.device)
        };
        let shape = [rows, attention.len() / rows];
        let attention = Tensor::<2, Bool>::from_data(TensorData::new(attention, shape), self.device);
        let logits = self.decoder.decode(tensor(tokens), tensor(positions), attention, &mut self.cache);
        let data = logits.cast(DType::F32).try_into_data().map_err(|error| GenerateError::Device(error.to_string()))?;
        data.try_into_vec().map_err(|error| GenerateError::Device(error.to_string()))
    }
}
