use burn::tensor::Tensor;
use burn::tensor::activation::{relu, tanh};
use serde::{Deserialize, Serialize};

/// What follows a hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Hyperbolic tangent.
    #[default]
    Tanh,
    /// Rectified linear unit.
    Relu,
}

impl Activation {
    pub(super) fn forward(self, input: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tanh => tanh(input),
            Self::Relu => relu(input),
        }
    }
}
