use burn::tensor::{DType, Device, Int, Tensor, s};

use super::KeepRows;

/// Keys and values of the tokens a decoder has been fed, in buffers of fixed capacity.
pub struct KvCache {
    layers: Vec<Buffers>,
    filled: usize,
    capacity: usize,
}

struct Buffers {
    key: Tensor<4>,
    value: Tensor<4>,
}

impl KvCache {
    /// Empty buffers of shape `[rows, heads, capacity, width]`, two for each layer.
    pub fn new(layers: usize, shape: [usize; 4], (device, dtype): (&Device, DType)) -> Self {
        let buffer = || Tensor::zeros(shape, (device, dtype));
        let layers = (0..layers).map(|_| Buffers { key: buffer(), value: buffer() }).collect();
        Self { layers, filled: 0, capacity: shape[2] }
    }

    /// How many tokens of each row the cache holds.
    pub fn filled(&self) -> usize {
        self.filled
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for `steps` tokens; every layer returned must be appended to once.
    ///
    /// # Panics
    /// If they exceed the capacity.
    pub fn advance(&mut self, steps: usize) -> impl Iterator<Item = LayerCache<'_>> {
        let start = self.filled;
        self.filled += steps;
        assert!(
            self.filled <= self.capacity,
            "{} tokens exceed the cache's capacity of {}",
            self.filled,
            self.capacity
        );
        self.layers.iter_mut().map(move |buffers| LayerCache { buffers, start, steps })
    }
}

impl KeepRows for KvCache {
    fn keep_rows(&mut self, rows: &[usize]) {
        let Some(first) = self.layers.first() else { return };
        let rows = rows.iter().map(|&row| row as i64).collect::<Vec<_>>();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &first.key.device());
        for Buffers { key, value } in &mut self.layers {
            key.inplace(|key| key.select(0, rows.clone()));
            value.inplace(|value| value.select(0, rows.clone()));
        }
    }
}

/// The cache of one layer while a step runs.
pub struct LayerCache<'a> {
    buffers: &'a mut Buffers,
    start: usize,
    steps: usize,
}

impl LayerCache<'_> {
    /// Adds keys and values `[rows, heads, steps, width]`; returns those of all tokens so far.
    pub fn append(self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let Self { buffers: Buffers { key: keys, value: values }, start, steps } = self;
        let end = start + steps;
        keys.inplace(|keys| keys.slice_assign(s![.., .., start..end], key));
        values.inplace(|values| values.slice_assign(s![.., .., start..end], value));
        (keys.clone().slice(s![.., .., 0..end]), values.clone().slice(s![.., .., 0..end]))
    }
}
