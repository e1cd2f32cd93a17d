//! Elementary functions on f32 that the compiler can turn into vector instructions.
//!
//! They are polynomials without branches. Call them in functions defined with
//! [`vectorise`](super::vectorise).

use super::vectorise::vectorise;

/// `e^x` with a relative error below 2e-7; 0 below -87.33, infinity above 88.37.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2^23 leaves the nearest integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const LOWEST: f32 = -87.336_54;
    const HIGHEST: f32 = 88.376_26;
    let inside = if x < LOWEST { LOWEST } else { x };
    let inside = if inside > HIGHEST { HIGHEST } else { inside };
    let shifted = inside.mul_add(std::f32::consts::LOG2_E, ROUND);
    let exponent = shifted - ROUND;
    // ln 2 in two parts, so that the product with an integer of 8 bits is exact (Cody and Waite).
    let rest = exponent.mul_add(-0.693_359_4, inside);
    let rest = exponent.mul_add(2.121_944_4e-4, rest);
    // Coefficients of the Cephes library's expf.
    let series = 1.987_569_1e-4f32;
    let series = series.mul_add(rest, 1.398_199_9e-3);
    let series = series.mul_add(rest, 8.333_452e-3);
    let series = series.mul_add(rest, 4.166_579_6e-2);
    let series = series.mul_add(rest, 1.666_666_5e-1);
    let series = series.mul_add(rest, 0.5);
    let series = series.mul_add(rest * rest, rest + 1.0);
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    let value = series * power;
    let value = if x < LOWEST { 0.0 } else { value };
    if x > HIGHEST { f32::INFINITY } else { value }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh x` to some units in the last place.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    /// Where f32 cannot tell the function from 1.
    const END: f32 = 9.0;
    /// Of `x P(x^2) / Q(x^2)`, from the lowest power on: the relative error is least (2e-8) on `-END..=END`.
    const P: [f32; 5] = [1.0, 0.133_810_2, 3.495_583e-3, 2.060_900_3e-5, 1.335_455_5e-8];
    const Q: [f32; 5] = [1.0, 0.467_143_36, 2.587_696_4e-2, 3.285_625_7e-4, 7.776_514e-7];
    let x = x.clamp(-END, END);
    let square = x * x;
    let [mut above, mut below] = [P[4], Q[4]];
    for power in (0..4).rev() {
        above = above.mul_add(square, P[power]);
        below = below.mul_add(square, Q[power]);
    }
    (x * above / below).clamp(-1.0, 1.0)
}

/// The standard normal distribution function with an absolute error below 3e-7, and a relative one below 1e-5 down to -8.
#[inline(always)]
pub fn normal_cdf(x: f32) -> f32 {
    // The Chebyshev fit of erfc in Numerical Recipes, section 6.2.
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / 0.5f32.mul_add(z, 1.0);
    let series = 0.170_872_77f32;
    let series = series.mul_add(t, -0.822_152_23);
    let series = series.mul_add(t, 1.488_515_9);
    let series = series.mul_add(t, -1.135_204);
    let series = series.mul_add(t, 0.278_868_08);
    let series = series.mul_add(t, -0.186_288_06);
    let series = series.mul_add(t, 0.096_784_18);
    let series = series.mul_add(t, 0.374_091_96);
    let series = series.mul_add(t, 1.000_023_7);
    let series = series.mul_add(t, -1.265_512_2);
    let tail = 0.5 * t * exp((-z).mul_add(z, series));
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// Sums in sixteen interleaved parts, an order that does not depend on the instruction set.
#[inline(always)]
pub fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += term(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += term(value);
    }
    fold(lanes)
}

/// Sums `term` over two slices of one length, like [`sum`].
#[inline(always)]
pub fn sum_pairs(left: &[f32], right: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let mut lefts = left.chunks_exact(16);
    let mut rights = right.chunks_exact(16);
    for (left, right) in (&mut lefts).zip(&mut rights) {
        for ((lane, &left), &right) in lanes.iter_mut().zip(left).zip(right) {
            *lane += term(left, right);
        }
    }
    for ((lane, &left), &right) in lanes.iter_mut().zip(lefts.remainder()).zip(rights.remainder()) {
        *lane += term(left, right);
    }
    fold(lanes)
}

/// The largest value; minus infinity of an empty slice.
#[inline(always)]
pub fn maximum(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut chunks = values.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = if value > *lane { value } else { *lane };
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// The sums of `e^(x - highest)` and of `(x - highest) e^(x - highest)`, NaN if a number is.
pub fn exponential_sums(values: &[f32], highest: f32) -> [f64; 2] {
    // Sums of blocks go to f64, so that long ones stay exact.
    values.chunks(1024).fold([0.0; 2], |[sum, weighted], block| {
        let [part, part_weighted] = block_exponential_sums(block, highest);
        [sum + f64::from(part), weighted + f64::from(part_weighted)]
    })
}

vectorise! {
    fn block_exponential_sums(values: &[f32], highest: f32) -> [f32; 2] {
        let mut sums = [0.0f32; 16];
        let mut weighted = [0.0f32; 16];
        let mut add = |values: &[f32]| {
            for ((&value, sum), weighted) in values.iter().zip(&mut sums).zip(&mut weighted) {
                let below = value - highest;
                let weight = exp(below);
                *sum += weight;
                // The product with minus infinity is not a number where the weight is 0; a weight that is none stays.
                *weighted += if weight > 0.0 { weight * below } else { weight };
            }
        };
        let chunks = values.chunks_exact(16);
        let rest = chunks.remainder();
        chunks.for_each(&mut add);
        add(rest);
        [fold(sums), fold(weighted)]
    }
}

#[inline(always)]
fn fold(mut lanes: [f32; 16]) -> f32 {
    let mut width = 8;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 997th f32 between two bounds of one sign, through their bit patterns.
    fn floats(from: f32, to: f32) -> impl Iterator<Item = f32> {
        let (low, high) = (from.to_bits().min(to.to_bits()), from.to_bits().max(to.to_bits()));
        (low..=high).step_by(997).map(f32::from_bits)
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for x in floats(1e-9, 88.3).chain(floats(-1e-9, -87.3)) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2e-7, "exp({x}) = {} instead of {exact}", exp(x));
        }
    }

    #[test]
    fn exp_keeps_its_limits() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(100.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_that_of_the_c_library() {
        let places = (-1_000_000..1_000_000).map(|i| i as f32 * 1e-5).chain((-80..20).map(|i| 10f32.powi(i)));
        for x in places.chain([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE]) {
            let (found, exact) = (f64::from(tanh(x)), f64::from(x).tanh());
            assert!((found - exact).abs() <= 5e-7 * exact.abs(), "{x}: {found}, not {exact}");
            assert_eq!(tanh(-x), -tanh(x));
        }
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_is_exact_at_both_ends() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(200.0), 1.0);
        assert_eq!(sigmoid(-200.0), 0.0);
        for x in floats(1e-6, 80.0).chain(floats(-1e-6, -80.0)) {
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - exact).abs() <= 4e-7 * exact, "sigmoid({x})");
        }
    }

    /// The distribution function from the Taylor series of the error function near 0, and from the continued fraction
    /// of its complement in the tails.
    fn normal_cdf_exact(x: f64) -> f64 {
        let z = x.abs() / std::f64::consts::SQRT_2;
        let root = std::f64::consts::PI.sqrt();
        let tail = if z < 2.5 {
            let mut term = z;
            let mut sum = z;
            for n in 1..100 {
                term *= -z * z / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            0.5 - sum / root
        } else {
            let fraction = (1..200).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
            0.5 * (-z * z).exp() / root / fraction
        };
        if x > 0.0 { 1.0 - tail } else { tail }
    }

    #[test]
    fn normal_cdf_is_within_its_bounds() {
        for x in floats(1e-6, 30.0).chain(floats(-1e-6, -30.0)) {
            let (found, exact) = (f64::from(normal_cdf(x)), normal_cdf_exact(f64::from(x)));
            assert!((found - exact).abs() < 3e-7, "normal_cdf({x}) = {found}, not {exact}");
            assert!(x < -8.0 || (found - exact).abs() < 1e-5 * exact, "normal_cdf({x}) = {found}, not {exact}");
        }
        assert_eq!([normal_cdf(f32::NEG_INFINITY), normal_cdf(-1e4), normal_cdf(f32::INFINITY)], [0.0, 0.0, 1.0]);
        assert!(normal_cdf(f32::NAN).is_nan());
    }

    #[test]
    fn reductions_cover_every_element() {
        for length in [0, 1, 15, 16, 17, 31, 64, 100] {
            let values: Vec<f32> = (0..length).map(|i| i as f32 - 7.0).collect();
            let total: f32 = values.iter().sum();
            assert_eq!(sum(&values, |value| value), total, "{length}");
            assert_eq!(sum_pairs(&values, &values, |left, right| left + right), 2.0 * total, "{length}");
            assert_eq!(maximum(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{length}");
        }
    }

    #[test]
    fn exponential_sums_equal_their_definition() {
        for length in [1, 15, 16, 17, 1024, 3000] {
            let values: Vec<f32> = (0..length).map(|i| ((i * 37) % 101) as f32 / 9.0 - 8.0).collect();
            let exact = values.iter().fold([0.0f64; 2], |[sum, weighted], &value| {
                let below = f64::from(value - 3.0);
                [sum + below.exp(), weighted + below * below.exp()]
            });
            for (found, exact) in exponential_sums(&values, 3.0).into_iter().zip(exact) {
                assert!((found - exact).abs() <= 2e-6 * exact.abs(), "{found} instead of {exact}");
            }
        }
        assert_eq!(exponential_sums(&[f32::NEG_INFINITY, 1.0], 1.0), [1.0, 0.0]);
        assert!(exponential_sums(&[f32::NAN, 1.0], 1.0).into_iter().all(f64::is_nan));
    }
}
