//! The operation against Burn's convolutions, with gradients.

use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::Convolutions;
use crate::kernel::operation::run;

const LAYERS: [(usize, usize, usize); 3] = [(32, 8, 4), (64, 4, 2), (64, 3, 1)];

fn noise<const D: usize>(seed: u32, scale: f32, shape: [usize; D]) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| scale * next()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// The output, then the gradients of images, weights and biases for an arbitrary gradient of the output.
fn differentiate(image: [usize; 3], rows: usize, fused: bool) -> Vec<Vec<f32>> {
    let [channels, height, width] = image;
    let images = noise(1, 1.0, [rows, channels * height * width]).require_grad();
    let (mut inputs, mut parameters) = (channels, Vec::new());
    for (index, (outputs, kernel, _)) in LAYERS.into_iter().enumerate() {
        let scale = (3.0 / (inputs * kernel * kernel) as f32).sqrt();
        let weight = noise(2 + index as u32, scale, [outputs, inputs, kernel, kernel]).require_grad();
        parameters.push((weight, noise(7 + index as u32, 0.1, [outputs]).require_grad()));
        inputs = outputs;
    }
    let output = if fused {
        let mut tensors = vec![images.clone().into_dispatch()];
        for (weight, bias) in &parameters {
            tensors.extend([weight.clone().into_dispatch(), bias.clone().into_dispatch()]);
        }
        let operation = Convolutions::new(image, LAYERS).unwrap();
        run(operation, tensors.try_into().map_err(|_| "seven inputs").unwrap())
    } else {
        let maps = images.clone().reshape([rows, channels, height, width]);
        let maps = parameters.iter().zip(LAYERS).fold(maps, |maps, ((weight, bias), (.., stride))| {
            let options = ConvOptions::new([stride; 2], [0, 0], [1, 1], 1);
            relu(conv2d(maps, weight.clone(), Some(bias.clone()), options))
        });
        maps.flatten::<2>(1, 3)
    };
    let factor = noise(20, 1.0, output.dims());
    let gradients = (output.clone() * factor).sum().backward();
    let mut found = vec![numbers(output), numbers(images.grad(&gradients).unwrap())];
    for (weight, bias) in parameters {
        found.extend([numbers(weight.grad(&gradients).unwrap()), numbers(bias.grad(&gradients).unwrap())]);
    }
    found
}

#[test]
fn three_layers_are_burns_own_with_gradients() {
    // Atari's images, and some whose rows end anywhere; one more row than a block has.
    for (image, rows) in [([4, 84, 84], 2), ([3, 41, 50], 17), ([1, 36, 36], 1)] {
        if Convolutions::new(image, LAYERS).is_none() {
            return;
        }
        let (found, expected) = (differentiate(image, rows, true), differentiate(image, rows, false));
        for (part, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            assert!(largest > 0.0);
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (found - expected).abs();
                assert!(error <= 1e-5 * largest, "{image:?} part {part} element {index}: {found} not {expected}");
            }
        }
    }
}

#[test]
fn what_is_not_tracked_gives_the_same_numbers() {
    let image = [4, 84, 84];
    let Some(operation) = Convolutions::new(image, LAYERS) else { return };
    let images = noise(1, 1.0, [3, 4 * 84 * 84]);
    let parameters: [_; 3] = [(4, 32, 8), (32, 64, 4), (64, 64, 3)]
        .map(|(inputs, outputs, kernel)| (noise(3, 0.05, [outputs, inputs, kernel, kernel]), noise(4, 0.1, [outputs])));
    let of = |tracked: bool| {
        let mut tensors = vec![images.clone().into_dispatch()];
        for (weight, bias) in &parameters {
            let weight = weight.clone().set_require_grad(tracked);
            tensors.extend([weight.into_dispatch(), bias.clone().into_dispatch()]);
        }
        numbers(run::<_, 7, 2>(operation.clone(), tensors.try_into().map_err(|_| "seven inputs").unwrap()))
    };
    assert_eq!(of(true), of(false));
}
