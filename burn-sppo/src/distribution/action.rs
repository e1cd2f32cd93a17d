use burn::tensor::Tensor;
use rand::Rng;

use crate::distribution::{
    Bernoulli, Categorical, DiagGaussian, Distribution, DistributionError, Execution, Exploration, MultiCategorical,
    SquashedGaussian, StateDependentGaussian,
};
use crate::loss::Algorithm;

/// The distribution of whatever kind of action an environment takes.
///
/// Actions are `[N, width]` numbers of f32 in all kinds, as rollouts store them: indices for choices, 0 or 1 for yes
/// and no, unbounded numbers for Gaussians. [`execution`](Self::execution) says what the environment makes of them.
#[derive(Clone, Debug)]
pub enum ActionDistribution {
    /// One choice; width 1.
    Categorical(Categorical),
    /// One choice in each dimension.
    MultiCategorical(MultiCategorical),
    /// Yes or no in each dimension.
    Bernoulli(Bernoulli),
    /// A number in each dimension, clipped by the environment.
    DiagGaussian(DiagGaussian),
    /// A number in each dimension, squeezed into the bounds.
    SquashedGaussian(SquashedGaussian),
    /// A number in each dimension, clipped by the environment, with noise that depends on the state.
    StateDependentGaussian(Box<StateDependentGaussian>),
}

macro_rules! each {
    ($self:ident, $distribution:ident => $value:expr) => {
        match $self {
            Self::Categorical($distribution) => $value,
            Self::MultiCategorical($distribution) => $value,
            Self::Bernoulli($distribution) => $value,
            Self::DiagGaussian($distribution) => $value,
            Self::SquashedGaussian($distribution) => $value,
            Self::StateDependentGaussian(boxed) => {
                let $distribution = boxed.as_ref();
                $value
            }
        }
    };
}

impl ActionDistribution {
    /// Log-probability of each row's action.
    ///
    /// # Shapes
    /// - actions: `[N, width]`
    /// - output: `[N]`
    pub fn log_prob(&self, actions: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Categorical(distribution) => distribution.log_prob_of_column(actions.int()),
            Self::MultiCategorical(distribution) => distribution.log_prob(actions.int()),
            Self::Bernoulli(distribution) => distribution.log_prob(actions.int()),
            Self::DiagGaussian(distribution) => distribution.log_prob(actions),
            Self::SquashedGaussian(distribution) => distribution.log_prob(actions),
            Self::StateDependentGaussian(distribution) => distribution.log_prob(actions),
        }
    }

    /// Entropy of each row, `[N]`; `None` without a closed form.
    pub fn entropy(&self) -> Option<Tensor<1>> {
        each!(self, distribution => distribution.entropy())
    }

    /// The likeliest action of each row, `[N, width]`.
    pub fn mode(&self) -> Tensor<2> {
        match self {
            Self::Categorical(distribution) => distribution.mode_column().float(),
            Self::MultiCategorical(distribution) => distribution.mode().float(),
            Self::Bernoulli(distribution) => distribution.mode().float(),
            Self::DiagGaussian(distribution) => distribution.mode(),
            Self::SquashedGaussian(distribution) => distribution.mode(),
            Self::StateDependentGaussian(distribution) => distribution.mode(),
        }
    }

    /// An action of each row, drawn with that row's stream, `[N, width]`.
    ///
    /// # Errors
    /// If there is not one stream for each row.
    pub fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2>, DistributionError> {
        Ok(match self {
            Self::Categorical(distribution) => distribution.sample_column(streams)?.float(),
            Self::MultiCategorical(distribution) => distribution.sample(streams)?.float(),
            Self::Bernoulli(distribution) => distribution.sample(streams)?.float(),
            Self::DiagGaussian(distribution) => distribution.sample(streams)?,
            Self::SquashedGaussian(distribution) => distribution.sample(streams)?,
            Self::StateDependentGaussian(distribution) => distribution.sample(streams)?,
        })
    }

    /// [`sample`](Self::sample) with noise that is kept from step to step, where the distribution has such noise: it is
    /// drawn where `exploration` is empty and left there. Empty it to draw anew. Other distributions do not touch it.
    ///
    /// # Errors
    /// If there is not one stream for each row, or the noise was drawn for another number of rows.
    pub fn sample_exploring<R: Rng>(
        &self,
        exploration: &mut Option<Exploration>,
        streams: &mut [R],
    ) -> Result<Tensor<2>, DistributionError> {
        match self {
            Self::StateDependentGaussian(distribution) => {
                let kept = match exploration.take() {
                    Some(kept) => kept,
                    None => distribution.explore(streams)?,
                };
                distribution.sample_exploring(exploration.insert(kept))
            }
            _ => self.sample(streams),
        }
    }

    /// Log-probabilities of all actions, `[N, K]`.
    ///
    /// # Errors
    /// If the actions cannot be listed.
    pub fn full_log_prob(&self) -> Result<Tensor<2>, DistributionError> {
        each!(self, distribution => distribution.full_log_prob())
    }

    /// Whether the probability of "any other action" exists, which the symmetric algorithms weigh.
    pub fn has_other(&self) -> bool {
        fn of<D: Distribution>(_: &D) -> bool {
            D::HAS_OTHER
        }
        each!(self, distribution => of(distribution))
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        fn of<D: Distribution>(_: &D) -> &'static str {
            D::NAME
        }
        each!(self, distribution => of(distribution))
    }

    /// Checks that an algorithm can train this kind of action.
    ///
    /// # Errors
    /// If the algorithm is symmetric and there is no probability of the other actions.
    pub fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), DistributionError> {
        fn of<D: Distribution>(_: &D, algorithm: Algorithm) -> Result<(), DistributionError> {
            D::check_algorithm(algorithm)
        }
        each!(self, distribution => of(distribution, algorithm))
    }

    /// What the environment makes of the actions.
    pub fn execution(&self) -> Execution {
        match self {
            Self::Categorical(_) | Self::MultiCategorical(_) | Self::Bernoulli(_) => Execution::Index,
            Self::DiagGaussian(_) | Self::StateDependentGaussian(_) => Execution::Clip,
            Self::SquashedGaussian(_) => Execution::Squash,
        }
    }
}
