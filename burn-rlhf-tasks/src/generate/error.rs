use thiserror::Error;

/// Why no responses could be generated.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GenerateError {
    #[error(
        "sampling: temperature = {0} must be a finite number above 0; for the likeliest tokens set do_sample = false"
    )]
    Temperature(f64),
    #[error("sampling: top_p = {0} must lie between 0 and 1; 1 keeps all tokens")]
    TopP(f64),
    #[error(
        "sampling: min_length = {min_length} exceeds max_new_tokens = {max_new_tokens}; lower the one or raise the other"
    )]
    MinLength { min_length: usize, max_new_tokens: usize },
    #[error("{streams} random streams were given for {prompts} prompts; give one for each")]
    Streams { prompts: usize, streams: usize },
    #[error("prompt {row} has no tokens; begin it with a start token")]
    EmptyPrompt { row: usize },
    #[error(
        "prompt {row} holds the token {token}, but the model knows only {vocab_size}; use the tokenizer that belongs to the model"
    )]
    UnknownToken { row: usize, token: u32, vocab_size: usize },
    #[error(
        "the padding token {pad} is none of the model's {vocab_size} tokens; use the tokenizer that belongs to the model"
    )]
    UnknownPadding { pad: u32, vocab_size: usize },
    #[error(
        "prompt {row} of {prompt} tokens and {max_new_tokens} new ones exceed the model's window of {context_length}; shorten the prompt or lower max_new_tokens"
    )]
    TooLong { row: usize, prompt: usize, max_new_tokens: usize, context_length: usize },
    #[error(
        "the model's scores of new token {step} of prompt {row} are not finite; its weights are damaged or have diverged"
    )]
    NotFinite { row: usize, step: usize },
    #[error("no token may follow as new token {step} of prompt {row}; loosen the logits processors or min_length")]
    NothingAllowed { row: usize, step: usize },
    #[error("the model's scores could not be read from the device: {0}")]
    Device(String),
}
