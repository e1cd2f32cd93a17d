//! Matrix products out of packed panels, on all cores.
//!
//! Each element is summed in one order, whatever the number of threads.

use gemm::Parallelism;
use rayon::prelude::*;

use super::matrix::{MatrixMut, MatrixRef};
use super::tile::{COLUMNS, Format, Plus, ROWS, Target, interleave, tile};
use super::vectorise::vectorise;

/// Words of depth that are summed in registers at a time: a right panel then fits the second-level cache.
const DEPTH: usize = 512;
/// Row panels of the left matrix that are packed at a time.
const LEFT_PANELS: usize = 256;
/// Multiply-adds for which it is worth to wake another thread.
const TASK: usize = 1 << 20;

/// A right matrix `[K, N]`, packed once for many products.
#[derive(Clone, Debug)]
pub struct Packed {
    format: Format,
    depth: usize,
    columns: usize,
    /// Panels of [`COLUMNS`] columns for each block of [`DEPTH`] words.
    words: Vec<u32>,
}

impl Packed {
    pub fn new(right: MatrixRef, format: Format) -> Self {
        let words = right.rows.div_ceil(format.terms());
        let panels = right.columns.div_ceil(COLUMNS);
        let mut packed = vec![0u32; words * panels * COLUMNS];
        let mut rest = packed.as_mut_slice();
        for block in blocks(words) {
            let (part, after) = rest.split_at_mut(block.len() * panels * COLUMNS);
            let work = part.par_chunks_mut((block.len() * COLUMNS).max(1)).enumerate();
            work.for_each(|(panel, words)| pack_right(right, format, block.start, panel, words));
            rest = after;
        }
        Self { format, depth: right.rows, columns: right.columns, words: packed }
    }

    fn panel(&self, start: usize, length: usize, panel: usize) -> &[u32] {
        let panels = self.columns.div_ceil(COLUMNS);
        &self.words[(start * panels + panel * length) * COLUMNS..][..length * COLUMNS]
    }
}

/// The right matrix of a product.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// Packed on the way, in a format.
    Matrix(MatrixRef<'a>, Format),
    Packed(&'a Packed),
}

impl Right<'_> {
    pub fn columns(&self) -> usize {
        match self {
            Self::Matrix(matrix, _) => matrix.columns,
            Self::Packed(packed) => packed.columns,
        }
    }
}

/// How many threads a product may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Only the caller's: it already runs on each core.
    One,
    /// Those of the pool, if the product is large.
    All,
}

/// Computes `left · right`.
///
/// # Panics
/// If the sizes do not fit together.
pub fn multiply(mut output: MatrixMut, left: MatrixRef, right: Right, plus: Plus, threads: Threads) {
    let (format, depth, columns) = match right {
        Right::Matrix(matrix, format) => (format, matrix.rows, matrix.columns),
        Right::Packed(packed) => (packed.format, packed.depth, packed.columns),
    };
    let sizes = (left.rows, left.columns, columns);
    assert_eq!(sizes, (output.rows, depth, output.columns), "sizes of a matrix product");
    if output.rows == 0 || output.columns == 0 {
        return;
    }
    if let Plus::Row(row) = plus {
        assert_eq!(row.len(), columns, "length of the row that is added");
    }
    if depth == 0 {
        for row in 0..output.rows {
            match plus {
                Plus::Nothing => output.row_mut(row).fill(0.0),
                Plus::Row(values) => output.row_mut(row).copy_from_slice(values),
                Plus::Output => {}
            }
        }
    }
    if let Right::Matrix(matrix, format) = right
        && !format.available()
    {
        return portable(output, left, matrix, plus, threads);
    }
    let rows = LEFT_PANELS * ROWS;
    let mut panels = Vec::new();
    for start in (0..left.rows).step_by(rows) {
        let range = start..left.rows.min(start + rows);
        let left = left.row_range(range.clone());
        for block in blocks(depth.div_ceil(format.terms())) {
            pack_left(left, format, block.clone(), &mut panels, threads);
            let plus = if block.start > 0 { Plus::Output } else { plus };
            multiply_block(output.row_range(range.clone()), &panels, right, format, block, (plus, threads));
        }
    }
}

/// `left · right` and a row, as a new row-major matrix, on all cores.
pub fn multiplied(left: MatrixRef, right: Right, row: Option<&[f32]>) -> Vec<f32> {
    let (rows, columns) = (left.rows, right.columns());
    if left.columns == 0 {
        return row.map_or_else(|| vec![0.0; rows * columns], |row| row.repeat(rows));
    }
    let mut output = Vec::<f32>::with_capacity(rows * columns);
    // SAFETY: the memory is there, and belongs to the vector alone. A product that does not add to its output writes
    // each element before anything reads it.
    let view = unsafe { MatrixMut::from_raw(output.as_mut_ptr(), rows, columns) };
    multiply(view, left, right, row.map_or(Plus::Nothing, Plus::Row), Threads::All);
    // SAFETY: all elements have been written.
    unsafe { output.set_len(rows * columns) };
    output
}

/// The product in f32 on machines without AVX-512.
fn portable(mut output: MatrixMut, left: MatrixRef, right: MatrixRef, plus: Plus, threads: Threads) {
    let work = output.rows.saturating_mul(output.columns).saturating_mul(left.columns);
    let parallelism = match threads {
        Threads::All if work >= 2 * TASK => Parallelism::Rayon(0),
        Threads::All | Threads::One => Parallelism::None,
    };
    let (start, stride) = output.raw();
    // SAFETY: the views hold every element that their sizes and strides reach (checked when they were made; a slice has
    // at most isize::MAX bytes, so the strides fit an isize), and the output is exclusive, so it overlaps no input.
    unsafe {
        gemm::gemm(
            output.rows,
            output.columns,
            left.columns,
            start,
            1,
            stride as isize,
            plus == Plus::Output,
            left.elements().as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.elements().as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
    if let Plus::Row(row) = plus {
        for index in 0..output.rows {
            output.row_mut(index).iter_mut().zip(row).for_each(|(element, value)| *element += value);
        }
    }
}

/// Adds the products of one block of depth.
fn multiply_block(
    mut output: MatrixMut,
    left: &[u32],
    right: Right,
    format: Format,
    block: std::ops::Range<usize>,
    (plus, threads): (Plus, Threads),
) {
    let (rows, columns) = (output.rows, output.columns);
    let depth = block.len();
    let column_panels = columns.div_ceil(COLUMNS);
    let row_panels = rows.div_ceil(ROWS);
    // Several tasks share a column panel where there are fewer of them than threads could use.
    let threads = if threads == Threads::All { rayon::current_num_threads() } else { 1 };
    let useful = (rows * columns * depth * format.terms() / TASK).clamp(1, 4 * threads);
    let splits = useful.div_ceil(column_panels).min(row_panels);
    let share = row_panels.div_ceil(splits);
    let (start, stride) = output.raw();
    let elements = Elements { start, stride };
    let work = |scratch: &mut Vec<u32>, task: usize| {
        let (panel, split) = (task / splits, task % splits);
        let packed = match right {
            Right::Packed(packed) => packed.panel(block.start, depth, panel),
            Right::Matrix(matrix, format) => {
                scratch.resize(depth * COLUMNS, 0);
                pack_right(matrix, format, block.start, panel, scratch);
                scratch
            }
        };
        for row_panel in split * share..row_panels.min((split + 1) * share) {
            let (row, column) = (row_panel * ROWS, panel * COLUMNS);
            // SAFETY: the tile lies inside the output, which this call has for itself; no two tasks have the same
            // panels of rows and columns. The format was found to be available.
            unsafe {
                let target = Target {
                    start: elements.at(row, column),
                    stride: elements.stride,
                    rows: ROWS.min(rows - row),
                    columns: COLUMNS.min(columns - column),
                    plus: match plus {
                        Plus::Row(row) => Plus::Row(&row[column..]),
                        plus => plus,
                    },
                };
                tile(format, &left[row * depth..][..ROWS * depth], packed, target);
            }
        }
    };
    let tasks = column_panels * splits;
    if threads > 1 && useful > 1 {
        (0..tasks).into_par_iter().for_each_init(Vec::new, work);
    } else {
        let mut scratch = Vec::new();
        (0..tasks).for_each(|task| work(&mut scratch, task));
    }
}

/// The elements of an output that several tasks write to.
#[derive(Clone, Copy)]
struct Elements {
    start: *mut f32,
    stride: usize,
}

// SAFETY: tasks use the pointer for tiles that do not overlap.
unsafe impl Sync for Elements {}

impl Elements {
    /// # Safety
    /// The element exists.
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: as the caller says.
        unsafe { self.start.add(row * self.stride + column) }
    }
}

fn blocks(words: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..words).step_by(DEPTH).map(move |start| start..words.min(start + DEPTH))
}

/// Packs all rows, `[row panel][depth][ROWS]`, with zeros below the last one.
fn pack_left(left: MatrixRef, format: Format, block: std::ops::Range<usize>, panels: &mut Vec<u32>, threads: Threads) {
    let size = block.len() * ROWS;
    panels.resize(left.rows.div_ceil(ROWS) * size, 0);
    let work = |(panel, words): (usize, &mut [u32])| {
        let rows = panel * ROWS..left.rows.min((panel + 1) * ROWS);
        // The transposed view has the summed dimension first, as the right matrix has.
        pack::<ROWS>(left.row_range(rows).transposed(), format, block.start, words);
    };
    if threads == Threads::All && left.rows * size >= TASK {
        panels.par_chunks_mut(size).enumerate().with_min_len(8).for_each(work);
    } else {
        panels.chunks_mut(size).enumerate().for_each(work);
    }
}

/// Packs one panel of columns, `[depth][COLUMNS]`.
fn pack_right(right: MatrixRef, format: Format, start: usize, panel: usize, words: &mut [u32]) {
    let columns = panel * COLUMNS..right.columns.min((panel + 1) * COLUMNS);
    let part = right.transposed().row_range(columns).transposed();
    pack::<COLUMNS>(part, format, start, words);
}

/// Packs up to `W` columns of a matrix from word `start` of its rows on, with zeros to the right and below.
fn pack<const W: usize>(matrix: MatrixRef, format: Format, start: usize, words: &mut [u32]) {
    let depth = words.len() / W;
    let first = start * format.terms();
    let terms = (depth * format.terms()).min(matrix.rows - first);
    let matrix = matrix.row_range(first..first + terms);
    if matrix.columns < W {
        words.fill(0);
    }
    if matrix.column_stride == 1 {
        match format {
            Format::F32 => (0..terms).for_each(|row| copy_row(matrix.row(row), &mut words[row * W..])),
            Format::Bf16 => {
                let nothing = [0.0; W];
                for (word, words) in words.chunks_exact_mut(W).enumerate() {
                    let high = if 2 * word + 1 < terms { matrix.row(2 * word + 1) } else { &nothing[..matrix.columns] };
                    interleave(matrix.row(2 * word), high, words);
                }
            }
        }
        return;
    }
    // Columns are adjacent in memory: a few words of each at a time, so that both sides stay in the nearest cache.
    const STRIP: usize = 16;
    let transposed = matrix.transposed();
    for strip in (0..depth).step_by(STRIP) {
        let length = STRIP.min(depth - strip);
        for column in 0..matrix.columns {
            let mut strip_words = [0u32; STRIP];
            let range = strip * format.terms()..terms.min((strip + length) * format.terms());
            if transposed.column_stride == 1 {
                let source = &transposed.row(column)[range];
                match format {
                    Format::F32 => copy_row(source, &mut strip_words),
                    Format::Bf16 => pair_neighbours(source, &mut strip_words),
                }
            } else {
                for term in range {
                    let (word, half) = ((term / format.terms()) - strip, term % format.terms());
                    let element = transposed.at(column, term);
                    strip_words[word] |= match format {
                        Format::F32 => element.to_bits(),
                        Format::Bf16 => round(element) << (16 * half),
                    };
                }
            }
            for (word, &value) in strip_words[..length].iter().enumerate() {
                words[(strip + word) * W + column] = value;
            }
        }
    }
}

/// The bf16 nearest to an f32, ties to even, in the low half of a word.
#[inline(always)]
fn round(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // A NaN must not round to infinity.
    if value.is_nan() { (bits >> 16) | 0x40 } else { rounded }
}

fn copy_row(row: &[f32], words: &mut [u32]) {
    for (word, value) in words.iter_mut().zip(row) {
        *word = value.to_bits();
    }
}

vectorise! {
    /// Words out of adjacent elements.
    fn pair_neighbours(row: &[f32], words: &mut [u32]) {
        let (pairs, last) = row.as_chunks::<2>();
        for (word, pair) in words.iter_mut().zip(pairs) {
            *word = round(pair[0]) | (round(pair[1]) << 16);
        }
        if let [value] = last {
            words[pairs.len()] = round(*value);
        }
    }
}
