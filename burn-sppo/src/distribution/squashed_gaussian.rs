use burn::tensor::Tensor;
use rand::Rng;

use crate::distribution::base::sum_columns;
use crate::distribution::{DiagGaussian, Distribution, DistributionError};

/// Keeps the logarithm finite where an action touches the bound, as in Stable-Baselines3.
const EPSILON: f64 = 1e-6;

/// A [diagonal Gaussian](DiagGaussian) squeezed into `(-1, 1)` by a hyperbolic tangent
/// (<https://arxiv.org/abs/1801.01290>, appendix C).
///
/// Actions are the ones before the tangent, of which [`squash`](Self::squash) makes what an environment sees: near a
/// bound the inverse of the tangent has hardly a digit left in f32. Log-probabilities are those of the squeezed action.
#[derive(Clone, Debug)]
pub struct SquashedGaussian {
    gaussian: DiagGaussian,
}

impl SquashedGaussian {
    /// Makes the distribution of the actions that `gaussian` gives before the tangent.
    pub fn new(gaussian: DiagGaussian) -> Self {
        Self { gaussian }
    }

    /// Actions within `(-1, 1)`.
    pub fn squash(actions: Tensor<2>) -> Tensor<2> {
        actions.tanh()
    }
}

impl Distribution for SquashedGaussian {
    /// Before the tangent, `[N, D]`.
    type Actions = Tensor<2>;

    const NAME: &'static str = "squashed Gaussian";
    const HAS_OTHER: bool = false;

    fn log_prob(&self, actions: Tensor<2>) -> Tensor<1> {
        let slope = Self::squash(actions.clone()).square().neg() + (1.0 + EPSILON);
        self.gaussian.log_prob(actions) - sum_columns(slope.log())
    }

    fn entropy(&self) -> Option<Tensor<1>> {
        None
    }

    fn mode(&self) -> Tensor<2> {
        self.gaussian.mode()
    }

    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2>, DistributionError> {
        self.gaussian.sample(streams)
    }
}
