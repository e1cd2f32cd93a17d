use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use super::head::GaussianSettings;
use super::initialization::Layers;
use super::{ActionHead, Activation, ActorCritic, PolicyError, layers};
use crate::distribution::{ActionDistribution, DistributionError};
use crate::environment::ActionSpace;
use crate::loss::Algorithm;
use crate::run::Stream;

/// Gain of the initial weights of the hidden layers.
pub(super) const TRUNK_GAIN: f64 = std::f64::consts::SQRT_2;

/// Gain of the initial weights of the layer that predicts values.
pub(super) const VALUE_GAIN: f64 = 1.0;

/// Configuration of [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Widths of the hidden layers, of actor and critic alike.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// What follows a hidden layer.
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

impl MlpConfig {
    /// Makes the policy for observations of `features` numbers.
    ///
    /// # Errors
    /// If a layer or the action space is empty, or a setting does not fit the action space.
    pub fn init(
        &self,
        features: usize,
        space: &ActionSpace,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Mlp, PolicyError> {
        if features == 0 {
            return Err(PolicyError::Width { name: "observation" });
        }
        if self.hidden.contains(&0) {
            return Err(PolicyError::Width { name: "hidden layer" });
        }
        let mut layers = Layers { stream, orthogonal: self.ortho_init, device };
        let (actor, critic) = (self.trunk(features, &mut layers), self.trunk(features, &mut layers));
        let last = *self.hidden.last().unwrap_or(&features);
        let settings = GaussianSettings { log_std_init: self.log_std_init, use_sde: self.use_sde, squash: self.squash };
        let action_head = ActionHead::init(last, space, settings, &mut layers)?;
        Ok(Mlp { actor, critic, action_head, value_head: layers.linear(last, 1, VALUE_GAIN) })
    }

    fn trunk(&self, features: usize, layers: &mut Layers) -> Trunk {
        let mut inputs = features;
        let layers = self.hidden.iter().map(|&width| {
            let layer = layers.linear(inputs, width, TRUNK_GAIN);
            inputs = width;
            layer
        });
        Trunk { layers: layers.collect(), activation: self.activation }
    }
}

/// An actor and a critic of fully connected layers that share nothing.
#[derive(Module, Debug)]
pub struct Mlp {
    actor: Trunk,
    critic: Trunk,
    action_head: ActionHead,
    value_head: Linear,
}

#[derive(Module, Debug)]
struct Trunk {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Trunk {
    /// The features, or what `last` makes of them.
    fn forward(&self, observations: Tensor<2>, last: Option<&Linear>) -> Tensor<2> {
        layers::forward(&self.layers, self.activation, last, observations)
    }
}

impl Mlp {
    /// Checks that an algorithm can train the actions of this policy.
    ///
    /// # Errors
    /// If the algorithm is symmetric and there is no probability of the other actions.
    pub fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), DistributionError> {
        self.action_head.check_algorithm(algorithm)
    }
}

impl ActorCritic for Mlp {
    fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>) {
        (self.distribution(observations.clone()), ActorCritic::value(self, observations))
    }

    fn value(&self, observations: Tensor<2>) -> Tensor<1> {
        let value = self.critic.forward(observations, Some(&self.value_head));
        let [rows, _] = value.dims();
        value.reshape([rows])
    }

    fn distribution(&self, observations: Tensor<2>) -> ActionDistribution {
        self.action_head.distribution(|last| self.actor.forward(observations.clone(), last))
    }

    fn mean_std(&self) -> Option<Tensor<1>> {
        self.action_head.mean_std()
    }

    fn value_is_separate(&self) -> bool {
        true
    }
}
