use burn::tensor::{Bool, Device, Int, Tensor};

/// A causal language model that can be fed one token after another.
pub trait Decoder {
    /// What the model remembers of the tokens fed so far.
    type Cache: KeepRows;

    fn vocab_size(&self) -> usize;

    /// Longest sequence, prompt and response together.
    fn context_length(&self) -> usize;

    /// An empty cache for `rows` sequences of up to `capacity` tokens.
    fn new_cache(&self, rows: usize, capacity: usize, device: &Device) -> Self::Cache;

    /// Feeds the next tokens of every row and returns the scores of all tokens to follow the last of them.
    ///
    /// # Shapes
    /// - tokens, positions: `[rows, steps]`
    /// - attention: `[rows, filled + steps]`, true at the real ones of all tokens so far
    /// - output: `[rows, V]`
    fn decode(
        &self,
        tokens: Tensor<2, Int>,
        positions: Tensor<2, Int>,
        attention: Tensor<2, Bool>,
        cache: &mut Self::Cache,
    ) -> Tensor<2>;
}

/// A cache from which rows can be taken, so that sequences which have ended cost nothing.
pub trait KeepRows {
    /// Reduces the cache to these rows, in this order.
    fn keep_rows(&mut self, rows: &[usize]);
}
