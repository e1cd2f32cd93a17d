use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::PolicyError;
use super::initialization::Layers;
use crate::distribution::{
    ActionDistribution, Bernoulli, Categorical, DiagGaussian, Distribution, DistributionError, MultiCategorical,
    SquashedGaussian, StateDependentGaussian,
};
use crate::environment::ActionSpace;
use crate::loss::Algorithm;

/// Gain of the initial weights: small, so that all actions start almost equally likely.
const GAIN: f64 = 0.01;

const FITTING: &str = "the parameters were made for each other";

/// How actions that are numbers are distributed.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaussianSettings {
    pub log_std_init: f64,
    pub use_sde: bool,
    pub squash: bool,
}

/// The last layer of an actor: from features to the distribution that the action space asks for.
#[derive(Module, Debug)]
pub enum ActionHead {
    /// One choice.
    Categorical(Linear),
    /// One choice in each dimension.
    MultiCategorical(ChoicesHead),
    /// Yes or no in each dimension.
    Bernoulli(Linear),
    /// A number in each dimension.
    DiagGaussian(GaussianHead),
    /// A number within bounds in each dimension.
    SquashedGaussian(GaussianHead),
    /// A number in each dimension, with noise that depends on the features.
    StateDependentGaussian(StateDependentHead),
}

/// The layer of [`MultiCategorical`] actions.
#[derive(Module, Debug)]
pub struct ChoicesHead {
    logits: Linear,
    sizes: Vec<usize>,
}

/// The layer of [`DiagGaussian`] actions, with a deviation that does not depend on the state.
#[derive(Module, Debug)]
pub struct GaussianHead {
    mean: Linear,
    /// `[D]`
    log_std: Param<Tensor<1>>,
}

/// The layer of [`StateDependentGaussian`] actions.
#[derive(Module, Debug)]
pub struct StateDependentHead {
    mean: Linear,
    /// `[L, D]`
    log_std: Param<Tensor<2>>,
}

impl ActionHead {
    pub(super) fn init(
        features: usize,
        space: &ActionSpace,
        settings: GaussianSettings,
        layers: &mut Layers,
    ) -> Result<Self, PolicyError> {
        check(space, settings)?;
        let width = space.width();
        Ok(match space {
            ActionSpace::Discrete { n } => Self::Categorical(layers.linear(features, *n, GAIN)),
            ActionSpace::MultiDiscrete { sizes } => {
                let logits = layers.linear(features, sizes.iter().sum(), GAIN);
                Self::MultiCategorical(ChoicesHead { logits, sizes: sizes.clone() })
            }
            ActionSpace::MultiBinary { n } => Self::Bernoulli(layers.linear(features, *n, GAIN)),
            ActionSpace::Continuous { .. } if settings.use_sde => {
                let mean = layers.linear(features, width, GAIN);
                let log_std = layers.constant([features, width], settings.log_std_init);
                Self::StateDependentGaussian(StateDependentHead { mean, log_std })
            }
            ActionSpace::Continuous { .. } => {
                let mean = layers.linear(features, width, GAIN);
                let head = GaussianHead { mean, log_std: layers.constant([width], settings.log_std_init) };
                if settings.squash { Self::SquashedGaussian(head) } else { Self::DiagGaussian(head) }
            }
        })
    }

    /// The distribution of actions.
    ///
    /// # Shapes
    /// - features: `[N, L]`
    pub fn forward(&self, features: Tensor<2>) -> ActionDistribution {
        self.distribution(|last| match last {
            Some(last) => last.forward(features.clone()),
            None => features.clone(),
        })
    }

    /// The distribution of actions where `apply` gives the features, or what a layer makes of them.
    pub(super) fn distribution(&self, apply: impl Fn(Option<&Linear>) -> Tensor<2>) -> ActionDistribution {
        match self {
            Self::Categorical(logits) => ActionDistribution::Categorical(Categorical::new(apply(Some(logits)))),
            Self::MultiCategorical(head) => ActionDistribution::MultiCategorical(
                MultiCategorical::new(apply(Some(&head.logits)), &head.sizes).expect(FITTING),
            ),
            Self::Bernoulli(logits) => ActionDistribution::Bernoulli(Bernoulli::new(apply(Some(logits)))),
            Self::DiagGaussian(head) => ActionDistribution::DiagGaussian(head.distribution(apply)),
            Self::SquashedGaussian(head) => {
                ActionDistribution::SquashedGaussian(SquashedGaussian::new(head.distribution(apply)))
            }
            Self::StateDependentGaussian(head) => {
                let features = apply(None);
                let mean = head.mean.forward(features.clone());
                // The noise does not train the features, as in Stable-Baselines3.
                let distribution = StateDependentGaussian::new(mean, features.detach(), head.log_std.val());
                ActionDistribution::StateDependentGaussian(Box::new(distribution.expect(FITTING)))
            }
        }
    }

    /// The mean standard deviation, `[1]`, of Gaussian actions.
    pub fn mean_std(&self) -> Option<Tensor<1>> {
        match self {
            Self::DiagGaussian(head) | Self::SquashedGaussian(head) => Some(head.log_std.val().exp().mean()),
            Self::StateDependentGaussian(head) => Some(head.log_std.val().exp().mean()),
            Self::Categorical(_) | Self::MultiCategorical(_) | Self::Bernoulli(_) => None,
        }
    }

    /// Checks that an algorithm can train this kind of action.
    ///
    /// # Errors
    /// If the algorithm is symmetric and there is no probability of the other actions.
    pub fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), DistributionError> {
        match self {
            Self::Categorical(_) => Categorical::check_algorithm(algorithm),
            Self::MultiCategorical(_) => MultiCategorical::check_algorithm(algorithm),
            Self::Bernoulli(_) => Bernoulli::check_algorithm(algorithm),
            Self::DiagGaussian(_) => DiagGaussian::check_algorithm(algorithm),
            Self::SquashedGaussian(_) => SquashedGaussian::check_algorithm(algorithm),
            Self::StateDependentGaussian(_) => StateDependentGaussian::check_algorithm(algorithm),
        }
    }
}

impl GaussianHead {
    fn distribution(&self, apply: impl Fn(Option<&Linear>) -> Tensor<2>) -> DiagGaussian {
        DiagGaussian::new(apply(Some(&self.mean)), self.log_std.val()).expect(FITTING)
    }
}

fn check(space: &ActionSpace, settings: GaussianSettings) -> Result<(), PolicyError> {
    let name = || format!("{space:?}");
    let possible = match space {
        ActionSpace::Discrete { n } | ActionSpace::MultiBinary { n } => *n > 0,
        ActionSpace::MultiDiscrete { sizes } => !sizes.is_empty() && !sizes.contains(&0),
        ActionSpace::Continuous { low, high } if low.len() != high.len() => {
            return Err(PolicyError::Bounds { low: low.len(), high: high.len() });
        }
        ActionSpace::Continuous { low, .. } => !low.is_empty(),
    };
    if !possible {
        return Err(PolicyError::NoActions { space: name() });
    }
    let ActionSpace::Continuous { low, high } = space else {
        let setting = if settings.use_sde { Some("use_sde") } else { settings.squash.then_some("squash") };
        return match setting {
            Some(setting) => Err(PolicyError::NeedsContinuousActions { setting, space: name() }),
            None => Ok(()),
        };
    };
    if settings.use_sde && settings.squash {
        return Err(PolicyError::SquashedStateDependentNoise);
    }
    let unbounded = low.iter().zip(high).position(|(low, high)| !low.is_finite() || !high.is_finite());
    if let Some(dimension) = unbounded.filter(|_| settings.squash) {
        return Err(PolicyError::Unbounded { dimension, low: low[dimension], high: high[dimension] });
    }
    if !settings.log_std_init.is_finite() {
        return Err(PolicyError::NotFinite { name: "log_std_init", value: settings.log_std_init });
    }
    Ok(())
}
