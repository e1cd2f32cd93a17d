//! Views of matrices in f32 memory.
//!
//! The only unsafe code here stands behind checked views: a view is made from a slice that holds all its elements, and
//! mutable views can only be split into parts that do not overlap.

use std::marker::PhantomData;

/// A matrix that is read: element (i, j) lies at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRef<'a> {
    elements: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> MatrixRef<'a> {
    /// A row-major matrix without gaps.
    pub fn new(elements: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(elements, [rows, columns], [columns, 1])
    }

    /// # Panics
    /// If the slice ends before the last element.
    pub fn strided(elements: &'a [f32], [rows, columns]: [usize; 2], [row_stride, column_stride]: [usize; 2]) -> Self {
        let needed = extent([rows, columns], [row_stride, column_stride]);
        assert!(needed <= elements.len(), "a matrix of {needed} elements in a slice of {}", elements.len());
        Self { elements, rows, columns, row_stride, column_stride }
    }

    pub fn rows(self) -> usize {
        self.rows
    }

    pub fn columns(self) -> usize {
        self.columns
    }

    /// The distance between elements of a row.
    pub fn column_stride(self) -> usize {
        self.column_stride
    }

    /// The transposed view.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Some of the rows.
    pub fn row_range(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?} of {}", self.rows);
        let start = if range.is_empty() { 0 } else { range.start * self.row_stride };
        Self { elements: &self.elements[start..], rows: range.len(), ..self }
    }

    /// The elements from the first one on.
    pub fn elements(self) -> &'a [f32] {
        self.elements
    }

    pub fn at(self, row: usize, column: usize) -> f32 {
        self.elements[row * self.row_stride + column * self.column_stride]
    }

    /// One row of a matrix whose rows have no gaps.
    #[inline(always)]
    pub fn row(self, row: usize) -> &'a [f32] {
        assert!(row < self.rows && self.column_stride == 1, "row {row} of {}", self.rows);
        &self.elements[row * self.row_stride..][..self.columns]
    }
}

/// A matrix that is written; the elements of a row are adjacent.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    start: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    row_stride: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: a view has its elements for itself, like the `&mut [f32]` it was made from.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If the slice has another length.
    pub fn new(elements: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(elements.len(), rows.saturating_mul(columns), "a matrix of {rows} rows and {columns} columns");
        Self { start: elements.as_mut_ptr(), rows, columns, row_stride: columns, owner: PhantomData }
    }

    /// # Safety
    /// `rows * columns` elements from the pointer on are writable, and nobody else uses them during `'a`. They may hold
    /// nothing yet; then they must be written before they are read.
    pub unsafe fn from_raw(start: *mut f32, rows: usize, columns: usize) -> Self {
        Self { start, rows, columns, row_stride: columns, owner: PhantomData }
    }

    /// Parts of `width` columns each, from left to right.
    ///
    /// # Panics
    /// If the width does not divide the columns.
    pub fn split_columns(self, width: usize) -> impl Iterator<Item = MatrixMut<'a>> {
        assert!(width > 0 && self.columns.is_multiple_of(width), "{} columns in parts of {width}", self.columns);
        (0..self.columns / width).map(move |part| MatrixMut {
            // SAFETY: part * width < columns, so the part starts inside the first row; no two parts share a column.
            // A matrix without rows has a pointer that is not read.
            start: if self.rows == 0 { self.start } else { unsafe { self.start.add(part * width) } },
            rows: self.rows,
            columns: width,
            row_stride: self.row_stride,
            owner: PhantomData,
        })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Some of the rows, for a while.
    pub fn row_range(&mut self, range: std::ops::Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?} of {}", self.rows);
        let skip = if range.is_empty() { 0 } else { range.start * self.row_stride };
        // SAFETY: the row exists, or nothing is skipped.
        let start = unsafe { self.start.add(skip) };
        MatrixMut { start, rows: range.len(), columns: self.columns, row_stride: self.row_stride, owner: PhantomData }
    }

    /// The first element, and the distance between rows.
    pub fn raw(&mut self) -> (*mut f32, usize) {
        (self.start, self.row_stride)
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row exists, and its elements belong to this view alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.columns) }
    }
}

/// Elements from the first to the last of a strided matrix.
fn extent([rows, columns]: [usize; 2], [row_stride, column_stride]: [usize; 2]) -> usize {
    match (rows.checked_sub(1), columns.checked_sub(1)) {
        (Some(row), Some(column)) => {
            let last = row.saturating_mul(row_stride).saturating_add(column.saturating_mul(column_stride));
            last.saturating_add(1)
        }
        _ => 0,
    }
}
