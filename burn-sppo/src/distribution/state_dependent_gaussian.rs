use burn::tensor::Tensor;
use rand::Rng;

use crate::distribution::base::normal;
use crate::distribution::{DiagGaussian, Distribution, DistributionError};
use crate::loss::samples::at_least_f32;

/// Keeps the deviation positive where all features vanish, as in Stable-Baselines3.
const EPSILON: f64 = 1e-6;

/// Generalised state-dependent exploration (<https://arxiv.org/abs/2005.05719>): the noise is a linear function of
/// features of the state, whose random matrix an agent keeps for several steps, so that it moves smoothly.
///
/// Over the draws of the matrix, each action is normally distributed:
///
/// ```text
/// action   = mean + features E            E[i, d] ~ N(0, std[i, d])
/// variance = features^2 std^2 + 1e-6
/// ```
#[derive(Clone, Debug)]
pub struct StateDependentGaussian {
    marginal: DiagGaussian,
    /// `[N, L]`
    features: Tensor<2>,
    /// `[L, D]`
    std: Tensor<2>,
}

/// The random matrix of each row, which an agent keeps for several steps.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// `[N, L, D]`
    matrices: Tensor<3>,
}

impl StateDependentGaussian {
    /// Makes the distribution.
    ///
    /// # Shapes
    /// - mean: `[N, D]`
    /// - features: `[N, L]`
    /// - log_std: `[L, D]`
    ///
    /// # Errors
    /// If the shapes do not fit each other.
    pub fn new(mean: Tensor<2>, features: Tensor<2>, log_std: Tensor<2>) -> Result<Self, DistributionError> {
        let ([rows, width], [feature_rows, count]) = (mean.dims(), features.dims());
        if feature_rows != rows {
            let (expected, found) = ([rows, count], features.dims());
            return Err(DistributionError::Shape { name: "features", expected, found });
        }
        if log_std.dims() != [count, width] {
            let (expected, found) = ([count, width], log_std.dims());
            return Err(DistributionError::Shape { name: "log_std", expected, found });
        }
        let features = at_least_f32(features);
        let std = at_least_f32(log_std).exp();
        let variance = features.clone().square().matmul(std.clone().square()) + EPSILON;
        Ok(Self { marginal: DiagGaussian::with_deviations(mean, variance.log() * 0.5)?, features, std })
    }

    /// Draws the random matrix of each row with that row's stream.
    ///
    /// # Errors
    /// If there is not one stream for each row.
    pub fn explore<R: Rng>(&self, streams: &mut [R]) -> Result<Exploration, DistributionError> {
        let ([rows, _], [count, width]) = (self.features.dims(), self.std.dims());
        let noise = normal(streams, rows, count * width, &self.std.device())?;
        Ok(Exploration { matrices: noise.reshape([rows, count, width]) * self.std.clone().unsqueeze::<3>() })
    }

    /// The actions that the random matrices give, `[N, D]`.
    ///
    /// # Errors
    /// If they were drawn for another number of rows.
    pub fn sample_exploring(&self, exploration: &Exploration) -> Result<Tensor<2>, DistributionError> {
        let mean = self.marginal.mean();
        let ([rows, width], [found, _, _]) = (mean.dims(), exploration.matrices.dims());
        if found != rows {
            return Err(DistributionError::Exploration { rows, found });
        }
        let noise = self.features.clone().unsqueeze_dim::<3>(1).matmul(exploration.matrices.clone());
        Ok(mean + noise.reshape([rows, width]))
    }
}

impl Distribution for StateDependentGaussian {
    /// `[N, D]`
    type Actions = Tensor<2>;

    const NAME: &'static str = "state-dependent Gaussian";
    const HAS_OTHER: bool = false;

    fn log_prob(&self, actions: Tensor<2>) -> Tensor<1> {
        self.marginal.log_prob(actions)
    }

    fn entropy(&self) -> Option<Tensor<1>> {
        self.marginal.entropy()
    }

    fn mode(&self) -> Tensor<2> {
        self.marginal.mode()
    }

    /// Draws a random matrix for this one action. See [`explore`](Self::explore) for one that is kept.
    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2>, DistributionError> {
        self.sample_exploring(&self.explore(streams)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Stream, Streams};
    use burn::tensor::Device;

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn distribution(rows: usize) -> StateDependentGaussian {
        let device = Device::flex();
        let mean = Tensor::<2>::from_data([[1.0, -2.0]], &device).expand([rows, 2]);
        let features = Tensor::<2>::from_data([[0.5, -1.5, 2.0]], &device).expand([rows, 3]);
        let log_std = Tensor::from_data([[-1.0f32, 0.5], [0.0, -0.5], [-2.0, 0.25]], &device);
        StateDependentGaussian::new(mean, features, log_std).unwrap()
    }

    fn streams(rows: usize) -> Vec<Stream> {
        (0..rows).map(|lane| Streams::new(4).stream(Purpose::Sampling, 0, lane as u64)).collect()
    }

    /// The variance of a weighted sum of independent normal numbers, by hand.
    fn variances() -> [f64; 2] {
        let column = |log_std: [f64; 3]| -> f64 {
            [0.5, -1.5, 2.0].iter().zip(log_std).map(|(f, l): (&f64, f64)| f.powi(2) * (2.0 * l).exp()).sum()
        };
        [column([-1.0, 0.0, -2.0]), column([0.5, -0.5, 0.25])]
    }

    #[test]
    fn draws_over_matrices_have_the_variance_of_the_weighted_sum() {
        let rows = 20_000;
        let drawn = numbers(distribution(rows).sample(&mut streams(rows)).unwrap());
        for (column, (mean, variance)) in [1.0, -2.0].into_iter().zip(variances()).enumerate() {
            let values: Vec<f64> = drawn.iter().skip(column).step_by(2).map(|&x| f64::from(x) - mean).collect();
            let found = values.iter().map(|x| x.powi(2)).sum::<f64>() / rows as f64;
            assert!((found / variance - 1.0).abs() < 0.05, "{found}, not {variance}");
        }
    }

    #[test]
    fn density_and_entropy_are_those_of_the_marginal_normal() {
        let found = distribution(1);
        let action = Tensor::from_data([[0.25, 1.0]], &Device::flex());
        let tau = std::f64::consts::TAU;
        let log_density = |distance: f64, variance: f64| -0.5 * (distance.powi(2) / variance + (tau * variance).ln());
        let [first, second] = variances();
        let expected = log_density(0.25 - 1.0, first) + log_density(1.0 + 2.0, second);
        assert!((f64::from(numbers(found.log_prob(action))[0]) - expected).abs() < 1e-4);
        let entropy = 0.5 * ((tau * first).ln() + (tau * second).ln()) + 1.0;
        assert!((f64::from(numbers(found.entropy().unwrap())[0]) - entropy).abs() < 1e-4);
    }

    #[test]
    fn a_kept_matrix_gives_equal_noise_in_equal_states_and_each_row_its_own() {
        let distribution = distribution(2);
        let exploration = distribution.explore(&mut streams(2)).unwrap();
        let again = || numbers(distribution.sample_exploring(&exploration).unwrap());
        assert_eq!(again(), again());
        assert_ne!(again()[..2], again()[2..]);
        let error = self::distribution(3).sample_exploring(&exploration).unwrap_err();
        assert_eq!(error, DistributionError::Exploration { rows: 3, found: 2 });
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &Device::flex());
        for (features, log_std) in [([3, 4], [4, 2]), ([2, 4], [3, 2]), ([2, 4], [4, 1])] {
            let result = StateDependentGaussian::new(zeros([2, 2]), zeros(features), zeros(log_std));
            assert!(matches!(result, Err(DistributionError::Shape { .. })));
        }
    }
}
