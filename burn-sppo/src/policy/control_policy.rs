use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Activation, ActorCritic, Mlp, MlpConfig, NatureCnn, NatureCnnConfig, PolicyError};
use crate::distribution::{ActionDistribution, DistributionError};
use crate::environment::ActionSpace;
use crate::loss::Algorithm;
use crate::run::Stream;

/// The networks that come with the crate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// See [`Mlp`].
    #[default]
    Mlp,
    /// See [`NatureCnn`].
    Cnn,
}

/// Configuration of a [policy](ControlPolicy) for any environment.
#[derive(Config, Debug)]
pub struct PolicyConfig {
    /// Which network.
    #[config(default = "PolicyKind::Mlp")]
    pub kind: PolicyKind,
    /// Widths of the hidden layers of [`Mlp`], of actor and critic alike.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// What follows a hidden layer of [`Mlp`].
    #[config(default = "Activation::Tanh")]
    pub activation: Activation,
    /// Orthogonal weights and biases of 0 at the start, rather than PyTorch's uniform ones.
    #[config(default = true)]
    pub ortho_init: bool,
    /// Log of the standard deviation that Gaussian actions start with.
    #[config(default = 0.0)]
    pub log_std_init: f64,
    /// Noise that depends on the state, for Gaussian actions.
    #[config(default = false)]
    pub use_sde: bool,
    /// Squeeze Gaussian actions into their bounds instead of clipping them.
    #[config(default = false)]
    pub squash: bool,
}

impl PolicyConfig {
    /// Makes the policy for an environment's observations and actions.
    ///
    /// # Errors
    /// If the network cannot read such observations, if a layer or the action space is empty, or a setting does not fit
    /// the action space.
    pub fn init(
        &self,
        observation_shape: &[usize],
        space: &ActionSpace,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<ControlPolicy, PolicyError> {
        match self.kind {
            PolicyKind::Mlp => MlpConfig::new()
                .with_hidden(self.hidden.clone())
                .with_activation(self.activation)
                .with_ortho_init(self.ortho_init)
                .with_log_std_init(self.log_std_init)
                .with_use_sde(self.use_sde)
                .with_squash(self.squash)
                .init(observation_shape.iter().product(), space, stream, device)
                .map(ControlPolicy::Mlp),
            PolicyKind::Cnn => {
                let image = <[usize; 3]>::try_from(observation_shape);
                let image = image.map_err(|_| PolicyError::NotAnImage { shape: observation_shape.to_vec() })?;
                NatureCnnConfig::new()
                    .with_ortho_init(self.ortho_init)
                    .with_log_std_init(self.log_std_init)
                    .with_use_sde(self.use_sde)
                    .with_squash(self.squash)
                    .init(image, space, stream, device)
                    .map(ControlPolicy::NatureCnn)
            }
        }
    }
}

/// One of the networks that come with the crate, chosen at run time.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them, and Burn knows no module in a box")]
pub enum ControlPolicy {
    /// See [`Mlp`].
    Mlp(Mlp),
    /// See [`NatureCnn`].
    NatureCnn(NatureCnn),
}

impl ControlPolicy {
    /// Checks that an algorithm can train the actions of this policy.
    ///
    /// # Errors
    /// If the algorithm is symmetric and there is no probability of the other actions.
    pub fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), DistributionError> {
        match self {
            Self::Mlp(policy) => policy.check_algorithm(algorithm),
            Self::NatureCnn(policy) => policy.check_algorithm(algorithm),
        }
    }
}

impl ActorCritic for ControlPolicy {
    fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>) {
        match self {
            Self::Mlp(policy) => policy.forward(observations),
            Self::NatureCnn(policy) => policy.forward(observations),
        }
    }

    fn value(&self, observations: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Mlp(policy) => ActorCritic::value(policy, observations),
            Self::NatureCnn(policy) => ActorCritic::value(policy, observations),
        }
    }

    fn distribution(&self, observations: Tensor<2>) -> ActionDistribution {
        match self {
            Self::Mlp(policy) => policy.distribution(observations),
            Self::NatureCnn(policy) => policy.distribution(observations),
        }
    }

    fn mean_std(&self) -> Option<Tensor<1>> {
        match self {
            Self::Mlp(policy) => policy.mean_std(),
            Self::NatureCnn(policy) => policy.mean_std(),
        }
    }

    fn value_is_separate(&self) -> bool {
        match self {
            Self::Mlp(policy) => ActorCritic::value_is_separate(policy),
            Self::NatureCnn(policy) => ActorCritic::value_is_separate(policy),
        }
    }
}
