use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt, distr::Open01};

use crate::distribution::DistributionError;
use crate::loss::Algorithm;
use crate::run::standard_normal;

/// A distribution over actions for each of `N` rows.
///
/// Log-probabilities are natural, and computed in f32 at least.
pub trait Distribution: Sized {
    /// The actions of all rows.
    type Actions;

    /// Its name in messages.
    const NAME: &'static str;

    /// Whether the probability of "any other action" exists, which the symmetric algorithms weigh. It does not for
    /// continuous actions.
    const HAS_OTHER: bool;

    /// Log-probability of each action, `[N]`.
    fn log_prob(&self, actions: Self::Actions) -> Tensor<1>;

    /// Entropy of each row, `[N]`; `None` without a closed form.
    fn entropy(&self) -> Option<Tensor<1>>;

    /// The likeliest action of each row.
    fn mode(&self) -> Self::Actions;

    /// An action of each row, drawn with that row's stream, so that it does not depend on the rows beside it.
    ///
    /// # Errors
    /// If there is not one stream for each row.
    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Self::Actions, DistributionError>;

    /// Log-probabilities of all actions, `[N, K]`.
    ///
    /// # Errors
    /// If the actions cannot be listed.
    fn full_log_prob(&self) -> Result<Tensor<2>, DistributionError> {
        Err(DistributionError::NotEnumerable { distribution: Self::NAME })
    }

    /// Probability of all actions but the given one, `1 - p`, `[N]`.
    ///
    /// # Errors
    /// If there is no such thing for this kind of action.
    fn other_prob(&self, actions: Self::Actions) -> Result<Tensor<1>, DistributionError> {
        if Self::HAS_OTHER {
            Ok(self.log_prob(actions).exp().neg() + 1.0)
        } else {
            Err(DistributionError::NoOtherProbability { distribution: Self::NAME })
        }
    }

    /// Checks that an algorithm can train this kind of action.
    ///
    /// # Errors
    /// If the algorithm is symmetric and there is no probability of the other actions.
    fn check_algorithm(algorithm: Algorithm) -> Result<(), DistributionError> {
        if algorithm.is_symmetric() && !Self::HAS_OTHER {
            return Err(DistributionError::NoOtherProbability { distribution: Self::NAME });
        }
        Ok(())
    }
}

/// Standard Gumbel noise, `[N, width]`: added to log-probabilities, the largest entry of a row is a draw from it, and
/// an impossible action is never drawn. One number for each entry, so that a row's stream advances by `width` always.
pub(crate) fn gumbel<R: Rng>(
    streams: &mut [R],
    rows: usize,
    width: usize,
    device: &Device,
) -> Result<Tensor<2>, DistributionError> {
    noise(streams, rows, width, device, |stream| -(-stream.sample::<f64, _>(Open01).ln()).ln())
}

/// Numbers drawn with each row's stream, `[N, width]`.
pub(crate) fn noise<R: Rng>(
    streams: &mut [R],
    rows: usize,
    width: usize,
    device: &Device,
    draw: impl Fn(&mut R) -> f64,
) -> Result<Tensor<2>, DistributionError> {
    if streams.len() != rows {
        return Err(DistributionError::Streams { rows, found: streams.len() });
    }
    let mut noise = Vec::with_capacity(rows * width);
    for stream in streams {
        noise.extend((0..width).map(|_| draw(stream) as f32));
    }
    Ok(Tensor::from_data(TensorData::new(noise, [rows, width]), device))
}

/// Normal noise of mean 0 and deviation 1, `[N, width]`.
pub(crate) fn normal<R: Rng>(
    streams: &mut [R],
    rows: usize,
    width: usize,
    device: &Device,
) -> Result<Tensor<2>, DistributionError> {
    noise(streams, rows, width, device, standard_normal)
}

/// Sum over the columns, `[N]`.
pub(crate) fn sum_columns(values: Tensor<2>) -> Tensor<1> {
    let [rows, _] = values.dims();
    values.sum_dim(1).reshape([rows])
}

/// `sum of -p log p` over the last dimension, of which an impossible action is no part.
pub(crate) fn entropy_of<const D: usize>(log_prob: Tensor<D>) -> Tensor<D> {
    let impossible = log_prob.clone().without_autodiff().equal_elem(f32::NEG_INFINITY);
    let finite = log_prob.clone().mask_fill(impossible, 0.0);
    (log_prob.exp() * finite).sum_dim(D - 1).neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::{Categorical, MultiCategorical};

    /// Any action of which there is a continuum.
    struct Continuous;

    impl Distribution for Continuous {
        type Actions = Tensor<1>;

        const NAME: &'static str = "continuous";
        const HAS_OTHER: bool = false;

        fn log_prob(&self, actions: Tensor<1>) -> Tensor<1> {
            actions.square().neg()
        }

        fn entropy(&self) -> Option<Tensor<1>> {
            None
        }

        fn mode(&self) -> Tensor<1> {
            Tensor::zeros([1], &Device::flex())
        }

        fn sample<R: Rng>(&self, _streams: &mut [R]) -> Result<Tensor<1>, DistributionError> {
            Ok(self.mode())
        }
    }

    #[test]
    fn symmetric_algorithms_refuse_actions_without_other_ones() {
        let refused = DistributionError::NoOtherProbability { distribution: "continuous" };
        for algorithm in Algorithm::ALL {
            let expected = if algorithm.is_symmetric() { Err(refused.clone()) } else { Ok(()) };
            assert_eq!(Continuous::check_algorithm(algorithm), expected);
            assert_eq!(Categorical::check_algorithm(algorithm), Ok(()));
            assert_eq!(MultiCategorical::check_algorithm(algorithm), Ok(()));
        }
        assert_eq!(Continuous.other_prob(Continuous.mode()).unwrap_err(), refused);
        let unlisted = DistributionError::NotEnumerable { distribution: "continuous" };
        assert_eq!(Continuous.full_log_prob().unwrap_err(), unlisted);
    }
}
