use std::collections::HashSet;

use tokenizers::AddedToken;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::files::{Specials, byte_level_tokenizer};
use super::{Tokenizer, TokenizerError};

/// Trains a byte-level BPE of at most `vocab_size` tokens, the kind of tokenizer that GPT-2 has. The special tokens
/// come first; the first of them ends texts and pads. The same texts, in any order, give the same tokenizer.
///
/// # Errors
/// If `vocab_size` has no room for the 256 bytes and the special tokens.
pub fn train_byte_level_bpe<I, S>(
    texts: I,
    vocab_size: usize,
    special_tokens: &[&str],
) -> Result<Tokenizer, TokenizerError>
where
    I: Iterator<Item = S> + Send,
    S: AsRef<str> + Send,
{
    let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
    let least = alphabet.len() + special_tokens.len();
    if vocab_size < least {
        return Err(TokenizerError::VocabularyTooSmall { requested: vocab_size, least });
    }
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .initial_alphabet(alphabet)
        .special_tokens(special_tokens.iter().map(|token| AddedToken::from(*token, true)).collect())
        .show_progress(false)
        .build()
        .into();
    let mut tokenizer = byte_level_tokenizer(BPE::default());
    tokenizer.train(&mut trainer, texts).map_err(|error| TokenizerError::Train { message: error.to_string() })?;
    let eos = special_tokens.first().and_then(|token| tokenizer.token_to_id(token));
    Tokenizer::new(tokenizer, Specials { bos: eos, eos, pad: None })
}
