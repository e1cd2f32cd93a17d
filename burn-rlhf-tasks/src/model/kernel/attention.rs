#[cfg(feature = "flex")]
use super::flex::{
    self,
    operation::{contiguous, is_f32_on_flex, on_flex, plain, run},
};
use burn::tensor::{Bool, DType, Device, Tensor, activation};

/// Which keys a query may see.
///
/// The queries are the last ones of the keys: with `Q` queries and `K` keys, query `i` stands at key `K - Q + i`.
#[derive(Clone, Debug, Default)]
pub struct AttentionMask {
    /// Whether keys after the query are hidden.
    pub causal: bool,
    /// `[B, K]`, true at real tokens; `None` where no key is padding.
    pub keys: Option<Tensor<2, Bool>>,
}

impl AttentionMask {
    /// Hides keys after the query, and padding.
    pub fn causal(keys: Option<Tensor<2, Bool>>) -> Self {
        Self { causal: true, keys }
    }

    /// Hides padding only.
    pub fn padding(keys: Option<Tensor<2, Bool>>) -> Self {
        Self { causal: false, keys }
    }

    #[cfg(feature = "flex")]
    fn on_flex(&self) -> bool {
        self.keys.as_ref().is_none_or(on_flex)
    }

    #[cfg(feature = "flex")]
    fn visible(&self) -> flex::attention::Visible {
        let keys = self.keys.clone().map(|keys| contiguous(plain(keys.into_dispatch())));
        flex::attention::Visible { causal: self.causal, keys }
    }

    /// True where a key is hidden, `[B or 1, 1, Q, K]`; `None` if none is.
    fn hidden(&self, queries: usize, keys: usize, device: &Device) -> Option<Tensor<4, Bool>> {
        let future = (self.causal && queries > 1)
            .then(|| Tensor::<2, Bool>::tril_mask([queries, keys], (keys - queries) as i64, device).unsqueeze());
        let padding = self.keys.clone().map(|real| {
            let [rows, keys] = real.dims();
            real.bool_not().reshape([rows, 1, 1, keys])
        });
        match (future, padding) {
            (Some(future), Some(padding)) => {
                let [rows, ..] = padding.dims();
                Some(future.expand([rows, 1, queries, keys]).bool_or(padding.expand([rows, 1, queries, keys])))
            }
            (future, padding) => future.or(padding),
        }
    }
}

/// Scaled dot-product attention (<https://arxiv.org/abs/1706.03762>, equation 1).
///
/// A query that sees no key gives finite numbers which mean nothing.
///
/// # Shapes
/// - query, output: `[B, H, Q, hd]`
/// - key, value: `[B, H, K, hd]`
pub fn attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: &AttentionMask) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&query) && is_f32_on_flex(&key) && is_f32_on_flex(&value) && mask.on_flex() {
        let operation = flex::attention::Attention { visible: mask.visible() };
        return run(operation, [query.into_dispatch(), key.into_dispatch(), value.into_dispatch()]);
    }
    plain_attention(query, key, value, mask)
}

/// [`attention`] of a sequence with itself, where one matrix holds query, key and value side by side.
///
/// # Shapes
/// - query_key_value: `[B·T, 3·H·hd]`
/// - output: `[B·T, H·hd]`
///
/// # Panics
/// If the sizes do not divide.
pub fn self_attention(query_key_value: Tensor<2>, rows: usize, heads: usize, mask: &AttentionMask) -> Tensor<2> {
    let [all, columns] = query_key_value.dims();
    assert!(rows > 0 && all.is_multiple_of(rows), "{all} tokens in {rows} rows");
    assert!(heads > 0 && columns.is_multiple_of(3 * heads), "{columns} columns for {heads} heads");
    #[cfg(feature = "flex")]
    if is_f32_on_flex(&query_key_value) && mask.on_flex() {
        let operation = flex::attention::SelfAttention { rows, heads, visible: mask.visible() };
        return run(operation, [query_key_value.into_dispatch()]);
    }
    plain_self_attention(query_key_value, rows, heads, mask)
}

pub(super) fn plain_self_attention(
    query_key_value: Tensor<2>,
    rows: usize,
    heads: usize,
    mask: &AttentionMask,
) -> Tensor<2> {
    let [all, columns] = query_key_value.dims();
    let (tokens, width) = (all / rows, columns / 3 / heads);
    let parts = query_key_value.reshape([rows, tokens, 3, heads * width]);
    let [query, key, value] = [0, 1, 2].map(|part| {
        let part = parts.clone().slice([0..rows, 0..tokens, part..part + 1, 0..heads * width]);
        part.reshape([rows, tokens, heads, width]).swap_dims(1, 2)
    });
    plain_attention(query, key, value, mask).swap_dims(1, 2).reshape([all, heads * width])
}

pub(super) fn plain_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: &AttentionMask) -> Tensor<4> {
    let [rows, heads, queries, width] = query.dims();
    let keys = key.dims()[2];
    let scores = (query / (width as f64).sqrt()).matmul(key.swap_dims(2, 3));
    let scores = match mask.hidden(queries, keys, &scores.device()) {
        Some(hidden) => {
            let lowest = most_negative(scores.dtype());
            scores.mask_fill(hidden.expand([rows, heads, queries, keys]), lowest)
        }
        None => scores,
    };
    activation::softmax(scores, 3).matmul(value)
}

/// Low enough to vanish in a softmax and still finite, so that a row without any visible key does not become NaN.
fn most_negative(dtype: DType) -> f32 {
    match dtype {
        DType::F16 => -6e4,
        _ => -3e38,
    }
}
