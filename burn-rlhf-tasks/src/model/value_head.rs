//! The critic's output layer.

use burn::{
    config::Config,
    module::Module,
    nn::Linear,
    tensor::{DType, Device, Tensor, activation},
};
use burn_sppo::run::Stream;

use super::{initialize::Initialize, kernel::Compute, linear};

#[derive(Config, Debug)]
pub struct ValueHeadConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Two layers with a ReLU and twice the width between them, instead of one layer.
    #[config(default = false)]
    pub mlp: bool,
}

impl ValueHeadConfig {
    /// A head with new weights from `stream`, as PyTorch initialises linear layers.
    pub fn init(&self, stream: &mut Stream, device: &Device) -> ValueHead {
        let mut new = Initialize { stream: Some(stream), device };
        let inner = if self.mlp { 2 * self.hidden_size } else { self.hidden_size };
        ValueHead {
            hidden: self.mlp.then(|| new.linear_uniform(self.hidden_size, inner)),
            output: new.linear_uniform(inner, 1),
            compute: Compute::default(),
        }
    }
}

/// One number for each hidden state.
#[derive(Module, Debug)]
pub struct ValueHead {
    pub hidden: Option<Linear>,
    pub output: Linear,
    #[module(skip)]
    compute: Compute,
}

impl ValueHead {
    /// `[N, H]` to `[N]`, f32.
    pub fn forward(&self, hidden: Tensor<2>) -> Tensor<1> {
        let x = match &self.hidden {
            Some(layer) => activation::relu(linear(layer, hidden, &self.compute)),
            None => hidden,
        };
        linear(&self.output, x, &self.compute).squeeze_dim::<1>(1).cast(DType::F32)
    }
}

#[cfg(test)]
mod tests {
    use burn_sppo::run::{Purpose, Streams};

    use super::*;

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn head(hidden_size: usize, mlp: bool) -> ValueHead {
        let mut stream = Streams::new(2).stream(Purpose::Initialization, 0, 0);
        ValueHeadConfig::new(hidden_size).with_mlp(mlp).init(&mut stream, &Device::flex())
    }

    #[test]
    fn new_weights_fill_the_range_of_pytorch() {
        let head = head(64, true);
        let hidden = head.hidden.unwrap();
        assert_eq!((hidden.weight.dims(), head.output.weight.dims()), ([64, 128], [128, 1]));
        for (values, inputs) in [
            (numbers(hidden.weight.val()), 64.0f32),
            (numbers(hidden.bias.unwrap().val()), 64.0),
            (numbers(head.output.weight.val()), 128.0),
        ] {
            let bound = 1.0 / inputs.sqrt();
            let largest = values.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
            assert!(largest <= bound && largest > 0.9 * bound, "{largest} {bound}");
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            assert!(mean.abs() < bound / 4.0, "{mean}");
        }
    }

    #[test]
    fn a_value_is_the_product_with_the_weights() {
        let x = [[0.5f32, -1.0, 2.0], [0.0, 0.0, 0.0]];
        let input = Tensor::<2>::from_data(x, &Device::flex());
        let dot = |x: &[f32], weights: &[f32]| x.iter().zip(weights).map(|(x, w)| x * w).sum::<f32>();

        let linear = head(3, false);
        let (weight, bias) =
            (numbers(linear.output.weight.val()), numbers(linear.output.bias.as_ref().unwrap().val())[0]);
        for (value, x) in numbers(linear.forward(input.clone())).into_iter().zip(x) {
            assert!((value - dot(&x, &weight) - bias).abs() < 1e-6);
        }

        let mlp = head(3, true);
        let hidden = mlp.hidden.as_ref().unwrap();
        let (weight, biases) = (numbers(hidden.weight.val().transpose()), numbers(hidden.bias.as_ref().unwrap().val()));
        let (output, bias) = (numbers(mlp.output.weight.val()), numbers(mlp.output.bias.as_ref().unwrap().val())[0]);
        for (value, x) in numbers(mlp.forward(input)).into_iter().zip(x) {
            let inner: Vec<f32> = weight.chunks(3).zip(&biases).map(|(w, b)| (dot(&x, w) + b).max(0.0)).collect();
            assert!((value - dot(&inner, &output) - bias).abs() < 1e-6);
        }
    }
}
