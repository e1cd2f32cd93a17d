use burn::config::Config;
use burn::optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

#[cfg(feature = "flex")]
use crate::flex::fits;

/// Whose RMSprop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RmsPropStyle {
    /// The mean square starts at 0, and epsilon is added to its root.
    PyTorch,
    /// The mean square starts at 1, and epsilon is added to it under the root: the first steps are small.
    TensorFlow,
}

/// Configuration of [`FusedRmsProp`].
#[derive(Config, Debug)]
pub struct FusedRmsPropConfig {
    /// Whose RMSprop.
    pub style: RmsPropStyle,
    /// Smoothing constant.
    #[config(default = 0.99)]
    pub alpha: f32,
    /// Keeps the divisor from 0.
    #[config(default = 1e-5)]
    pub epsilon: f32,
}

impl FusedRmsPropConfig {
    /// Makes the bare optimizer, for one group of parameters.
    pub fn build(&self) -> FusedRmsProp {
        FusedRmsProp { style: self.style, alpha: self.alpha, epsilon: self.epsilon }
    }

    /// Makes the optimizer of a whole module.
    pub fn init(&self) -> ModuleOptimizer {
        ModuleOptimizer::from(self.build())
    }
}

/// RMSprop without momentum, in one pass over memory on flex: the optimiser of A2C
/// (<https://arxiv.org/abs/1602.01783>). [`RmsPropTf`](crate::optim::RmsPropTf) has more options.
///
/// ```text
/// v  = alpha v + (1 - alpha) g^2
/// w -= lr g / (sqrt(v) + epsilon)      PyTorch, v starts at 0
/// w -= lr g / sqrt(v + epsilon)        TensorFlow, v starts at 1
/// ```
#[derive(Clone, Debug)]
pub struct FusedRmsProp {
    style: RmsPropStyle,
    alpha: f32,
    epsilon: f32,
}

/// What [`FusedRmsProp`] remembers of one parameter.
#[derive(Clone, Debug)]
pub struct FusedRmsPropState<const D: usize> {
    mean_square: Tensor<D>,
}

impl FusedRmsProp {
    /// The new weights and mean square.
    fn update<const D: usize>(&self, rate: f32, old: [Tensor<D>; 2], grad: Tensor<D>) -> [Tensor<D>; 2] {
        #[cfg(feature = "flex")]
        if fits(&grad) && old.iter().all(fits) {
            return flex::step(self, rate, old, grad);
        }
        let [weights, mean_square] = old;
        let mean_square = mean_square * self.alpha + grad.clone().square() * (1.0 - self.alpha);
        let divisor = match self.style {
            RmsPropStyle::PyTorch => mean_square.clone().sqrt() + self.epsilon,
            RmsPropStyle::TensorFlow => (mean_square.clone() + self.epsilon).sqrt(),
        };
        [weights - grad / divisor * rate, mean_square]
    }
}

impl Optimizer for FusedRmsProp {
    type State<const D: usize> = FusedRmsPropState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<FusedRmsPropState<D>>,
    ) -> (Tensor<D>, Option<FusedRmsPropState<D>>) {
        let mean_square = match (state, self.style) {
            (Some(state), _) => state.mean_square,
            (None, RmsPropStyle::PyTorch) => grad.zeros_like(),
            (None, RmsPropStyle::TensorFlow) => grad.ones_like(),
        };
        let [tensor, mean_square] = self.update(lr as f32, [tensor, mean_square], grad);
        (tensor, Some(FusedRmsPropState { mean_square }))
    }

    fn to_device<const D: usize>(state: FusedRmsPropState<D>, device: &Device) -> FusedRmsPropState<D> {
        FusedRmsPropState { mean_square: state.mean_square.to_device(device) }
    }
}

// By hand, since Burn's derive writes paths that only resolve inside Burn.
impl<const D: usize> RecordState for FusedRmsPropState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, "mean_square", self.mean_square.to_data());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let mean_square = src.take_tensor(prefix, "mean_square")?;
        Some(Self { mean_square: Tensor::from_data(mean_square, device) })
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use super::{FusedRmsProp, RmsPropStyle};
    use crate::flex::{BLOCK, primitive, tensor};

    pub fn step<const D: usize>(
        optimizer: &FusedRmsProp,
        rate: f32,
        old: [Tensor<D>; 2],
        grad: Tensor<D>,
    ) -> [Tensor<D>; 2] {
        let epsilon = optimizer.epsilon;
        match optimizer.style {
            RmsPropStyle::PyTorch => pass(optimizer.alpha, rate, old, grad, |square| square.sqrt() + epsilon),
            RmsPropStyle::TensorFlow => pass(optimizer.alpha, rate, old, grad, |square| (square + epsilon).sqrt()),
        }
    }

    fn pass<const D: usize>(
        alpha: f32,
        rate: f32,
        old: [Tensor<D>; 2],
        grad: Tensor<D>,
        divisor: impl Fn(f32) -> f32 + Sync,
    ) -> [Tensor<D>; 2] {
        let grad = primitive(grad);
        let [mut weights, mut mean_square] = old.map(primitive);
        let blocks = weights
            .storage_mut::<f32>()
            .par_chunks_mut(BLOCK)
            .zip(mean_square.storage_mut::<f32>().par_chunks_mut(BLOCK))
            .zip(grad.storage::<f32>().par_chunks(BLOCK));
        blocks.for_each(|((weights, mean_square), grad)| {
            for ((weight, square), &grad) in weights.iter_mut().zip(mean_square).zip(grad) {
                *square = *square * alpha + grad * grad * (1.0 - alpha);
                *weight -= grad / divisor(*square) * rate;
            }
        });
        [weights, mean_square].map(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{GradientsParams, RmsPropConfig};
    use burn::tensor::DType;

    use crate::optim::RmsPropTfConfig;

    fn train(mut layer: Linear, optimizer: &mut ModuleOptimizer, steps: std::ops::Range<usize>) -> Linear {
        for step in steps {
            let x = Tensor::<2>::full([3, 5], 0.3 + step as f32, &Device::flex().autodiff());
            let gradients = layer.forward(x).square().mean().backward();
            let gradients = GradientsParams::from_grads(gradients, &layer);
            layer = optimizer.step(1e-2, layer, gradients);
        }
        layer
    }

    fn values(layer: &Linear) -> Vec<f32> {
        layer.weight.val().into_data().try_into_vec().unwrap()
    }

    #[test]
    fn steps_are_those_of_the_optimisers_with_more_options() {
        let torch = RmsPropConfig::new().with_alpha(0.99).with_epsilon(1e-5).with_momentum(0.0);
        let others = [(RmsPropStyle::PyTorch, torch.init()), (RmsPropStyle::TensorFlow, RmsPropTfConfig::new().init())];
        for (style, mut other) in others {
            let start: Linear = LinearConfig::new(5, 4).init(&Device::flex().autodiff());
            let found = values(&train(start.clone(), &mut FusedRmsPropConfig::new(style).init(), 0..7));
            let expected = values(&train(start.clone(), &mut other, 0..7));
            for ((found, expected), start) in found.iter().zip(&expected).zip(values(&start)) {
                assert!((found - expected).abs() < 1e-5 * (found - start).abs() + 1e-7, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn resuming_from_a_record_goes_on_bit_for_bit() {
        for style in [RmsPropStyle::PyTorch, RmsPropStyle::TensorFlow] {
            let config = FusedRmsPropConfig::new(style);
            let start = LinearConfig::new(5, 4).init(&Device::flex().autodiff());
            let mut optimizer = config.init();
            let middle = train(start, &mut optimizer, 0..3);
            let mut resumed = config.init().from_bytes(optimizer.into_bytes().unwrap()).unwrap();
            let straight = train(middle.clone(), &mut optimizer, 3..6);
            assert_eq!(values(&straight), values(&train(middle.clone(), &mut resumed, 3..6)));
            assert_ne!(values(&straight), values(&train(middle, &mut config.init(), 3..6)));
        }
    }

    #[test]
    fn other_float_types_take_the_general_path() {
        let device = Device::flex();
        for style in [RmsPropStyle::PyTorch, RmsPropStyle::TensorFlow] {
            let optimizer = FusedRmsPropConfig::new(style).with_epsilon(1e-2).build();
            let of = |dtype| {
                let tensor = Tensor::<1>::from_data([1.0, -2.0], &device).cast(dtype);
                let grad = Tensor::<1>::from_data([0.5, 0.25], &device).cast(dtype);
                let (tensor, state) = optimizer.step(1e-1, tensor, grad.clone(), None);
                let (tensor, _) = optimizer.step(1e-1, tensor, grad, state);
                tensor.cast(DType::F32).to_data()
            };
            of(DType::F64).assert_approx_eq::<f32>(&of(DType::F32), Default::default());
        }
    }
}
