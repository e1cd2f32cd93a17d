use burn::nn::Linear;
use burn::tensor::Tensor;

use super::Activation;

/// Fully connected layers, each followed by `activation`, and then `last`, which nothing follows.
///
/// # Shapes
/// - x: `[N, in]`
/// - output: `[N, out]`
pub(super) fn forward(layers: &[Linear], activation: Activation, last: Option<&Linear>, x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if let Some(output) = flex::forward(layers, activation, last, &x) {
        return output;
    }
    let features = layers.iter().fold(x, |x, layer| activation.forward(layer.forward(x)));
    match last {
        Some(last) => last.forward(features),
        None => features,
    }
}

/// The same as one operation.
#[cfg(feature = "flex")]
mod flex {
    use super::{Activation, Linear, Tensor};
    use crate::kernel::operation::{is_f32_on_flex, run};
    use crate::kernel::{direct, perceptron};

    /// Wider weights are better packed before they are multiplied.
    const WIDEST: usize = 512;

    /// `None` if there are no layers or more than there is an operation for, or where it cannot run.
    pub fn forward(
        layers: &[Linear],
        activation: Activation,
        last: Option<&Linear>,
        x: &Tensor<2>,
    ) -> Option<Tensor<2>> {
        match layers.len() + usize::from(last.is_some()) {
            1 => of::<1, 3>(layers, activation, last, x),
            2 => of::<2, 5>(layers, activation, last, x),
            3 => of::<3, 7>(layers, activation, last, x),
            4 => of::<4, 9>(layers, activation, last, x),
            _ => None,
        }
    }

    fn of<const L: usize, const N: usize>(
        layers: &[Linear],
        activation: Activation,
        last: Option<&Linear>,
        x: &Tensor<2>,
    ) -> Option<Tensor<2>> {
        if !direct::available() || !is_f32_on_flex(x) {
            return None;
        }
        let [_, mut below] = x.dims();
        let mut inputs = Vec::with_capacity(N);
        inputs.push(x.clone().into_dispatch());
        for layer in layers.iter().chain(last) {
            let (weight, bias) = (layer.weight.val(), layer.bias.as_ref()?.val());
            let [height, width] = weight.dims();
            let suits = [is_f32_on_flex(&weight), is_f32_on_flex(&bias), height == below, height.max(width) <= WIDEST];
            if suits.contains(&false) {
                return None;
            }
            below = width;
            inputs.extend([weight.into_dispatch(), bias.into_dispatch()]);
        }
        let follows = match activation {
            Activation::Tanh => perceptron::Activation::Tanh,
            Activation::Relu => perceptron::Activation::Relu,
        };
        let activations = std::array::from_fn(|layer| match layer < layers.len() {
            true => follows,
            false => perceptron::Activation::None,
        });
        let inputs: [_; N] = inputs.try_into().ok()?;
        Some(run(perceptron::Perceptron::<L> { activations }, inputs))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::LinearConfig;
    use burn::tensor::{Device, TensorData};

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    /// The output and the gradients of x and of all parameters.
    fn differentiate(x: &Tensor<2>, layers: &[Linear], output: Tensor<2>) -> Vec<Vec<f32>> {
        let shape = output.dims();
        let factors: Vec<f32> = (0..shape.iter().product()).map(|i| ((i * 31 % 17) as f32 - 8.0) / 9.0).collect();
        let factors = Tensor::<2>::from_data(TensorData::new(factors, shape), &Device::flex().autodiff());
        let gradients = (output.clone() * factors).sum().backward();
        let mut found = vec![numbers(output), numbers(x.grad(&gradients).unwrap())];
        for layer in layers {
            found.push(numbers(layer.weight.val().grad(&gradients).unwrap()));
            found.push(numbers(layer.bias.as_ref().unwrap().val().grad(&gradients).unwrap()));
        }
        found
    }

    /// The same weights every time: with others, rounding may now and then put a number on the other side of ReLU's kink.
    fn layer(inputs: usize, outputs: usize, device: &Device) -> Linear {
        let bound = (1.0 / inputs as f32).sqrt();
        let spread =
            |count: usize, step: usize| (0..count).map(move |i| ((i * step % 1009) as f32 / 504.5 - 1.0) * bound);
        let weight = TensorData::new(spread(inputs * outputs, 577).collect::<Vec<_>>(), [inputs, outputs]);
        let bias = TensorData::new(spread(outputs, 367).collect::<Vec<_>>(), [outputs]);
        Linear {
            weight: Param::from_tensor(Tensor::from_data(weight, device)),
            bias: Some(Param::from_tensor(Tensor::from_data(bias, device))),
        }
    }

    #[test]
    fn one_operation_is_layer_after_layer_with_gradients() {
        let device = Device::flex().autodiff();
        for (rows, widths, last) in [
            (64, vec![4, 64, 64], Some(2)),
            (150, vec![17, 64, 64], None),
            (1, vec![3, 5], Some(1)),
            (70, vec![9, 256, 33], Some(6)),
            (2000, vec![24, 64, 128], Some(70)),
            (3, vec![8], Some(20)),
        ] {
            let layers: Vec<Linear> = widths.windows(2).map(|pair| layer(pair[0], pair[1], &device)).collect();
            let last: Option<Linear> = last.map(|out| layer(widths[widths.len() - 1], out, &device));
            let x: Vec<f32> = (0..rows * widths[0]).map(|i| ((i * 29 % 97) as f32 - 48.0) / 30.0).collect();
            let x = Tensor::<2>::from_data(TensorData::new(x, [rows, widths[0]]), &device).require_grad();
            let all: Vec<Linear> = layers.iter().chain(&last).cloned().collect();
            for activation in [Activation::Tanh, Activation::Relu] {
                let Some(fused) = flex::forward(&layers, activation, last.as_ref(), &x) else { return };
                let found = differentiate(&x, &all, fused);
                let features = layers.iter().fold(x.clone(), |x, layer| activation.forward(layer.forward(x)));
                let plain = last.as_ref().map_or(features.clone(), |last| last.forward(features));
                for (part, (found, expected)) in found.iter().zip(differentiate(&x, &all, plain)).enumerate() {
                    let largest = expected.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
                    for (found, expected) in found.iter().zip(&expected) {
                        let error = (found - expected).abs();
                        assert!(
                            error < 3e-5 * largest,
                            "{rows} {widths:?} {activation:?} {part}: {found} not {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn deep_networks_take_the_general_path() {
        let device = Device::flex();
        let layers: Vec<Linear> = (0..5).map(|_| LinearConfig::new(3, 3).init(&device)).collect();
        let x = Tensor::<2>::ones([2, 3], &device);
        assert!(flex::forward(&layers, Activation::Tanh, None, &x).is_none());
        assert_eq!(forward(&layers, Activation::Tanh, None, x).dims(), [2, 3]);
    }
}
