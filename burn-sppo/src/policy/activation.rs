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
            #[cfg(feature = "flex")]
            Self::Tanh => flex::tanh(input.clone()).unwrap_or_else(|| tanh(input)),
            #[cfg(not(feature = "flex"))]
            Self::Tanh => tanh(input),
            Self::Relu => relu(input),
        }
    }
}

/// Flex calls the C library for each entry, which takes most of the time of a small network. A quotient of polynomials
/// is as good to some units in the last place, and runs in vector registers.
#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::tensor::{Tensor, TensorData};

    use crate::flex::{fits, primitive, tensor};

    /// Where f32 cannot tell the function from 1.
    const END: f32 = 9.0;

    /// Of `x P(x^2) / Q(x^2)`, from the lowest power on: the relative error is least (2e-8) on `-END..=END`.
    const P: [f32; 5] = [1.0, 0.133_810_2, 3.495_583e-3, 2.060_900_3e-5, 1.335_455_5e-8];
    const Q: [f32; 5] = [1.0, 0.467_143_36, 2.587_696_4e-2, 3.285_625_7e-4, 7.776_514e-7];

    /// `None` for tensors that are not f32 on flex.
    pub fn tanh(input: Tensor<2>) -> Option<Tensor<2>> {
        let plain = input.clone().without_autodiff();
        if !fits(&plain) {
            return None;
        }
        if !input.is_autodiff() {
            drop(input);
            let mut plain = primitive(plain);
            plain.storage_mut::<f32>().iter_mut().for_each(|x| *x = value(*x));
            return Some(tensor(plain));
        }
        let shape = input.dims();
        let input_values = primitive(plain.clone());
        let values: Vec<f32> = input_values.storage::<f32>().iter().map(|&x| value(x)).collect();
        let slopes: Vec<f32> = values.iter().map(|y| 1.0 - y * y).collect();
        let [values, slopes] =
            [values, slopes].map(|entries| tensor(FlexTensor::from_data(TensorData::new(entries, shape))));
        // The difference is 0 and has the gradient of the input, which the slope then multiplies.
        Some((input - plain) * slopes + values)
    }

    fn value(x: f32) -> f32 {
        let x = x.clamp(-END, END);
        let square = x * x;
        let polynomial = |of: &[f32; 5]| of.iter().rev().fold(0.0, |sum, c| sum * square + c);
        (x * polynomial(&P) / polynomial(&Q)).clamp(-1.0, 1.0)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use burn::tensor::{DType, Device};

        #[test]
        fn values_are_those_of_the_c_library() {
            let places = (-1_000_000..1_000_000).map(|i| i as f32 * 1e-5).chain((-80..20).map(|i| 10f32.powi(i)));
            for x in places.chain([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE]) {
                let (got, want) = (f64::from(value(x)), f64::from(x).tanh());
                assert!((got - want).abs() <= 5e-7 * want.abs(), "{x}: {got}, not {want}");
                assert_eq!(value(-x), -value(x));
            }
            assert!(value(f32::NAN).is_nan());
        }

        #[test]
        fn a_tracked_tensor_has_the_value_of_a_plain_one_and_the_gradient_of_the_function() {
            let (plain, tracked) = (Device::flex(), Device::flex().autodiff());
            let places = [[0.0f32, 0.3, -2.5], [7.0, 12.0, -0.01]];
            let x = Tensor::<2>::from_data(places, &tracked).require_grad();
            let y = tanh(x.clone().transpose()).unwrap();
            let expected = tanh(Tensor::from_data(places, &plain).transpose()).unwrap();
            assert_eq!(y.clone().into_data(), expected.into_data());
            let gradients = (y * Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], &plain)).sum().backward();
            let found: Vec<f32> = x.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
            for ((x, factor), found) in places.into_iter().flatten().zip([1.0, 3.0, 5.0, 2.0, 4.0, 6.0]).zip(found) {
                let expected = factor * (1.0 - f64::from(x).tanh().powi(2));
                assert!((f64::from(found) - expected).abs() < 1e-5, "{x}: {found}, not {expected}");
            }
            assert!(tanh(Tensor::<2>::zeros([1, 1], &plain).cast(DType::F64)).is_none());
        }
    }
}
