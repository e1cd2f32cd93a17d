//! Estimates of the Kullback-Leibler divergence of the new policy from the old one, from the log-ratios
//! `log p - log p_old` of actions that the *old* policy took.
//!
//! See [Approximating KL Divergence](http://joschu.net/blog/kl-approx.html) (J. Schulman, 2020).

use burn::tensor::Tensor;

use crate::loss::clipped_surrogate::{LOG_RATIO_BOUND, at_most};
use crate::loss::{Reduction, samples::at_least_f32};

/// How many times the target the estimate may reach before an update stops.
const TOLERANCE: f64 = 1.5;

/// `mean( -log r )`: unbiased, of high variance, can be negative.
///
/// # Shapes
/// - log_ratio: `[N]`
/// - output: `[1]`
pub fn k1(log_ratio: Tensor<1>, reduction: &Reduction) -> Tensor<1> {
    reduction.mean(at_least_f32(log_ratio).neg())
}

/// `mean( (log r)^2 / 2 )`: biased, of low variance, never negative.
///
/// # Shapes
/// - log_ratio: `[N]`
/// - output: `[1]`
pub fn k2(log_ratio: Tensor<1>, reduction: &Reduction) -> Tensor<1> {
    reduction.mean(at_least_f32(log_ratio).square() * 0.5)
}

/// `mean( (r - 1) - log r )`: unbiased, of low variance, never negative.
///
/// # Shapes
/// - log_ratio: `[N]`
/// - output: `[1]`
pub fn k3(log_ratio: Tensor<1>, reduction: &Reduction) -> Tensor<1> {
    let x = at_least_f32(log_ratio);
    let exact = at_most(x.clone(), LOG_RATIO_BOUND).exp() - 1.0 - x.clone();
    // The difference cancels where the policies are close, which is where the estimate is looked at: there, the
    // series x^2 (1/2 + x/6 + x^2/24 + x^3/120).
    let close = x.clone().abs().lower_scalar(0.1);
    let polynomial = ((x.clone() / 120.0 + 1.0 / 24.0) * x.clone() + 1.0 / 6.0) * x.clone() + 0.5;
    reduction.mean(exact.mask_where(close, x.square() * polynomial))
}

/// Whether an update must stop before its next optimiser step: the estimate is above 1.5 times the target. Without a
/// target it never stops.
pub fn exceeds_target(approximate_kl: f64, target_kl: Option<f64>) -> bool {
    target_kl.is_some_and(|target| approximate_kl > TOLERANCE * target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_stops_above_one_and_a_half_times_the_target() {
        assert!(!exceeds_target(0.0149, Some(0.01)));
        assert!(exceeds_target(0.0151, Some(0.01)));
        assert!(!exceeds_target(1e9, None));
    }
}
