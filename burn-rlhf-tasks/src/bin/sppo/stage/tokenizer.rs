use burn_rlhf_tasks::{
    model::tokenizer::{EncodeOptions, Tokenizer, train_byte_level_bpe},
    task::Sample,
};

use super::{Data, Fingerprint, Stages, is_finished};
use crate::failure::Failure;

/// Ends texts and fills rows, as with GPT-2.
pub const END: &str = "<|endoftext|>";
/// Texts that a tokenizer is trained on; more change it little.
const TEXTS: usize = 20_000;

impl Stages<'_> {
    /// A byte-level BPE of the training texts.
    pub fn tokenizer(&self, data: &Data) -> Result<(Tokenizer, Fingerprint), Failure> {
        let size = self.config.model.vocab_size;
        let fingerprint = Fingerprint::of("tokenizer", &(size, TEXTS), &[&data.fingerprint])?;
        let folder = self.stage_folder("tokenizer", &fingerprint);
        if is_finished(&folder) {
            self.console.line(&format!("tokenizer: {}", folder.display()));
            return Ok((Tokenizer::from_folder(&folder)?, fingerprint));
        }
        self.console.line(&format!("training a tokenizer of {size} tokens"));
        let texts = data.splits.train.iter().take(TEXTS).map(|sample| sample.text.as_str());
        let tokenizer = train_byte_level_bpe(texts, size, &[END])?;
        self.finish(&folder, |partial| Ok(tokenizer.save(partial)?))?;
        Ok((tokenizer, fingerprint))
    }
}

/// Tokens of many texts.
pub fn encode_all(tokenizer: &Tokenizer, texts: &[&str]) -> Result<Vec<Vec<u32>>, Failure> {
    let mut rows = Vec::with_capacity(texts.len());
    for texts in texts.chunks(4096) {
        let encodings = tokenizer.encode_batch(texts, &EncodeOptions::default())?;
        rows.extend(encodings.iter().map(|encoding| encoding.get_ids().to_vec()));
    }
    Ok(rows)
}

/// The texts of samples.
pub fn texts(samples: &[Sample]) -> Vec<&str> {
    samples.iter().map(|sample| sample.text.as_str()).collect()
}
