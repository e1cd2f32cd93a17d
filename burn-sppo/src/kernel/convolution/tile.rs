//! The innermost loops of a convolution for AVX-512. Patches are read where they lie: nothing is gathered into a matrix
//! first.

use std::arch::x86_64::*;

use super::geometry::Geometry;

pub const LANES: usize = 16;
/// Vectors of sums that fit the registers beside what is multiplied.
const SUMS: usize = 24;
/// Columns of a tile of input gradients.
pub const COLUMNS: usize = 64;

/// Calls a function with a constant number of rows and of vectors in each.
macro_rules! dispatch {
    ($function:ident, $rows:expr, $vectors:expr, $arguments:tt, [$($m:literal $v:literal),* $(,)?]) => {
        match ($rows, $vectors) {
            $(($m, $v) => $function::<$m, $v> $arguments,)*
            (rows, vectors) => unreachable!("a tile of {rows} rows of {vectors} vectors"),
        }
    };
}

/// Cuts `count` into parts of nearly the same size, of at most `most`.
fn parts(count: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let parts = count.div_ceil(most.max(1));
    (0..parts).map(move |part| part * count / parts..(part + 1) * count / parts)
}

/// Whether the loops know a layer of so many outputs.
pub fn suits(outputs: usize) -> bool {
    outputs == 2 * LANES || outputs == 4 * LANES
}

/// The output of one image, `[positions, outputs]`, bias added and cut at 0. `weight` is `[depth, outputs]`.
///
/// # Safety
/// `output` has room for it, and nobody else uses that meanwhile; the machine has AVX-512F.
///
/// # Panics
/// If a slice has another length than the geometry says.
#[target_feature(enable = "avx512f")]
pub unsafe fn forward(geometry: &Geometry, image: &[f32], weight: &[f32], bias: &[f32], output: *mut f32) {
    let outputs = geometry.outputs;
    assert_eq!((image.len(), bias.len()), (geometry.image, outputs), "an image and a bias of the layer");
    assert_eq!(weight.len(), geometry.depth() * outputs, "weights of the layer");
    let vectors = outputs / LANES;
    for range in parts(geometry.positions(), SUMS / vectors) {
        // SAFETY: patches lie within the image and weights end with the last run, as was just measured; the rows of the
        // output are those of the range.
        unsafe {
            let output = output.add(range.start * outputs);
            dispatch!(forward_tile, range.len(), vectors, (geometry, image.as_ptr(), range.start, weight, bias, output), [
                1 2, 2 2, 3 2, 4 2, 5 2, 6 2, 7 2, 8 2, 9 2, 10 2, 11 2, 12 2, 1 4, 2 4, 3 4, 4 4, 5 4, 6 4,
            ]);
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn forward_tile<const M: usize, const V: usize>(
    geometry: &Geometry,
    image: *const f32,
    position: usize,
    weight: &[f32],
    bias: &[f32],
    output: *mut f32,
) {
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    let mut right = weight.as_ptr();
    // SAFETY: the caller vouches for every address.
    unsafe {
        // Loops rather than closures, which would be calls, with all sums in memory before and after.
        let mut patches = [image; M];
        for (m, patch) in patches.iter_mut().enumerate() {
            *patch = image.add(geometry.patch(position + m));
        }
        for &start in &geometry.runs {
            let mut rows = patches;
            for row in &mut rows {
                *row = row.add(start);
            }
            for depth in 0..geometry.run {
                let line: [__m512; V] = std::array::from_fn(|v| _mm512_loadu_ps(right.add(v * LANES)));
                for m in 0..M {
                    let left = _mm512_set1_ps(*rows[m].add(depth));
                    for v in 0..V {
                        sums[m][v] = _mm512_fmadd_ps(left, line[v], sums[m][v]);
                    }
                }
                right = right.add(V * LANES);
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let sum = _mm512_add_ps(sum, _mm512_loadu_ps(bias.as_ptr().add(v * LANES)));
                // In this order NaN stays NaN.
                _mm512_storeu_ps(output.add((m * V + v) * LANES), _mm512_max_ps(_mm512_setzero_ps(), sum));
            }
        }
    }
}

/// Adds the weight gradient of one image, `[depth, outputs]`, to `sums`; `gradient` is that of its output.
///
/// # Safety
/// The machine has AVX-512F.
///
/// # Panics
/// If a slice has another length than the geometry says.
#[target_feature(enable = "avx512f")]
pub unsafe fn weight_gradient(geometry: &Geometry, image: &[f32], gradient: &[f32], sums: &mut [f32]) {
    let outputs = geometry.outputs;
    assert_eq!((image.len(), gradient.len()), (geometry.image, geometry.map()), "an image and a gradient of the layer");
    assert_eq!(sums.len(), geometry.depth() * outputs, "weight gradients of the layer");
    let vectors = outputs / LANES;
    for (index, start) in geometry.runs.iter().enumerate() {
        for range in parts(geometry.run, SUMS / vectors) {
            // SAFETY: patches lie within the image, and the rows of the sums are those of the range.
            unsafe {
                let image = image.as_ptr().add(start + range.start);
                let sums = sums.as_mut_ptr().add((index * geometry.run + range.start) * outputs);
                dispatch!(weight_tile, range.len(), vectors, (geometry, image, gradient, sums), [
                    1 2, 2 2, 3 2, 4 2, 5 2, 6 2, 7 2, 8 2, 9 2, 10 2, 11 2, 12 2, 1 4, 2 4, 3 4, 4 4, 5 4, 6 4,
                ]);
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn weight_tile<const M: usize, const V: usize>(
    geometry: &Geometry,
    image: *const f32,
    gradient: &[f32],
    output: *mut f32,
) {
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    let mut right = gradient.as_ptr();
    let (row_step, column_step) = geometry.steps();
    // SAFETY: the caller vouches for every address.
    unsafe {
        for row in 0..geometry.rows {
            let mut left = image.add(row * row_step);
            for column in 0..geometry.columns {
                let line: [__m512; V] = std::array::from_fn(|v| _mm512_loadu_ps(right.add(v * LANES)));
                for (m, sums) in sums.iter_mut().enumerate() {
                    let left = _mm512_set1_ps(*left.add(m));
                    for v in 0..V {
                        sums[v] = _mm512_fmadd_ps(left, line[v], sums[v]);
                    }
                }
                if column + 1 < geometry.columns {
                    left = left.add(column_step);
                }
                right = right.add(V * LANES);
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let address = output.add((m * V + v) * LANES);
                _mm512_storeu_ps(address, _mm512_add_ps(sum, _mm512_loadu_ps(address)));
            }
        }
    }
}

/// Weights `[outputs, channels, kernel, kernel]` as [`input_gradient`] reads them: for each stretch of up to
/// [`COLUMNS`] numbers of each run, `[outputs, stretch]`, filled up with zeros to whole vectors.
pub fn by_stretch(geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let depth = geometry.depth();
    let mut packed = Vec::new();
    for (index, _) in geometry.runs.iter().enumerate() {
        for start in (0..geometry.run).step_by(COLUMNS) {
            let stretch = start..geometry.run.min(start + COLUMNS);
            let places: Vec<usize> = stretch.map(|place| geometry.place(index * geometry.run + place)).collect();
            for row in weight.chunks_exact(depth) {
                packed.extend(places.iter().map(|&place| row[place]));
                packed.resize(packed.len().next_multiple_of(LANES), 0.0);
            }
        }
    }
    packed
}

/// Adds the gradient of one image to `sums`; `gradient` is that of its output, and `weight` comes from [`by_stretch`].
///
/// # Safety
/// The machine has AVX-512F.
///
/// # Panics
/// If a slice has another length than the geometry says.
#[target_feature(enable = "avx512f")]
pub unsafe fn input_gradient(geometry: &Geometry, gradient: &[f32], weight: &[f32], sums: &mut [f32]) {
    let outputs = geometry.outputs;
    assert_eq!((sums.len(), gradient.len()), (geometry.image, geometry.map()), "an image and a gradient of the layer");
    let mut rest = weight;
    for &start in &geometry.runs {
        for first in (0..geometry.run).step_by(COLUMNS) {
            let columns = COLUMNS.min(geometry.run - first);
            let vectors = columns.div_ceil(LANES);
            let (stretch, after) = rest.split_at(outputs * vectors * LANES);
            rest = after;
            let mask = u16::MAX >> (vectors * LANES - columns);
            for range in parts(geometry.positions(), SUMS / COLUMNS.div_ceil(LANES)) {
                // SAFETY: patches lie within the image; the mask leaves out what lies beyond the run.
                unsafe {
                    let left = gradient.as_ptr().add(range.start * outputs);
                    let image = sums.as_mut_ptr().add(start + first);
                    dispatch!(input_tile, range.len(), vectors, (geometry, left, range.start, stretch, mask, image), [
                        1 1, 2 1, 3 1, 4 1, 5 1, 6 1, 1 2, 2 2, 3 2, 4 2, 5 2, 6 2,
                        1 3, 2 3, 3 3, 4 3, 5 3, 6 3, 1 4, 2 4, 3 4, 4 4, 5 4, 6 4,
                    ]);
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn input_tile<const M: usize, const V: usize>(
    geometry: &Geometry,
    left: *const f32,
    position: usize,
    stretch: &[f32],
    mask: __mmask16,
    image: *mut f32,
) {
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    let mut right = stretch.as_ptr();
    // SAFETY: the caller vouches for every address.
    unsafe {
        let mut rows = [left; M];
        for (m, row) in rows.iter_mut().enumerate() {
            *row = left.add(m * geometry.outputs);
        }
        for output in 0..geometry.outputs {
            let line: [__m512; V] = std::array::from_fn(|v| _mm512_loadu_ps(right.add(v * LANES)));
            for m in 0..M {
                let left = _mm512_set1_ps(*rows[m].add(output));
                for v in 0..V {
                    sums[m][v] = _mm512_fmadd_ps(left, line[v], sums[m][v]);
                }
            }
            right = right.add(V * LANES);
        }
        // Patches overlap: one after another.
        for (m, sums) in sums.into_iter().enumerate() {
            let patch = image.add(geometry.patch(position + m));
            for (v, sum) in sums.into_iter().enumerate() {
                let (address, mask) = (patch.add(v * LANES), if v + 1 < V { u16::MAX } else { mask });
                let before = _mm512_maskz_loadu_ps(mask, address);
                _mm512_mask_storeu_ps(address, mask, _mm512_add_ps(before, sum));
            }
        }
    }
}
