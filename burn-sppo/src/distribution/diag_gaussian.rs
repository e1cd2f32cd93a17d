use std::f64::consts::{LN_2, PI};

use burn::tensor::Tensor;
use rand::Rng;

use crate::distribution::base::{normal, sum_columns};
use crate::distribution::{Distribution, DistributionError};
use crate::loss::samples::at_least_f32;

/// A normal distribution in each of `D` dimensions, independent of each other.
///
/// Actions are unbounded: an environment with bounds receives them clipped, while the log-probability is that of the
/// action drawn.
#[derive(Clone, Debug)]
pub struct DiagGaussian {
    /// `[N, D]`
    mean: Tensor<2>,
    /// `[N, D]`, or `[1, D]` where all rows have the same.
    log_std: Tensor<2>,
}

impl DiagGaussian {
    /// Makes the distribution from means and from the log of the standard deviation, which is the same in all rows.
    ///
    /// # Shapes
    /// - mean: `[N, D]`
    /// - log_std: `[D]`
    ///
    /// # Errors
    /// If the widths differ.
    pub fn new(mean: Tensor<2>, log_std: Tensor<1>) -> Result<Self, DistributionError> {
        Self::with_deviations(mean, log_std.unsqueeze())
    }

    /// Makes the distribution where each row may have a deviation of its own.
    ///
    /// # Shapes
    /// - mean: `[N, D]`
    /// - log_std: `[N, D]`, or `[1, D]` for all rows
    ///
    /// # Errors
    /// If the widths or the numbers of rows differ.
    pub fn with_deviations(mean: Tensor<2>, log_std: Tensor<2>) -> Result<Self, DistributionError> {
        let ([rows, width], found) = (mean.dims(), log_std.dims());
        if found != [rows, width] && found != [1, width] {
            return Err(DistributionError::Shape { name: "log_std", expected: [rows, width], found });
        }
        Ok(Self { mean: at_least_f32(mean), log_std: at_least_f32(log_std) })
    }

    /// The actions that noise of mean 0 and deviation 1 leads to, `[N, D]`.
    pub(crate) fn displaced(&self, noise: Tensor<2>) -> Tensor<2> {
        self.mean.clone() + noise * self.log_std.clone().exp()
    }

    pub(crate) fn mean(&self) -> Tensor<2> {
        self.mean.clone()
    }
}

impl Distribution for DiagGaussian {
    /// `[N, D]`
    type Actions = Tensor<2>;

    const NAME: &'static str = "diagonal Gaussian";
    const HAS_OTHER: bool = false;

    fn log_prob(&self, actions: Tensor<2>) -> Tensor<1> {
        let [_, width] = self.mean.dims();
        let distance = (actions - self.mean.clone()) * self.log_std.clone().neg().exp();
        sum_columns(distance.square() * 0.5 + self.log_std.clone()).neg() - width as f64 * 0.5 * (LN_2 + PI.ln())
    }

    fn entropy(&self) -> Option<Tensor<1>> {
        let [rows, width] = self.mean.dims();
        let of_row = self.log_std.clone().sum_dim(1) + width as f64 * 0.5 * (1.0 + LN_2 + PI.ln());
        Some(of_row.expand([rows, 1]).reshape([rows]))
    }

    fn mode(&self) -> Tensor<2> {
        self.mean()
    }

    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2>, DistributionError> {
        let [rows, width] = self.mean.dims();
        Ok(self.displaced(normal(streams, rows, width, &self.mean.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};
    use burn::tensor::Device;

    #[test]
    fn draws_have_the_mean_and_deviation_asked_for() {
        let device = Device::flex();
        let rows = 20_000;
        let mean = Tensor::<2>::from_data([[1.0, -2.0]], &device).expand([rows, 2]);
        let log_std = Tensor::from_data([0.0f32, -1.0], &device);
        let mut streams: Vec<_> =
            (0..rows).map(|lane| Streams::new(4).stream(Purpose::Sampling, 0, lane as u64)).collect();
        let drawn = DiagGaussian::new(mean, log_std).unwrap().sample(&mut streams).unwrap();
        let drawn: Vec<f32> = drawn.into_data().try_into_vec().unwrap();
        for (column, mean, deviation) in [(0, 1.0, 1.0), (1, -2.0, (-1.0f64).exp())] {
            let values: Vec<f64> = drawn.iter().skip(column).step_by(2).map(|&x| f64::from(x)).collect();
            let found = values.iter().sum::<f64>() / rows as f64;
            let spread = (values.iter().map(|x| (x - found).powi(2)).sum::<f64>() / rows as f64).sqrt();
            assert!((found - mean).abs() < 0.03 && (spread - deviation).abs() < 0.02, "{found} {spread}");
        }
    }

    #[test]
    fn a_deviation_of_another_width_is_refused() {
        let device = Device::flex();
        let error = DiagGaussian::new(Tensor::zeros([3, 2], &device), Tensor::zeros([4], &device)).unwrap_err();
        assert_eq!(error, DistributionError::Shape { name: "log_std", expected: [3, 2], found: [1, 4] });
    }
}
