use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use super::head::GaussianSettings;
use super::initialization::Layers;
use super::mlp::{TRUNK_GAIN, VALUE_GAIN};
use super::{ActionHead, ActorCritic, PolicyError};
use crate::distribution::{ActionDistribution, DistributionError};
use crate::environment::ActionSpace;
use crate::loss::Algorithm;
use crate::run::Stream;

/// Largest value of a pixel.
const WHITE: f64 = 255.0;

/// Channels, kernel and stride of the convolutions.
const CONVOLUTIONS: [(usize, usize, usize); 3] = [(32, 8, 4), (64, 4, 2), (64, 3, 1)];

/// Configuration of [`NatureCnn`].
#[derive(Config, Debug)]
pub struct NatureCnnConfig {
    /// Number of features that actor and critic read.
    #[config(default = 512)]
    pub features: usize,
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

impl NatureCnnConfig {
    /// Makes the policy for images of the shape `[channels, height, width]`.
    ///
    /// # Errors
    /// If the image is too small, if a layer or the action space is empty, or a setting does not fit the action space.
    pub fn init(
        &self,
        image: [usize; 3],
        space: &ActionSpace,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<NatureCnn, PolicyError> {
        let [channels, height, width] = image;
        if channels == 0 || self.features == 0 {
            return Err(PolicyError::Width { name: if channels == 0 { "image" } else { "feature layer" } });
        }
        let convolved = |size: usize| {
            CONVOLUTIONS
                .iter()
                .try_fold(size, |size, (_, kernel, stride)| Some(size.checked_sub(*kernel)? / stride + 1))
        };
        let (Some(rows), Some(columns)) = (convolved(height), convolved(width)) else {
            return Err(PolicyError::ImageTooSmall { height, width });
        };
        let mut layers = Layers { stream, orthogonal: self.ortho_init, device };
        let mut inputs = channels;
        let convolutions = CONVOLUTIONS.map(|(outputs, kernel, stride)| {
            let layer = layers.convolution([inputs, outputs], kernel, stride, TRUNK_GAIN);
            inputs = outputs;
            layer
        });
        let linear = layers.linear(inputs * rows * columns, self.features, TRUNK_GAIN);
        let settings = GaussianSettings { log_std_init: self.log_std_init, use_sde: self.use_sde, squash: self.squash };
        let action_head = ActionHead::init(self.features, space, settings, &mut layers)?;
        let value_head = layers.linear(self.features, 1, VALUE_GAIN);
        Ok(NatureCnn {
            image,
            convolutions,
            linear,
            action_head,
            value_head,
            #[cfg(feature = "flex")]
            dense: flex::Dense::default(),
        })
    }
}

/// The convolutional network of <https://www.nature.com/articles/nature14236>, whose features actor and critic share.
///
/// Observations are images of the shape `[channels, height, width]`, flattened, with pixels from 0 to 255.
#[derive(Module, Debug)]
pub struct NatureCnn {
    image: [usize; 3],
    convolutions: [Conv2d; 3],
    linear: Linear,
    action_head: ActionHead,
    value_head: Linear,
    #[cfg(feature = "flex")]
    #[module(skip)]
    dense: flex::Dense,
}

impl NatureCnn {
    /// Checks that an algorithm can train the actions of this policy.
    ///
    /// # Errors
    /// If the algorithm is symmetric and there is no probability of the other actions.
    pub fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), DistributionError> {
        self.action_head.check_algorithm(algorithm)
    }

    fn features(&self, observations: Tensor<2>) -> Tensor<2> {
        let maps = self.convolve(observations);
        #[cfg(feature = "flex")]
        let features = self.dense.forward(&self.linear, maps);
        #[cfg(not(feature = "flex"))]
        let features = self.linear.forward(maps);
        relu(features)
    }

    /// The output of the convolutions alone, flat.
    ///
    /// # Shapes
    /// - observations: `[N, channels · height · width]`
    pub fn convolve(&self, observations: Tensor<2>) -> Tensor<2> {
        let [first, others @ ..] = &self.convolutions;
        // Bringing pixels to 0..=1 is left to the weights, of which there are fewer.
        let weight = first.weight.val() / WHITE;
        #[cfg(all(feature = "flex", target_arch = "x86_64"))]
        if let Some(maps) = flex::convolved(self.image, &observations, &weight, &self.convolutions) {
            return maps;
        }
        let [rows, _] = observations.dims();
        let [channels, height, width] = self.image;
        let pixels = observations.reshape([rows, channels, height, width]);
        let options = ConvOptions::new(first.stride, [0, 0], first.dilation, first.groups);
        let first = conv2d(pixels, weight, first.bias.as_ref().map(|bias| bias.val()), options);
        others.iter().fold(relu(first), |maps, layer| relu(layer.forward(maps))).flatten(1, 3)
    }

    fn value_of(&self, features: Tensor<2>) -> Tensor<1> {
        let value = self.value_head.forward(features);
        let [rows, _] = value.dims();
        value.reshape([rows])
    }
}

impl ActorCritic for NatureCnn {
    fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>) {
        let features = self.features(observations);
        (self.action_head.forward(features.clone()), self.value_of(features))
    }

    fn value(&self, observations: Tensor<2>) -> Tensor<1> {
        self.value_of(self.features(observations))
    }

    fn distribution(&self, observations: Tensor<2>) -> ActionDistribution {
        self.action_head.forward(self.features(observations))
    }

    fn mean_std(&self) -> Option<Tensor<1>> {
        self.action_head.mean_std()
    }
}

/// What Burn's own operations do elsewhere.
#[cfg(feature = "flex")]
mod flex {
    use burn::nn::Linear;
    #[cfg(target_arch = "x86_64")]
    use burn::nn::conv::Conv2d;
    use burn::tensor::Tensor;

    #[cfg(target_arch = "x86_64")]
    use crate::kernel::convolution::Convolutions;
    use crate::kernel::linear;
    use crate::kernel::operation::{is_f32_on_flex, run};
    use crate::kernel::packs::Packs;
    use crate::kernel::tile::Format;

    /// All convolutions as one operation, flat; `None` where it cannot run. `weight` is that of the first one.
    #[cfg(target_arch = "x86_64")]
    pub fn convolved(
        image: [usize; 3],
        observations: &Tensor<2>,
        weight: &Tensor<4>,
        layers: &[Conv2d; 3],
    ) -> Option<Tensor<2>> {
        let [_, second, third] = layers.each_ref().map(|layer| layer.weight.val());
        let biases: Vec<Tensor<1>> = layers.iter().filter_map(|layer| Some(layer.bias.as_ref()?.val())).collect();
        let suits = [weight, &second, &third].into_iter().all(is_f32_on_flex) && biases.iter().all(is_f32_on_flex);
        if !suits || !is_f32_on_flex(observations) {
            return None;
        }
        let biases: [Tensor<1>; 3] = biases.try_into().ok()?;
        let operation = Convolutions::new(image, super::CONVOLUTIONS)?;
        let [b1, b2, b3] = biases.map(Tensor::into_dispatch);
        let [w1, w2, w3] = [weight.clone(), second, third].map(Tensor::into_dispatch);
        Some(run(operation, [observations.clone().into_dispatch(), w1, b1, w2, b2, w3, b3]))
    }

    /// A fully connected layer. While it is only applied to a few rows, as in playing, its weights are kept in the order
    /// in which products read them.
    #[derive(Clone, Debug, Default)]
    pub struct Dense(Packs);

    impl Dense {
        pub fn forward(&self, layer: &Linear, x: Tensor<2>) -> Tensor<2> {
            let weight = layer.weight.val();
            match &layer.bias {
                Some(bias) if is_f32_on_flex(&x) && is_f32_on_flex(&weight) && is_f32_on_flex(&bias.val()) => {
                    let operation = linear::Linear { format: Format::F32, packs: self.0.clone() };
                    run(operation, [x.into_dispatch(), weight.into_dispatch(), bias.val().into_dispatch()])
                }
                _ => layer.forward(x),
            }
        }
    }
}
