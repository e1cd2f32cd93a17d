//! The innermost loop of a matrix product: a tile of up to 6 × 64 numbers in registers, for AVX-512.
//!
//! A word is 32 bits: one f32, or two adjacent bf16 along the summed dimension. Both formats share one layout, and
//! differ in the instruction that multiplies words.

/// Rows of a tile.
pub const ROWS: usize = 6;
/// Columns of a tile.
pub const COLUMNS: usize = 64;

/// What a word holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One f32.
    F32,
    /// Two bf16, multiplied exactly and summed in f32.
    Bf16,
}

impl Format {
    /// Whether this machine has the instructions.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as detected;
            match self {
                Self::F32 => detected!("avx512f"),
                Self::Bf16 => detected!("avx512f") && detected!("avx512bf16"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Terms of the sum in a word.
    pub fn terms(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
        }
    }
}

/// What is added to a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plus<'a> {
    Nothing,
    /// What is in the output.
    Output,
    /// One row, to each row.
    Row(&'a [f32]),
}

/// Where a tile goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its first element.
    pub start: *mut f32,
    /// Distance between rows.
    pub stride: usize,
    pub rows: usize,
    pub columns: usize,
    pub plus: Plus<'a>,
}

/// Computes a tile from `left`, words `[depth][ROWS]`, and `right`, words `[depth][COLUMNS]`.
///
/// # Safety
/// The elements of the target are writable and nobody else uses them meanwhile; the format is
/// [available](Format::available).
///
/// # Panics
/// If the panels differ in depth, or the target is larger than a tile.
pub unsafe fn tile(format: Format, left: &[u32], right: &[u32], target: Target) {
    assert_eq!(left.len() / ROWS, right.len() / COLUMNS, "panels of one depth");
    assert!(left.len().is_multiple_of(ROWS) && right.len().is_multiple_of(COLUMNS), "whole panels");
    assert!((1..=ROWS).contains(&target.rows) && target.columns <= COLUMNS, "a target of one tile");
    if let Plus::Row(row) = target.plus {
        assert!(row.len() >= target.columns, "a row as long as the target");
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the target and the instructions; the panels were just measured.
    unsafe {
        match (format, target.rows) {
            (Format::F32, 1) => x86::float::<1>(left, right, target),
            (Format::F32, 2) => x86::float::<2>(left, right, target),
            (Format::F32, 3) => x86::float::<3>(left, right, target),
            (Format::F32, 4) => x86::float::<4>(left, right, target),
            (Format::F32, 5) => x86::float::<5>(left, right, target),
            (Format::F32, _) => x86::float::<6>(left, right, target),
            (Format::Bf16, 1) => x86::brain::<1>(left, right, target),
            (Format::Bf16, 2) => x86::brain::<2>(left, right, target),
            (Format::Bf16, 3) => x86::brain::<3>(left, right, target),
            (Format::Bf16, 4) => x86::brain::<4>(left, right, target),
            (Format::Bf16, 5) => x86::brain::<5>(left, right, target),
            (Format::Bf16, _) => x86::brain::<6>(left, right, target),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("{format:?} is not available here: {target:?}");
}

/// Packs two rows as words of bf16, `low` in the low halves; as many as the shortest slice has.
///
/// # Panics
/// If bf16 is not [available](Format::available).
pub fn interleave(low: &[f32], high: &[f32], words: &mut [u32]) {
    assert!(Format::Bf16.available(), "bf16 instructions");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the machine has the instructions.
    unsafe {
        x86::interleave(low, high, words);
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("{} {} {}", low.len(), high.len(), words.len());
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{COLUMNS, Plus, ROWS, Target};

    const LANES: usize = 16;
    const VECTORS: usize = COLUMNS / LANES;

    /// Defines a tile function for one way to multiply words.
    macro_rules! tile {
        ($name:ident, $features:literal, |$sum:ident, $left:ident, $right:ident| $step:expr) => {
            /// # Safety
            /// Both panels have one depth, the first `M` rows of the target belong to the caller, and the machine has
            /// the instructions.
            #[target_feature(enable = $features)]
            pub unsafe fn $name<const M: usize>(left: &[u32], right: &[u32], target: Target) {
                let mut sums = [[_mm512_setzero_ps(); VECTORS]; M];
                let (mut a, mut b) = (left.as_ptr().cast::<f32>(), right.as_ptr().cast::<f32>());
                for _ in 0..right.len() / COLUMNS {
                    // SAFETY: both pointers advance by one row of their panel each time, as often as there are rows.
                    unsafe {
                        let row: [__m512; VECTORS] = std::array::from_fn(|v| _mm512_loadu_ps(b.add(v * LANES)));
                        for m in 0..M {
                            let $left = _mm512_set1_ps(*a.add(m));
                            for v in 0..VECTORS {
                                let ($sum, $right) = (sums[m][v], row[v]);
                                sums[m][v] = $step;
                            }
                        }
                        a = a.add(ROWS);
                        b = b.add(COLUMNS);
                    }
                }
                for (m, sums) in sums.into_iter().enumerate() {
                    for (v, sum) in sums.into_iter().enumerate() {
                        let lanes = target.columns.saturating_sub(v * LANES).min(LANES);
                        let mask = ((1u32 << lanes) - 1) as __mmask16;
                        if mask == 0 {
                            continue;
                        }
                        // SAFETY: the mask leaves out elements beyond the target's columns, which the row has too.
                        unsafe {
                            let address = target.start.add(m * target.stride + v * LANES);
                            let sum = match target.plus {
                                Plus::Nothing => sum,
                                Plus::Output => _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, address)),
                                Plus::Row(row) => {
                                    _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, row.as_ptr().add(v * LANES)))
                                }
                            };
                            _mm512_mask_storeu_ps(address, mask, sum);
                        }
                    }
                }
            }
        };
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn interleave(low: &[f32], high: &[f32], words: &mut [u32]) {
        let length = low.len().min(high.len()).min(words.len());
        for start in (0..length).step_by(LANES) {
            let mask = ((1u32 << (length - start).min(LANES)) - 1) as __mmask16;
            // SAFETY: the mask leaves out what lies beyond the shortest slice.
            unsafe {
                let load = |row: &[f32]| {
                    let values = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, row.as_ptr().add(start)));
                    _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(values))
                };
                let pair = _mm512_or_si512(load(low), _mm512_slli_epi32::<16>(load(high)));
                _mm512_mask_storeu_epi32(words.as_mut_ptr().add(start).cast(), mask, pair);
            }
        }
    }

    tile!(float, "avx512f", |sum, left, right| _mm512_fmadd_ps(left, right, sum));
    tile!(brain, "avx512f,avx512bf16", |sum, left, right| _mm512_dpbf16_ps(
        sum,
        std::mem::transmute::<__m512, __m512bh>(left),
        std::mem::transmute::<__m512, __m512bh>(right)
    ));
}
