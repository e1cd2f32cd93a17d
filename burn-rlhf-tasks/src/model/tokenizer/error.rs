use std::path::PathBuf;

use thiserror::Error;

/// Why a tokenizer could not be read, trained or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    #[error(
        "{folder}: no tokenizer found; expected tokenizer.json, vocab.json with merges.txt, \
         encoder.json with vocab.bpe, or vocab.txt", folder = folder.display()
    )]
    Missing { folder: PathBuf },

    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("{path}: cannot be written: {source}", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },

    #[error("{path}: not a valid tokenizer file: {message}", path = path.display())]
    Malformed { path: PathBuf, message: String },

    #[error(
        "{path} names {token:?} as {role}, which is not in the vocabulary; \
         use the tokenizer files that belong to this model", path = path.display()
    )]
    UnknownToken { path: PathBuf, role: &'static str, token: String },

    #[error(
        "the tokenizer has ids up to {largest_id}, but the model's vocabulary has {model} entries; \
         use the tokenizer that the model was trained with"
    )]
    LargerThanModel { largest_id: u32, model: usize },

    #[error(
        "the model's vocabulary has {model} entries, but the tokenizer only knows ids up to {largest_id}; \
         use the tokenizer that the model was trained with"
    )]
    SmallerThanModel { largest_id: u32, model: usize },

    #[error(
        "the tokenizer has neither a padding token nor an end token to pad with; name one in tokenizer_config.json"
    )]
    NoPadToken,

    #[error("a maximum length of {max_length} leaves no room for the {added} special tokens that are added to a text")]
    MaxLengthTooSmall { max_length: usize, added: usize },

    #[error("the text cannot be encoded: {message}")]
    Encode { message: String },

    #[error("the tokens cannot be decoded: {message}")]
    Decode { message: String },

    #[error(
        "a byte-level vocabulary needs at least {least} entries (256 bytes and the special tokens), \
         but {requested} were asked for"
    )]
    VocabularyTooSmall { requested: usize, least: usize },

    #[error("the tokenizer cannot be trained: {message}")]
    Train { message: String },
}
