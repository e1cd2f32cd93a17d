//! The critic's output layer.

use burn::{
    config::Config,
    module::Module,
    nn::Linear,
    tensor::{DType, Device, Tensor, activation},
};
use burn_sppo::run::Stream;

use super::{initialize::Initialize, linear};

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
        }
    }
}

/// One number for each hidden state.
#[derive(Module, Debug)]
pub struct ValueHead {
    pub hidden: Option<Linear>,
    pub output: Linear,
}

impl ValueHead {
    /// `[N, H]` to `[N]`, f32.
    pub fn forward(&self, hidden: Tensor<2>) -> Tensor<1> {
        let x = match &self.hidden {
            Some(layer) => activation::relu(linear(layer, hidden)),
            None => hidden,
        };
        linear(&self.output, x).squeeze_dim::<1>(1).cast(DType::F32)
    }
}
