use burn::config::Config;
use burn::optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// Configuration of the [TensorFlow-style RMSprop](RmsPropTf).
#[derive(Config, Debug)]
pub struct RmsPropTfConfig {
    /// Smoothing constant.
    #[config(default = 0.99)]
    pub alpha: f32,
    /// Added to the mean square, inside the root.
    #[config(default = 1e-5)]
    pub epsilon: f32,
    /// Momentum; 0 switches it off.
    #[config(default = 0.0)]
    pub momentum: f32,
    /// Whether the mean of the gradient is taken out of its mean square, which leaves its variance.
    #[config(default = false)]
    pub centered: bool,
    /// L2 penalty, added to the gradient.
    #[config(default = 0.0)]
    pub weight_decay: f32,
}

impl RmsPropTfConfig {
    /// Makes the bare optimizer, for one group of parameters.
    pub fn build(&self) -> RmsPropTf {
        RmsPropTf {
            alpha: self.alpha,
            epsilon: self.epsilon,
            momentum: self.momentum,
            centered: self.centered,
            weight_decay: self.weight_decay,
        }
    }

    /// Makes the optimizer of a whole module.
    pub fn init(&self) -> ModuleOptimizer {
        ModuleOptimizer::from(self.build())
    }
}

/// RMSprop as TensorFlow computes it: the mean square starts at 1, and epsilon lies inside the root. A2C on Atari
/// depends on both, since they make the first steps small.
///
/// ```text
/// g += weight_decay w
/// v  = alpha v + (1 - alpha) g^2           v starts at 1
/// m  = alpha m + (1 - alpha) g             m starts at 0, if centered
/// d  = g / sqrt(v - m^2 + epsilon)         without m, if not centered
/// b  = momentum b + d                      b starts at 0
/// w -= lr b
/// ```
#[derive(Clone, Debug)]
pub struct RmsPropTf {
    alpha: f32,
    epsilon: f32,
    momentum: f32,
    centered: bool,
    weight_decay: f32,
}

/// What [`RmsPropTf`] remembers of one parameter.
#[derive(Clone, Debug)]
pub struct RmsPropTfState<const D: usize> {
    mean_square: Tensor<D>,
    mean: Option<Tensor<D>>,
    velocity: Option<Tensor<D>>,
}

impl Optimizer for RmsPropTf {
    type State<const D: usize> = RmsPropTfState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<RmsPropTfState<D>>,
    ) -> (Tensor<D>, Option<RmsPropTfState<D>>) {
        let grad = if self.weight_decay == 0.0 { grad } else { grad + tensor.clone() * self.weight_decay };
        let (mean_square, mean, velocity) = match state {
            Some(state) => (state.mean_square, state.mean, state.velocity),
            None => (grad.ones_like(), None, None),
        };
        let smooth = |old: Tensor<D>, new: Tensor<D>| old * self.alpha + new * (1.0 - self.alpha);

        let mean_square = smooth(mean_square, grad.clone().square());
        let mean = self.centered.then(|| smooth(mean.unwrap_or_else(|| grad.zeros_like()), grad.clone()));
        let spread = match &mean {
            Some(mean) => mean_square.clone() - mean.clone().square(),
            None => mean_square.clone(),
        };
        let direction = grad / (spread + self.epsilon).sqrt();
        let (direction, velocity) = if self.momentum == 0.0 {
            (direction, None)
        } else {
            let velocity = match velocity {
                Some(velocity) => velocity * self.momentum + direction,
                None => direction,
            };
            (velocity.clone(), Some(velocity))
        };
        (tensor - direction * lr, Some(RmsPropTfState { mean_square, mean, velocity }))
    }

    fn to_device<const D: usize>(state: RmsPropTfState<D>, device: &Device) -> RmsPropTfState<D> {
        RmsPropTfState {
            mean_square: state.mean_square.to_device(device),
            mean: state.mean.map(|mean| mean.to_device(device)),
            velocity: state.velocity.map(|velocity| velocity.to_device(device)),
        }
    }
}

// By hand, since Burn's derive writes paths that only resolve inside Burn.
impl<const D: usize> RecordState for RmsPropTfState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, "mean_square", self.mean_square.to_data());
        for (name, tensor) in [("mean", &self.mean), ("velocity", &self.velocity)] {
            if let Some(tensor) = tensor {
                out.push_tensor(prefix, name, tensor.to_data());
            }
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let mut take = |name| src.take_tensor(prefix, name).map(|data| Tensor::from_data(data, device));
        Some(Self { mean_square: take("mean_square")?, mean: take("mean"), velocity: take("velocity") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;

    #[test]
    fn worked_steps() {
        let device = Device::flex();
        let optimizer = RmsPropTfConfig::new().build();
        let (mut weight, mut state) = (Tensor::<1>::from_data([1.0], &device), None);
        for (grad, want) in [(0.5, 0.9996486818), (-0.2, 0.9997898883), (0.1, 0.9997189330)] {
            (weight, state) = optimizer.step(7e-4, weight, Tensor::from_data([grad], &device), state);
            let got: Vec<f32> = weight.to_data().try_into_vec().unwrap();
            assert!((f64::from(got[0]) - want).abs() < 1e-7, "{got:?} where {want} was expected");
        }
    }

    #[test]
    fn resuming_from_a_record_goes_on_bit_for_bit() {
        let device = Device::flex().autodiff();
        let config = RmsPropTfConfig::new().with_momentum(0.9).with_centered(true).with_weight_decay(0.01);
        let step = |optimizer: &mut ModuleOptimizer, module: Linear| -> Linear {
            let loss = module.forward(Tensor::<2>::ones([2, 3], &device)).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), &module);
            optimizer.step(1e-2, module, grads)
        };
        let mut optimizer = config.init();
        let module = step(&mut optimizer, LinearConfig::new(3, 2).init(&device));
        let mut resumed = config.init().from_bytes(optimizer.into_bytes().unwrap()).unwrap();
        let (straight, again) = (step(&mut optimizer, module.clone()), step(&mut resumed, module.clone()));
        assert_eq!(straight.weight.to_data(), again.weight.to_data());
        let fresh = step(&mut config.init(), module);
        assert_ne!(straight.weight.to_data(), fresh.weight.to_data());
        assert_eq!(straight.valid().num_params(), 8);
    }
}
