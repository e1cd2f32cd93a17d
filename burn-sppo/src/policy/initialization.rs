use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

use super::orthogonal::orthogonal;
use crate::run::Stream;

/// Makes layers whose weights come from a stream of the host, so that they are the same on every device.
pub(super) struct Layers<'a> {
    pub stream: &'a mut Stream,
    /// Orthogonal weights and biases of 0; else both uniform within `1 / sqrt(inputs)`, which is PyTorch's own.
    pub orthogonal: bool,
    pub device: &'a Device,
}

impl Layers<'_> {
    pub fn linear(&mut self, inputs: usize, outputs: usize, gain: f64) -> Linear {
        let weight = self.weights([inputs, outputs], inputs, gain);
        Linear { weight: self.parameter(weight, [inputs, outputs]), bias: Some(self.bias(inputs, outputs)) }
    }

    /// A convolution without padding.
    pub fn convolution(&mut self, channels: [usize; 2], kernel: usize, stride: usize, gain: f64) -> Conv2d {
        let [inputs, outputs] = channels;
        let fan_in = inputs * kernel * kernel;
        let weight = self.weights([outputs, fan_in], fan_in, gain);
        Conv2d {
            weight: self.parameter(weight, [outputs, inputs, kernel, kernel]),
            bias: Some(self.bias(fan_in, outputs)),
            stride: [stride; 2],
            kernel_size: [kernel; 2],
            dilation: [1; 2],
            groups: 1,
            padding: PaddingConfig2d::Valid,
        }
    }

    /// A parameter of one value throughout.
    pub fn constant<const D: usize>(&self, shape: [usize; D], value: f64) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::full(shape, value, self.device))
    }

    fn weights(&mut self, [rows, columns]: [usize; 2], fan_in: usize, gain: f64) -> Vec<f32> {
        match self.orthogonal {
            true => orthogonal(rows, columns, gain, self.stream),
            false => self.uniform(rows * columns, fan_in),
        }
    }

    fn bias(&mut self, fan_in: usize, outputs: usize) -> Param<Tensor<1>> {
        let values = if self.orthogonal { vec![0.0; outputs] } else { self.uniform(outputs, fan_in) };
        self.parameter(values, [outputs])
    }

    fn uniform(&mut self, count: usize, fan_in: usize) -> Vec<f32> {
        let bound = (fan_in as f64).sqrt().recip();
        (0..count).map(|_| ((2.0 * self.stream.random::<f64>() - 1.0) * bound) as f32).collect()
    }

    fn parameter<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}
