use rand::Rng;
use rayon::prelude::*;

use crate::run::standard_normal;

/// Entries below which one thread is faster than several.
const PARALLEL: usize = 1 << 16;

/// A random matrix, `[rows, columns]` in row-major order, whose shorter side's vectors are orthogonal to each other and
/// have the length `gain`, uniformly distributed (<https://arxiv.org/abs/1312.6120>).
///
/// It is the factor Q of a matrix of normal numbers, with the signs that make the diagonal of R positive.
pub(super) fn orthogonal<R: Rng>(rows: usize, columns: usize, gain: f64, stream: &mut R) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<f64> = (0..count * length).map(|_| standard_normal(stream)).collect();
    for done in 0..count {
        let (first, rest) = vectors.split_at_mut((done + 1) * length);
        let unit = &mut first[done * length..];
        let norm = dot(unit, unit).sqrt();
        unit.iter_mut().for_each(|x| *x /= norm);
        let project = |vector: &mut [f64]| {
            let along = dot(unit, vector);
            vector.iter_mut().zip(&*unit).for_each(|(x, u)| *x -= along * u);
        };
        if rest.len() < PARALLEL {
            rest.chunks_exact_mut(length).for_each(project);
        } else {
            rest.par_chunks_exact_mut(length).for_each(project);
        }
    }
    let entry = |row: usize, column: usize| match rows <= columns {
        true => vectors[row * length + column],
        false => vectors[column * length + row],
    };
    (0..rows * columns).map(|i| (gain * entry(i / columns, i % columns)) as f32).collect()
}

/// In an order that lets the processor add several entries at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut left).zip(&mut right) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let tail: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};

    #[test]
    fn vectors_of_the_shorter_side_are_orthogonal_and_as_long_as_the_gain() {
        let mut stream = Streams::new(1).stream(Purpose::Initialization, 0, 0);
        for (rows, columns, gain) in
            [(64, 64, 2f64.sqrt()), (5, 33, 0.01), (300, 20, 1.0), (260, 300, 1.0), (1, 4, 1.0)]
        {
            let matrix = orthogonal(rows, columns, gain, &mut stream);
            let (count, length) = (rows.min(columns), rows.max(columns));
            let entry = |vector: usize, i: usize| match rows <= columns {
                true => f64::from(matrix[vector * columns + i]),
                false => f64::from(matrix[i * columns + vector]),
            };
            for a in 0..count {
                for b in 0..=a {
                    let product: f64 = (0..length).map(|i| entry(a, i) * entry(b, i)).sum();
                    let expected = if a == b { gain * gain } else { 0.0 };
                    assert!((product - expected).abs() < 1e-6 * gain * gain, "{rows}x{columns}: {a} {b} {product}");
                }
            }
        }
    }

    #[test]
    fn no_direction_is_preferred() {
        let mut stream = Streams::new(2).stream(Purpose::Initialization, 0, 0);
        let draws = 4_000;
        let (mut sums, mut squares) = ([0.0; 6], [0.0; 6]);
        for _ in 0..draws {
            for (i, x) in orthogonal(2, 3, 1.0, &mut stream).into_iter().enumerate() {
                sums[i] += f64::from(x);
                squares[i] += f64::from(x).powi(2);
            }
        }
        for (sum, square) in sums.into_iter().zip(squares) {
            let (mean, square) = (sum / f64::from(draws), square / f64::from(draws));
            assert!(mean.abs() < 0.04 && (square - 1.0 / 3.0).abs() < 0.03, "{mean} {square}");
        }
    }
}
