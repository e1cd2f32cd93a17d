//! New weights from a host stream: the same numbers on every device, whatever is initialised in between.

use burn::{
    module::{Param, ParamId},
    nn::{Embedding, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, TensorData},
};
use burn_sppo::run::Stream;
use rand::RngExt;

/// Draws weights one after another, in the order of the calls. Without a stream, weights take no memory until they are
/// loaded.
pub(super) struct Initialize<'a> {
    pub stream: Option<&'a mut Stream>,
    pub device: &'a Device,
}

impl Initialize<'_> {
    /// A linear layer with normal weights and no bias at the start.
    pub fn linear(&mut self, inputs: usize, outputs: usize, deviation: f64) -> Linear {
        let weight = self.normal([inputs, outputs], deviation);
        Linear { weight, bias: Some(Param::from_tensor(Tensor::zeros([outputs], self.device))) }
    }

    /// A linear layer as PyTorch makes it: weights and bias uniform in `±1/sqrt(inputs)`.
    pub fn linear_uniform(&mut self, inputs: usize, outputs: usize) -> Linear {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = self.uniform([inputs, outputs], bound);
        Linear { weight, bias: Some(self.uniform([outputs], bound)) }
    }

    pub fn embedding(&mut self, entries: usize, width: usize, deviation: f64) -> Embedding {
        Embedding { weight: self.normal([entries, width], deviation) }
    }

    pub fn layer_norm(&mut self, width: usize, epsilon: f64) -> LayerNorm {
        let mut norm = LayerNormConfig::new(width).with_epsilon(epsilon).init(self.device);
        norm.gamma = Param::from_tensor(Tensor::ones([width], self.device));
        norm.beta = Some(Param::from_tensor(Tensor::zeros([width], self.device)));
        norm
    }

    fn normal<const D: usize>(&mut self, shape: [usize; D], deviation: f64) -> Param<Tensor<D>> {
        let mut second = None;
        self.fill(shape, |stream| {
            deviation
                * second.take().unwrap_or_else(|| {
                    // Box-Muller gives two independent numbers.
                    let (radius, angle): (f64, f64) = (1.0 - stream.random::<f64>(), stream.random());
                    let (radius, angle) = ((-2.0 * radius.ln()).sqrt(), std::f64::consts::TAU * angle);
                    second = Some(radius * angle.sin());
                    radius * angle.cos()
                })
        })
    }

    fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Param<Tensor<D>> {
        self.fill(shape, |stream| bound * (2.0 * stream.random::<f64>() - 1.0))
    }

    fn fill<const D: usize>(
        &mut self,
        shape: [usize; D],
        mut draw: impl FnMut(&mut Stream) -> f64,
    ) -> Param<Tensor<D>> {
        let Some(stream) = self.stream.as_deref_mut() else {
            let zeros = move |device: &Device, _| Tensor::zeros(shape, device);
            return Param::uninitialized(ParamId::new(), zeros, self.device.clone(), true, shape.into());
        };
        let values = (0..shape.iter().product()).map(|_| draw(stream) as f32).collect::<Vec<_>>();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}
