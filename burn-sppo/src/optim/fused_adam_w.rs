use burn::config::Config;
use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

#[cfg(feature = "flex")]
use crate::flex::fits;

/// Configuration of [`FusedAdamW`], with PyTorch's defaults.
#[derive(Config, Debug)]
pub struct FusedAdamWConfig {
    /// Decay of the mean of gradients.
    #[config(default = 0.9)]
    pub beta_1: f32,
    /// Decay of the mean of squared gradients.
    #[config(default = 0.999)]
    pub beta_2: f32,
    /// Added to the root of the second mean.
    #[config(default = 1e-8)]
    pub epsilon: f32,
    /// Decay of the weights, in units of the learning rate.
    #[config(default = 1e-2)]
    pub weight_decay: f32,
}

impl FusedAdamWConfig {
    /// Makes the bare optimizer, for one group of parameters.
    pub fn build(&self) -> FusedAdamW {
        FusedAdamW { beta_1: self.beta_1, beta_2: self.beta_2, epsilon: self.epsilon, weight_decay: self.weight_decay }
    }

    /// Makes the optimizer of a whole module.
    pub fn init(&self) -> ModuleOptimizer {
        ModuleOptimizer::from(self.build())
    }
}

/// AdamW (<https://arxiv.org/abs/1711.05101>) whose numbers and records are those of Burn's, in one pass over memory on
/// flex.
///
/// ```text
/// m  = beta_1 m + (1 - beta_1) g
/// v  = beta_2 v + (1 - beta_2) g^2
/// w  = (1 - lr weight_decay) w - lr (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)
/// ```
#[derive(Clone, Debug)]
pub struct FusedAdamW {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
}

/// The factors of one step.
#[derive(Clone, Copy)]
struct Factors {
    keep_1: f32,
    take_1: f32,
    keep_2: f32,
    take_2: f32,
    correction_1: f32,
    correction_2: f32,
    epsilon: f32,
    decay: f32,
    rate: f32,
}

impl FusedAdamW {
    fn factors(&self, lr: LearningRate, time: usize) -> Factors {
        let time = i32::try_from(time).unwrap_or(i32::MAX);
        Factors {
            keep_1: self.beta_1,
            take_1: 1.0 - self.beta_1,
            keep_2: self.beta_2,
            take_2: 1.0 - self.beta_2,
            correction_1: 1.0 - self.beta_1.powi(time),
            correction_2: 1.0 - self.beta_2.powi(time),
            epsilon: self.epsilon,
            decay: (1.0 - lr * f64::from(self.weight_decay)) as f32,
            rate: lr as f32,
        }
    }
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let (time, moment_1, moment_2) = match state {
            Some(AdamWState { momentum }) => (momentum.time + 1, momentum.moment_1, momentum.moment_2),
            None => (1, grad.zeros_like(), grad.zeros_like()),
        };
        let factors = self.factors(lr, time);
        let [tensor, moment_1, moment_2] = step(factors, [tensor, moment_1, moment_2], grad);
        (tensor, Some(AdamWState::new(AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2: None })))
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

/// The new weights and moments.
fn step<const D: usize>(factors: Factors, old: [Tensor<D>; 3], grad: Tensor<D>) -> [Tensor<D>; 3] {
    #[cfg(feature = "flex")]
    if fits(&grad) && old.iter().all(fits) {
        return flex::step(factors, old, grad);
    }
    let [tensor, moment_1, moment_2] = old;
    let moment_1 = moment_1.mul_scalar(factors.keep_1) + grad.clone().mul_scalar(factors.take_1);
    let moment_2 = moment_2.mul_scalar(factors.keep_2) + grad.square().mul_scalar(factors.take_2);
    let spread = moment_2.clone().div_scalar(factors.correction_2).sqrt().add_scalar(factors.epsilon);
    let direction = moment_1.clone().div_scalar(factors.correction_1) / spread;
    let tensor = if factors.decay == 1.0 { tensor } else { tensor.mul_scalar(factors.decay) };
    [tensor - direction.mul_scalar(factors.rate), moment_1, moment_2]
}

#[cfg(feature = "flex")]
mod flex {
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use super::Factors;
    use crate::flex::{BLOCK, primitive, tensor};
    use crate::kernel::vectorise::vectorise;

    pub fn step<const D: usize>(factors: Factors, old: [Tensor<D>; 3], grad: Tensor<D>) -> [Tensor<D>; 3] {
        let grad = primitive(grad);
        let [mut weights, mut moment_1, mut moment_2] = old.map(primitive);
        let blocks = weights
            .storage_mut::<f32>()
            .par_chunks_mut(BLOCK)
            .zip(moment_1.storage_mut::<f32>().par_chunks_mut(BLOCK))
            .zip(moment_2.storage_mut::<f32>().par_chunks_mut(BLOCK))
            .zip(grad.storage::<f32>().par_chunks(BLOCK));
        blocks.for_each(|(((weights, moment_1), moment_2), grad)| update(factors, weights, moment_1, moment_2, grad));
        [weights, moment_1, moment_2].map(tensor)
    }

    vectorise! {
        fn update(factors: Factors, weights: &mut [f32], moment_1: &mut [f32], moment_2: &mut [f32], grad: &[f32]) {
            for (((weight, moment_1), moment_2), &grad) in weights.iter_mut().zip(moment_1).zip(moment_2).zip(grad) {
                *moment_1 = *moment_1 * factors.keep_1 + grad * factors.take_1;
                *moment_2 = *moment_2 * factors.keep_2 + grad * grad * factors.take_2;
                let spread = (*moment_2 / factors.correction_2).sqrt() + factors.epsilon;
                let direction = *moment_1 / factors.correction_1 / spread;
                *weight = *weight * factors.decay - direction * factors.rate;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{AdamWConfig, GradientsParams, OptimizerRecord};

    fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<u32> {
        tensor.to_data().try_into_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    }

    fn train(mut layer: Linear, optimizer: &mut ModuleOptimizer, steps: std::ops::Range<usize>) -> Linear {
        for step in steps {
            let x = Tensor::<2>::full([3, 5], 0.3 + step as f32, &Device::flex().autodiff());
            let gradients = layer.forward(x).square().mean().backward();
            let gradients = GradientsParams::from_grads(gradients, &layer);
            layer = optimizer.step(1e-3, layer, gradients);
        }
        layer
    }

    fn layer() -> Linear {
        let device = Device::flex().autodiff();
        let layer = LinearConfig::new(5, 4).init(&device);
        values(&layer.weight.val());
        layer
    }

    #[test]
    fn steps_are_burns_own_bit_by_bit() {
        for decay in [0.0, 0.1] {
            let start = layer();
            let mut fused = FusedAdamWConfig::new().with_weight_decay(decay).init();
            let mut burns = AdamWConfig::new().with_weight_decay(decay).with_epsilon(1e-8).init();
            let found = train(start.clone(), &mut fused, 0..7);
            let expected = train(start.clone(), &mut burns, 0..7);
            assert_eq!(values(&found.weight.val()), values(&expected.weight.val()), "decay {decay}");
            assert_ne!(values(&found.weight.val()), values(&start.weight.val()));
        }
    }

    #[test]
    fn records_are_exchanged_with_burns_own() {
        let start = layer();
        let mut burns = AdamWConfig::new().with_weight_decay(1e-2).with_epsilon(1e-8).init();
        let middle = train(start, &mut burns, 0..3);
        let record: OptimizerRecord = burns.to_record();
        let mut fused = FusedAdamWConfig::new().init().load_record(record);
        let found = train(middle.clone(), &mut fused, 3..6);
        let expected = train(middle, &mut burns, 3..6);
        assert_eq!(values(&found.weight.val()), values(&expected.weight.val()));
    }

    #[test]
    fn other_float_types_take_the_general_path() {
        let device = Device::flex();
        let optimizer = FusedAdamWConfig::new().with_epsilon(1e-3).build();
        let of = |dtype| {
            let tensor = Tensor::<1>::from_data([1.0, -2.0], &device).cast(dtype);
            let grad = Tensor::<1>::from_data([0.5, 0.25], &device).cast(dtype);
            let (tensor, state) = optimizer.step(1e-2, tensor, grad.clone(), None);
            let (tensor, _) = optimizer.step(1e-2, tensor, grad, state);
            tensor.cast(burn::tensor::DType::F32).to_data()
        };
        of(burn::tensor::DType::F64).assert_approx_eq::<f32>(&of(burn::tensor::DType::F32), Default::default());
    }
}
