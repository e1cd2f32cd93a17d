//! Text to token ids and back.
//!
//! A wrapper on the `tokenizers` crate that reads every file layout found beside Hugging Face checkpoints, settles
//! which token pads, and takes the truncation and padding sides with each call instead of keeping them as state.

mod error;
mod files;
mod train;

#[cfg(test)]
mod tests;

pub use error::TokenizerError;
pub use tokenizers::Encoding;
pub use train::train_byte_level_bpe;

use std::path::Path;

use tokenizers::processors::template::TemplateProcessing;
use tokenizers::utils::padding::{PaddingDirection, PaddingParams, PaddingStrategy, pad_encodings};
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams, TruncationStrategy, truncate_encodings};
use tokenizers::{EncodeInput, PostProcessor, PostProcessorWrapper};

use files::Specials;

/// The end of a row that is cut, or that receives padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// Keeps at most `max_length` tokens, special tokens included, by cutting at `side`.
#[derive(Clone, Copy, Debug)]
pub struct Truncation {
    pub max_length: usize,
    pub side: Side,
}

/// Fills rows up to a common length.
#[derive(Clone, Copy, Debug)]
pub struct Padding {
    /// The length of every row; without it, that of the longest row of the batch.
    pub length: Option<usize>,
    pub side: Side,
}

/// How a text becomes tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodeOptions {
    /// Adds the tokens that the model expects around a text, such as `[CLS]` and `[SEP]`. GPT-2 has none.
    pub special_tokens: bool,
    pub truncation: Option<Truncation>,
    pub padding: Option<Padding>,
}

/// A tokenizer with its special tokens settled.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// Without truncation, padding and post-processor: these depend on the call.
    text: tokenizers::Tokenizer,
    post_processor: Option<PostProcessorWrapper>,
    specials: Specials,
    largest_id: u32,
}

/// A model may round its vocabulary up for speed; more than this many spare entries, and more than a tenth, are taken
/// for a tokenizer of another model.
const SPARE_ENTRIES: usize = 1024;

impl Tokenizer {
    /// Reads the tokenizer of a checkpoint folder: `tokenizer.json`, or a vocabulary with merges (`vocab.json` and
    /// `merges.txt`, `encoder.json` and `vocab.bpe`), or a WordPiece vocabulary (`vocab.txt`). The special tokens come
    /// from `tokenizer_config.json`, `special_tokens_map.json` and `config.json`, in this order; without a padding
    /// token, the end token pads.
    ///
    /// # Errors
    /// If no tokenizer is there, a file cannot be read or is malformed, or a special token is not in the vocabulary.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        files::read(folder.as_ref())
    }

    fn new(mut tokenizer: tokenizers::Tokenizer, specials: Specials) -> Result<Self, TokenizerError> {
        tokenizer
            .with_truncation(None)
            .map_err(|error| TokenizerError::Encode { message: error.to_string() })?
            .with_padding(None);
        let post_processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let largest_id = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        Ok(Self { text: tokenizer, post_processor, specials, largest_id })
    }

    /// The same tokenizer, putting `token` before every text that is encoded with its special tokens: a classifier
    /// reads its verdict off the first token.
    ///
    /// # Errors
    /// If the vocabulary lacks the token.
    pub fn starting_with(mut self, token: &str) -> Result<Self, TokenizerError> {
        let id = self.token_to_id(token).ok_or_else(|| TokenizerError::Encode {
            message: format!("{token} is not in the vocabulary, so no text can start with it"),
        })?;
        let template = TemplateProcessing::builder()
            .try_single(format!("{token} $A"))
            .and_then(|builder| builder.try_pair(format!("{token} $A $B:1")))
            .map_err(|message| TokenizerError::Encode { message })?
            .special_tokens(vec![(token, id)])
            .build()
            .map_err(|error| TokenizerError::Encode { message: error.to_string() })?;
        self.post_processor = Some(PostProcessorWrapper::Template(template));
        Ok(self)
    }

    /// The token that every text starts with, if any.
    pub fn first_id(&self) -> Result<Option<u32>, TokenizerError> {
        let options = EncodeOptions { special_tokens: true, ..EncodeOptions::default() };
        Ok(self.ids("", &options)?.first().copied())
    }

    /// Encodes one text. Offsets count characters of the text.
    ///
    /// # Errors
    /// If the options ask for what this tokenizer cannot do; see [`TokenizerError`].
    pub fn encode(&self, text: &str, options: &EncodeOptions) -> Result<Encoding, TokenizerError> {
        self.encode_batch(&[text], options).map(first)
    }

    /// Encodes two texts as one row, as classifiers of pairs expect it.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_pair(
        &self,
        first_text: &str,
        second: &str,
        options: &EncodeOptions,
    ) -> Result<Encoding, TokenizerError> {
        let raw = [first_text, second].map(|text| self.text.encode_char_offsets(text, false));
        let [raw, pair] = raw.map(|result| result.map_err(encode_error));
        let mut rows = [self.finish(raw?, Some(pair?), options)?];
        self.pad(&mut rows, options)?;
        let [row] = rows;
        Ok(row)
    }

    /// Encodes many texts, in parallel, and pads them together.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        options: &EncodeOptions,
    ) -> Result<Vec<Encoding>, TokenizerError> {
        let inputs: Vec<EncodeInput> = texts.iter().map(|text| text.as_ref().into()).collect();
        let raw = self.text.encode_batch_char_offsets(inputs, false).map_err(encode_error)?;
        let mut rows = raw.into_iter().map(|row| self.finish(row, None, options)).collect::<Result<Vec<_>, _>>()?;
        self.pad(&mut rows, options)?;
        Ok(rows)
    }

    /// The token ids of one text.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn ids(&self, text: &str, options: &EncodeOptions) -> Result<Vec<u32>, TokenizerError> {
        self.encode(text, options).map(|row| row.get_ids().to_vec())
    }

    /// The text of `ids`. Bytes that are no complete character become U+FFFD; unknown ids are left out.
    ///
    /// # Errors
    /// If the decoder refuses the tokens.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, TokenizerError> {
        self.text.decode(ids, skip_special_tokens).map_err(decode_error)
    }

    /// [`decode`](Self::decode) of many rows, in parallel.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_batch<R: AsRef<[u32]>>(
        &self,
        rows: &[R],
        skip_special_tokens: bool,
    ) -> Result<Vec<String>, TokenizerError> {
        let rows: Vec<&[u32]> = rows.iter().map(AsRef::as_ref).collect();
        self.text.decode_batch(&rows, skip_special_tokens).map_err(decode_error)
    }

    /// The number of tokens, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.text.get_vocab_size(true)
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.text.token_to_id(token)
    }

    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.text.id_to_token(id)
    }

    /// The token that ends a text, if the model has one.
    pub fn eos_id(&self) -> Option<u32> {
        self.specials.eos
    }

    /// The token that begins a text, if the model has one.
    pub fn bos_id(&self) -> Option<u32> {
        self.specials.bos
    }

    /// The token that fills rows: the padding token, else the end token.
    ///
    /// # Errors
    /// If there is neither.
    pub fn pad_id(&self) -> Result<u32, TokenizerError> {
        self.specials.pad.or(self.specials.eos).ok_or(TokenizerError::NoPadToken)
    }

    /// Checks that a model with `model_vocab_size` entries can go with this tokenizer.
    ///
    /// # Errors
    /// If the tokenizer has ids that the model lacks, or the model has far more entries than the tokenizer.
    pub fn check_model(&self, model_vocab_size: usize) -> Result<(), TokenizerError> {
        let (known, largest_id) = (self.largest_id as usize + 1, self.largest_id);
        if known > model_vocab_size {
            return Err(TokenizerError::LargerThanModel { largest_id, model: model_vocab_size });
        }
        if model_vocab_size - known > SPARE_ENTRIES.max(known / 10) {
            return Err(TokenizerError::SmallerThanModel { largest_id, model: model_vocab_size });
        }
        Ok(())
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into a folder that exists.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), TokenizerError> {
        files::write(self, folder.as_ref())
    }

    /// The content of `tokenizer.json`; the same tokenizer gives the same text.
    ///
    /// # Errors
    /// If a part of the tokenizer has no JSON form.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        let mut whole = self.text.clone();
        whole.with_post_processor(self.post_processor.clone());
        whole.to_string(true).map_err(encode_error)
    }

    fn finish(
        &self,
        row: Encoding,
        pair: Option<Encoding>,
        options: &EncodeOptions,
    ) -> Result<Encoding, TokenizerError> {
        let added = match &self.post_processor {
            Some(processor) if options.special_tokens => processor.added_tokens(pair.is_some()),
            _ => 0,
        };
        let (row, pair) = match options.truncation {
            None => (row, pair),
            Some(Truncation { max_length, side }) => {
                let room =
                    max_length.checked_sub(added).ok_or(TokenizerError::MaxLengthTooSmall { max_length, added })?;
                let params = TruncationParams {
                    max_length: room,
                    direction: match side {
                        Side::Left => TruncationDirection::Left,
                        Side::Right => TruncationDirection::Right,
                    },
                    strategy: TruncationStrategy::LongestFirst,
                    stride: 0,
                };
                truncate_encodings(row, pair, &params).map_err(encode_error)?
            }
        };
        match &self.post_processor {
            Some(processor) => processor.process(row, pair, options.special_tokens).map_err(encode_error),
            None => Ok(Encoding::merge(std::iter::once(row).chain(pair), false)),
        }
    }

    fn pad(&self, rows: &mut [Encoding], options: &EncodeOptions) -> Result<(), TokenizerError> {
        let Some(Padding { length, side }) = options.padding else {
            return Ok(());
        };
        let pad_id = self.pad_id()?;
        let params = PaddingParams {
            strategy: length.map_or(PaddingStrategy::BatchLongest, PaddingStrategy::Fixed),
            direction: match side {
                Side::Left => PaddingDirection::Left,
                Side::Right => PaddingDirection::Right,
            },
            pad_to_multiple_of: None,
            pad_id,
            pad_type_id: 0,
            pad_token: self.id_to_token(pad_id).unwrap_or_default(),
        };
        pad_encodings(rows, &params).map_err(encode_error)
    }
}

fn first(rows: Vec<Encoding>) -> Encoding {
    rows.into_iter().next().unwrap_or_default()
}

fn encode_error(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Encode { message: error.to_string() }
}

fn decode_error(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Decode { message: error.to_string() }
}
