//! Weights that stay packed while they do not change.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;
use burn::tensor::Bytes;

use super::gemm::{Packed, Right};
use super::matrix::MatrixRef;
use super::tile::Format;

/// Products with more rows than this gain nothing from a weight that is packed already.
const FEW_ROWS: usize = 64;

/// Packed weights by the memory of their originals. Clones share them.
///
/// An entry holds on to the original, so that its memory can be neither changed (flex copies what is shared before it
/// writes) nor given to another tensor while the entry exists.
#[derive(Clone, Debug, Default)]
pub struct Packs(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    original: Arc<Bytes>,
    transposed: bool,
    format: Format,
    packed: Arc<Packed>,
}

impl Packs {
    /// The right side of a product of `rows` rows with a weight `[K, N]`, or `[N, K]` if transposed.
    ///
    /// `call` gets it while it is in memory.
    pub fn right<R>(
        &self,
        weight: &FlexTensor,
        transposed: bool,
        format: Format,
        rows: usize,
        call: impl FnOnce(Right) -> R,
    ) -> R {
        let [height, width] = weight.layout().shape().dims();
        let matrix = MatrixRef::new(weight.storage(), height, width);
        let matrix = if transposed { matrix.transposed() } else { matrix };
        if rows > FEW_ROWS || !format.available() {
            return call(Right::Matrix(matrix, format));
        }
        let original = weight.data_arc();
        let packed = {
            let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = entries.iter().find(|entry| {
                Arc::ptr_eq(&entry.original, &original) && (entry.transposed, entry.format) == (transposed, format)
            });
            match found {
                Some(entry) => entry.packed.clone(),
                None => {
                    forget_dead(&mut entries);
                    let packed = Arc::new(Packed::new(matrix, format));
                    entries.push(Entry { original, transposed, format, packed: packed.clone() });
                    packed
                }
            }
        };
        call(Right::Packed(&packed))
    }

    /// Forgets all, before weights change.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Removes the entries whose originals are held by entries alone: those weights are gone.
fn forget_dead(entries: &mut Vec<Entry>) {
    let holders = |original: &Arc<Bytes>| entries.iter().filter(|entry| Arc::ptr_eq(&entry.original, original)).count();
    let dead = |entry: &Entry| Arc::strong_count(&entry.original) == holders(&entry.original);
    let mut dead = entries.iter().map(dead).collect::<Vec<_>>().into_iter();
    entries.retain(|_| dead.next() != Some(true));
}

#[cfg(test)]
mod tests {
    use super::super::operation::tensor;
    use super::*;

    fn count(packs: &Packs) -> usize {
        packs.0.lock().unwrap().len()
    }

    #[test]
    fn weights_are_packed_once_and_forgotten_when_gone() {
        let packs = Packs::default();
        let weight = tensor((0..12).map(|i| i as f32).collect(), [3, 4]);
        let kept = usize::from(Format::F32.available());
        for _ in 0..2 {
            packs.right(&weight, false, Format::F32, 1, |_| ());
            assert_eq!(count(&packs), kept);
        }
        packs.right(&weight, true, Format::F32, 1, |_| ());
        assert_eq!(count(&packs), 2 * kept);
        packs.right(&weight, false, Format::F32, FEW_ROWS + 1, |right| assert!(matches!(right, Right::Matrix(..))));
        drop(weight);
        packs.right(&tensor(vec![1.0], [1, 1]), false, Format::F32, 1, |_| ());
        assert_eq!(count(&packs), kept);
        packs.clear();
        assert_eq!(count(&packs), 0);
    }
}
