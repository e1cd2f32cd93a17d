//! Products of small matrices, which are read where they lie: packing them first would take as long as the product.

use super::matrix::{MatrixMut, MatrixRef};
use super::tile::Plus;

/// Whether this machine has the instructions.
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Computes `left · right` on the calling thread. Each element is summed in one order.
///
/// # Panics
/// If the sizes do not fit together, the elements of a row of `right` are not adjacent, or the machine lacks the
/// [instructions](available).
pub fn multiply(mut output: MatrixMut, left: MatrixRef, right: MatrixRef, plus: Plus) {
    let sizes = (left.rows, left.columns, right.columns);
    assert_eq!(sizes, (output.rows, right.rows, output.columns), "sizes of a matrix product");
    assert!(right.column_stride == 1 && available(), "rows without gaps, and the instructions to read them");
    if let Plus::Row(row) = plus {
        assert_eq!(row.len(), right.columns, "length of the row that is added");
    }
    if left.columns == 0 && plus == Plus::Output {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the sizes were just compared, views hold all their elements, and the machine has the instructions.
    unsafe {
        x86::multiply(&mut output, left, right, plus);
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("{:?}", output.raw());
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{MatrixMut, MatrixRef, Plus};

    const LANES: usize = 16;
    const ROWS: usize = 6;
    const COLUMNS: usize = 64;

    /// Where the parts of a tile begin, and how far apart their rows are.
    #[derive(Clone, Copy)]
    struct Tile<'a> {
        left: *const f32,
        left_strides: [usize; 2],
        right: *const f32,
        right_stride: usize,
        depth: usize,
        output: *mut f32,
        output_stride: usize,
        plus: Plus<'a>,
        /// Of the last vector of a row.
        mask: __mmask16,
    }

    /// # Safety
    /// The sizes fit together, and rows of `right` have no gaps.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn multiply(output: &mut MatrixMut, left: MatrixRef, right: MatrixRef, plus: Plus) {
        let (rows, columns) = (output.rows, output.columns);
        let (start, output_stride) = output.raw();
        // With nothing to sum, factors may be empty.
        let address = |elements: &[f32], skip: usize| elements[skip.min(elements.len())..].as_ptr();
        for column in (0..columns).step_by(COLUMNS) {
            let width = COLUMNS.min(columns - column);
            let vectors = width.div_ceil(LANES);
            for row in (0..rows).step_by(ROWS) {
                let tile = Tile {
                    left: address(left.elements(), row * left.row_stride),
                    left_strides: [left.row_stride, left.column_stride],
                    right: address(right.elements(), column),
                    right_stride: right.row_stride,
                    depth: left.columns,
                    // SAFETY: the element exists.
                    output: unsafe { start.add(row * output_stride + column) },
                    output_stride,
                    plus: match plus {
                        Plus::Row(row) => Plus::Row(&row[column..]),
                        plus => plus,
                    },
                    mask: u16::MAX >> (vectors * LANES - width),
                };
                // SAFETY: the tile lies within the three matrices.
                unsafe {
                    match vectors {
                        1 => rows_of::<1>(ROWS.min(rows - row), tile),
                        2 => rows_of::<2>(ROWS.min(rows - row), tile),
                        3 => rows_of::<3>(ROWS.min(rows - row), tile),
                        _ => rows_of::<4>(ROWS.min(rows - row), tile),
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn rows_of<const V: usize>(rows: usize, tile: Tile) {
        // SAFETY: as the caller says.
        unsafe {
            match rows {
                1 => compute::<1, V>(tile),
                2 => compute::<2, V>(tile),
                3 => compute::<3, V>(tile),
                4 => compute::<4, V>(tile),
                5 => compute::<5, V>(tile),
                _ => compute::<6, V>(tile),
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn compute<const M: usize, const V: usize>(tile: Tile) {
        let mask = |v: usize| if v + 1 < V { u16::MAX } else { tile.mask };
        let mut sums = [[_mm512_setzero_ps(); V]; M];
        // SAFETY: the caller vouches for every address; masks leave out what lies beyond the last column.
        unsafe {
            let [row_stride, step] = tile.left_strides;
            let rows: [*const f32; M] = std::array::from_fn(|m| tile.left.add(m * row_stride));
            for depth in 0..tile.depth {
                let right = tile.right.add(depth * tile.right_stride);
                let line: [__m512; V] = std::array::from_fn(|v| _mm512_maskz_loadu_ps(mask(v), right.add(v * LANES)));
                for m in 0..M {
                    let left = _mm512_set1_ps(*rows[m].add(depth * step));
                    for v in 0..V {
                        sums[m][v] = _mm512_fmadd_ps(left, line[v], sums[m][v]);
                    }
                }
            }
            for (m, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let (address, mask) = (tile.output.add(m * tile.output_stride + v * LANES), mask(v));
                    let sum = match tile.plus {
                        Plus::Nothing => sum,
                        Plus::Output => _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, address)),
                        Plus::Row(row) => _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, row.as_ptr().add(v * LANES))),
                    };
                    _mm512_mask_storeu_ps(address, mask, sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_the_sums_that_they_should_be() {
        if !available() {
            return;
        }
        for (rows, depth, columns) in [(1, 1, 1), (7, 5, 16), (13, 64, 66), (6, 0, 3), (5, 3, 130), (12, 9, 47)] {
            let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 16.0;
            let left: Vec<f32> = (0..rows * depth).map(number).collect();
            let right: Vec<f32> = (0..depth * columns).map(|i| number(i + 13)).collect();
            let row: Vec<f32> = (0..columns).map(|i| number(i + 29)).collect();
            let plain =
                |i: usize, j: usize| (0..depth).map(|k| left[i * depth + k] * right[k * columns + j]).sum::<f32>();
            let transposed: Vec<f32> = (0..rows * depth).map(|i| left[i % rows * depth + i / rows]).collect();
            let views = [MatrixRef::new(&left, rows, depth), MatrixRef::new(&transposed, depth, rows).transposed()];
            for (left, plus) in views
                .into_iter()
                .flat_map(|view| [(view, Plus::Nothing), (view, Plus::Output), (view, Plus::Row(&row))])
            {
                let mut output = vec![0.25; rows * columns];
                multiply(
                    MatrixMut::new(&mut output, rows, columns),
                    left,
                    MatrixRef::new(&right, depth, columns),
                    plus,
                );
                for (index, found) in output.into_iter().enumerate() {
                    let (i, j) = (index / columns, index % columns);
                    let added = match plus {
                        Plus::Nothing => 0.0,
                        Plus::Output => 0.25,
                        Plus::Row(row) => row[j],
                    };
                    let expected = plain(i, j) + added;
                    assert!((found - expected).abs() < 1e-3, "{rows} {depth} {columns} {plus:?} {i} {j}: {found}");
                }
            }
        }
    }
}
