//! The files in which tokenizers are kept beside checkpoints.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, decoders};

use super::{Tokenizer, TokenizerError};
use crate::model::atomic;

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
const MODEL_CONFIG: &str = "config.json";
/// Vocabulary and merges, as Hugging Face and as the original release name them.
const BPE_FILES: [[&str; 2]; 2] = [["vocab.json", "merges.txt"], ["encoder.json", "vocab.bpe"]];
const WORDPIECE_FILE: &str = "vocab.txt";

/// The only special token of GPT-2, added behind a vocabulary that lacks it.
const END_OF_TEXT: &str = "<|endoftext|>";
const BERT_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Ids of the tokens with a role, where the model has them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Specials {
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub pad: Option<u32>,
}

pub(super) fn read(folder: &Path) -> Result<Tokenizer, TokenizerError> {
    let config = Config::read(folder)?;
    let tokenizer = if folder.join(TOKENIZER).is_file() {
        let path = folder.join(TOKENIZER);
        tokenizers::Tokenizer::from_bytes(bytes(&path)?).map_err(|error| malformed(&path, error))?
    } else if let Some([vocabulary, merges]) =
        BPE_FILES.map(|names| names.map(|name| folder.join(name))).into_iter().find(|[path, _]| path.is_file())
    {
        byte_level(&vocabulary, &merges, &config)?
    } else if folder.join(WORDPIECE_FILE).is_file() {
        word_piece(&folder.join(WORDPIECE_FILE), &config)?
    } else {
        return Err(TokenizerError::Missing { folder: folder.to_path_buf() });
    };
    let specials = config.specials(&tokenizer)?;
    Tokenizer::new(tokenizer, specials)
}

pub(super) fn write(tokenizer: &Tokenizer, folder: &Path) -> Result<(), TokenizerError> {
    let save = |name: &str, text: String| {
        let path = folder.join(name);
        atomic::write(&path, &text).map_err(|source| TokenizerError::Write { path, source })
    };
    save(TOKENIZER, tokenizer.to_json()?)?;
    let token = |id: Option<u32>| id.and_then(|id| tokenizer.id_to_token(id));
    let Specials { bos, eos, pad } = tokenizer.specials;
    let mut config = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false });
    for (key, id) in [("bos_token", bos), ("eos_token", eos), ("pad_token", pad)] {
        if let Some(token) = token(id) {
            config[key] = token.into();
        }
    }
    save(TOKENIZER_CONFIG, format!("{config:#}"))
}

/// A byte-level BPE with the pre-tokenizer, decoder and post-processor of GPT-2.
pub(super) fn byte_level_tokenizer(model: BPE) -> tokenizers::Tokenizer {
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer
        .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
        .with_decoder(Some(ByteLevel::default()))
        .with_post_processor(Some(ByteLevel::default().trim_offsets(false)));
    tokenizer
}

fn byte_level(vocabulary: &Path, merges: &Path, config: &Config) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let entries: HashMap<String, u32> =
        serde_json::from_slice(&bytes(vocabulary)?).map_err(|error| malformed(vocabulary, error))?;
    let model = BPE::builder()
        .vocab_and_merges(entries.into_iter().collect::<Vocab>(), read_merges(merges)?)
        .build()
        .map_err(|error| malformed(merges, error))?;
    let mut tokenizer = byte_level_tokenizer(model);
    tokenizer.add_special_tokens(config.tokens_or(&[END_OF_TEXT])).map_err(|error| malformed(vocabulary, error))?;
    Ok(tokenizer)
}

fn read_merges(path: &Path) -> Result<Merges, TokenizerError> {
    text(path)?
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"))
        .map(|(number, line)| match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
            _ => Err(malformed(path, format!("line {} is not a pair of tokens", number + 1))),
        })
        .collect()
}

fn word_piece(vocabulary: &Path, config: &Config) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let wrong = |error: tokenizers::Error| malformed(vocabulary, error);
    let entries = WordPiece::read_bytes(text(vocabulary)?.as_bytes()).map_err(wrong)?;
    let model = WordPiece::builder()
        .vocab(entries)
        .unk_token("[UNK]".into())
        .continuing_subword_prefix("##".into())
        .build()
        .map_err(wrong)?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    let [cls, sep] = ["[CLS]", "[SEP]"].map(|token| {
        tokenizer.token_to_id(token).map(|id| (token, id)).ok_or_else(|| malformed(vocabulary, format!("no {token}")))
    });
    let template = TemplateProcessing::builder()
        .try_single("[CLS]:0 $A:0 [SEP]:0")
        .and_then(|builder| builder.try_pair("[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"))
        .map_err(|error| malformed(vocabulary, error))?
        .special_tokens(vec![cls?, sep?])
        .build()
        .map_err(|error| malformed(vocabulary, error))?;
    let lowercase = config.tokenizer["do_lower_case"].as_bool().unwrap_or(true);
    let strip_accents = config.tokenizer["strip_accents"].as_bool();
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, strip_accents, lowercase))).map_err(wrong)?;
    tokenizer
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(decoders::wordpiece::WordPiece::default()))
        .with_post_processor(Some(template));
    tokenizer.add_special_tokens(config.tokens_or(&BERT_TOKENS)).map_err(wrong)?;
    Ok(tokenizer)
}

/// What the configuration files beside a tokenizer say about its special tokens.
struct Config {
    folder: PathBuf,
    tokenizer: Value,
    map: Value,
    model: Value,
}

impl Config {
    fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let value = |name: &str| {
            let path = folder.join(name);
            if !path.is_file() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&bytes(&path)?).map_err(|error| malformed(&path, error))
        };
        Ok(Self {
            folder: folder.to_path_buf(),
            tokenizer: value(TOKENIZER_CONFIG)?,
            map: value(SPECIAL_TOKENS_MAP)?,
            model: value(MODEL_CONFIG)?,
        })
    }

    /// The token in `role` with the file that names it. A token is written as text or as an object with its `content`.
    fn token(&self, role: &str) -> Option<(&str, &'static str)> {
        [(&self.tokenizer, TOKENIZER_CONFIG), (&self.map, SPECIAL_TOKENS_MAP)].into_iter().find_map(|(file, name)| {
            let token = &file[role];
            token.as_str().or_else(|| token["content"].as_str()).map(|token| (token, name))
        })
    }

    /// The special tokens that the files name, else `known`.
    fn tokens_or(&self, known: &[&str]) -> Vec<AddedToken> {
        let roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
        let named: Vec<&str> = roles.iter().filter_map(|role| self.token(role)).map(|(token, _)| token).collect();
        let tokens = if named.is_empty() { known } else { &named };
        tokens.iter().map(|token| AddedToken::from(*token, true)).collect()
    }

    fn specials(&self, tokenizer: &tokenizers::Tokenizer) -> Result<Specials, TokenizerError> {
        let named =
            |role: &'static str, id_key: &str| match self.token(role) {
                Some((token, file)) => tokenizer.token_to_id(token).map(Some).ok_or_else(|| {
                    TokenizerError::UnknownToken { path: self.folder.join(file), role, token: token.to_owned() }
                }),
                None => {
                    let id = self.model[id_key].as_u64().and_then(|id| u32::try_from(id).ok());
                    Ok(id.filter(|&id| tokenizer.id_to_token(id).is_some()))
                }
            };
        Ok(Specials {
            bos: named("bos_token", "bos_token_id")?,
            eos: named("eos_token", "eos_token_id")?.or_else(|| tokenizer.token_to_id(END_OF_TEXT)),
            pad: named("pad_token", "pad_token_id")?.or_else(|| tokenizer.token_to_id(BERT_TOKENS[0])),
        })
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    std::fs::read(path).map_err(|source| TokenizerError::Read { path: path.to_path_buf(), source })
}

fn text(path: &Path) -> Result<String, TokenizerError> {
    String::from_utf8(bytes(path)?).map_err(|error| malformed(path, error))
}

fn malformed(path: &Path, message: impl ToString) -> TokenizerError {
    TokenizerError::Malformed { path: path.to_path_buf(), message: message.to_string() }
}
