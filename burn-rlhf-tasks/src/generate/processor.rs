/// Changes the scores of the next token of one row, or decides it.
///
/// Processors run in the order in which they are given, before `min_length`, temperature, `top_k` and `top_p`.
pub trait LogitsProcessor: Sync {
    /// `scores` holds one score for each token, `generated` the new tokens of `row` so far. A token that is returned
    /// follows whatever the scores say, and no later processor is asked.
    fn process(&self, row: usize, generated: &[u32], scores: &mut [f32]) -> Option<u32>;
}

/// Makes the end token impossible before so many new tokens.
pub(super) struct MinLength {
    pub min_length: usize,
    pub eos: u32,
}

impl LogitsProcessor for MinLength {
    fn process(&self, _row: usize, generated: &[u32], scores: &mut [f32]) -> Option<u32> {
        if generated.len() < self.min_length
            && let Some(score) = scores.get_mut(self.eos as usize)
        {
            *score = f32::NEG_INFINITY;
        }
        None
    }
}
