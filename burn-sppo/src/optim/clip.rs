use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};

/// Keeps the scale finite where all gradients are 0.
const EPSILON: f64 = 1e-6;

/// Scales all gradients of `module` so that their norm, taken over all parameters together, is at most `max_norm`,
/// and returns the norm they had, `[1]`, f32. Without a `max_norm` it only measures.
///
/// Gradients are multiplied by `max_norm / (norm + 1e-6)` where that is below 1. Burn's own
/// [`GradientClipping`](burn::grad_clipping::GradientClipping) clips each tensor by itself, which changes the
/// direction of the update.
///
/// Nothing is read from the device. If the norm is not finite, the gradients are not either: throw them away.
///
/// The sum runs over parameters in the order of the module and over each tensor row by row, so that it comes out the
/// same every time.
pub fn clip_grad_norm<M: Module>(grads: &mut GradientsParams, module: &M, max_norm: Option<f64>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if let Some(norm) = flex::clip(grads, module, max_norm) {
        return norm;
    }
    let mut squares = SquaredNorms { grads, sums: vec![], device: None };
    module.visit(&mut squares);
    let (sums, device) = (squares.sums, squares.device);
    if sums.is_empty() {
        return Tensor::zeros([1], &device.unwrap_or_default());
    }
    let norm = sum_in_order(Tensor::cat(sums, 0)).sqrt();
    if let Some(max_norm) = max_norm {
        module.visit(&mut Scale { grads, factor: clip_factor(norm.clone(), max_norm) });
    }
    norm
}

/// `min(1, max_norm / (norm + 1e-6))`, where NaN stays NaN.
pub(crate) fn clip_factor(norm: Tensor<1>, max_norm: f64) -> Tensor<1> {
    let factor = (norm + EPSILON).recip() * max_norm;
    let inactive = factor.clone().greater_scalar(1.0);
    factor.mask_fill(inactive, 1.0)
}

/// A sum that flex does not split among its threads: its `sum` of 4 Mi entries or more adds the parts in the order in
/// which the threads finish.
fn sum_in_order<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    let rows = values.sum_dim(D - 1);
    let count = rows.shape().num_elements();
    rows.reshape([1, count]).sum_dim(1).reshape([1])
}

/// Sums of squares of a tensor, a block of rows at a time: the squares of an embedding table of GPT-2 would take as
/// much memory as the table, and on the CPU most of the time would go into clearing it.
fn squared_sums<const D: usize>(grad: Tensor<D>) -> Vec<Tensor<1>> {
    const BLOCK: usize = 1 << 20;
    let (rows, entries) = (grad.dims()[0], grad.shape().num_elements());
    if entries == 0 {
        return vec![];
    }
    let step = (BLOCK / (entries / rows)).clamp(1, rows);
    let blocks = (0..rows).step_by(step).map(|start| grad.clone().narrow(0, start, step.min(rows - start)));
    blocks.map(|block| sum_in_order(block.cast(DType::F32).square())).collect()
}

struct SquaredNorms<'a> {
    grads: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
    device: Option<Device>,
}

impl ModuleVisitor for SquaredNorms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let device = self.device.get_or_insert_with(|| param.val().device().without_autodiff());
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.sums.extend(squared_sums(grad).into_iter().map(|sum| sum.to_device(device)));
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let factor = self.factor.clone().to_device(&grad.device()).cast(grad.dtype());
            self.grads.register(param.id, grad * factor.unsqueeze());
        }
    }
}

/// The same where the host holds the gradients: one pass over them to measure, one to scale.
#[cfg(feature = "flex")]
mod flex {
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor};
    use rayon::prelude::*;

    use super::EPSILON;
    use crate::flex::{BLOCK, fits, primitive, tensor};
    use crate::kernel::elementary;

    /// `None` if a gradient is not f32 on flex.
    pub fn clip<M: Module>(grads: &mut GradientsParams, module: &M, max_norm: Option<f64>) -> Option<Tensor<1>> {
        let mut squares = Squares { grads, sum: Some(0.0) };
        module.visit(&mut squares);
        let norm = squares.sum?.sqrt();
        // In this order a norm that is NaN scales too.
        let scale = max_norm.map(|max_norm| max_norm / (norm + EPSILON)).filter(|scale| !matches!(scale, 1.0..));
        if let Some(scale) = scale {
            module.visit(&mut Scale { grads, factor: scale as f32 });
        }
        Some(Tensor::from_data([norm as f32], &Device::flex()))
    }

    struct Squares<'a> {
        grads: &'a GradientsParams,
        sum: Option<f64>,
    }

    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(grad) = self.grads.get::<D>(param.id) else { return };
            let squares = fits(&grad).then(|| {
                let grad = primitive(grad);
                let blocks = grad.storage::<f32>().par_chunks(BLOCK);
                let sums: Vec<f32> = blocks.map(sum_of_squares).collect();
                sums.into_iter().map(f64::from).sum::<f64>()
            });
            self.sum = self.sum.zip(squares).map(|(sum, squares)| sum + squares);
        }
    }

    struct Scale<'a> {
        grads: &'a mut GradientsParams,
        factor: f32,
    }

    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.remove::<D>(param.id) {
                let mut grad = primitive(grad);
                let blocks = grad.storage_mut::<f32>().par_chunks_mut(BLOCK);
                blocks.for_each(|block| block.iter_mut().for_each(|value| *value *= self.factor));
                self.grads.register(param.id, tensor::<D>(grad));
            }
        }
    }

    crate::kernel::vectorise::vectorise! {
        fn sum_of_squares(values: &[f32]) -> f32 {
            elementary::sum(values, |value| value * value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    fn module_and_gradients() -> (Linear, GradientsParams) {
        let device = Device::flex().autodiff();
        let module: Linear = LinearConfig::new(3, 2).init(&device);
        let mut grads = GradientsParams::new();
        let plain = Device::flex();
        grads.register(module.weight.id, Tensor::<2>::from_data([[3.0, 0.0], [0.0, 0.0], [0.0, 0.0]], &plain));
        let bias = module.bias.as_ref().unwrap().id;
        grads.register(bias, Tensor::<1>::from_data([0.0, 4.0], &plain));
        (module, grads)
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn the_norm_is_taken_over_all_tensors_together() {
        let (module, mut grads) = module_and_gradients();
        assert_eq!(numbers(clip_grad_norm(&mut grads, &module, Some(0.5))), [5.0]);
        let weight = numbers(grads.get::<2>(module.weight.id).unwrap());
        let bias = numbers(grads.get::<1>(module.bias.as_ref().unwrap().id).unwrap());
        assert!((weight[0] - 0.3).abs() < 1e-6 && (bias[1] - 0.4).abs() < 1e-6, "{weight:?} {bias:?}");
        let left = numbers(clip_grad_norm(&mut grads, &module, None));
        assert!((left[0] - 0.5).abs() < 1e-6, "{left:?}");
    }

    #[test]
    fn gradients_within_the_bound_stay_bit_for_bit() {
        let (module, mut grads) = module_and_gradients();
        clip_grad_norm(&mut grads, &module, Some(5.1));
        assert_eq!(numbers(grads.get::<1>(module.bias.as_ref().unwrap().id).unwrap()), [0.0, 4.0]);
    }

    #[test]
    fn a_gradient_that_is_not_finite_shows_in_the_norm() {
        let (module, mut grads) = module_and_gradients();
        grads.register(module.bias.as_ref().unwrap().id, Tensor::<1>::from_data([f32::NAN, 1.0], &Device::flex()));
        assert!(numbers(clip_grad_norm(&mut grads, &module, Some(1.0)))[0].is_nan());
    }

    #[test]
    fn a_large_tensor_has_the_norm_of_its_entries() {
        let device = Device::flex().autodiff();
        // Three blocks of rows, the last one not full.
        let module: Linear = LinearConfig::new(2_500, 1_000).with_bias(false).init(&device);
        let values: Vec<f32> = (0..2_500_000).map(|i| ((i % 1_000) as f32 - 500.0) / 1_000.0).collect();
        let want = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let data = burn::tensor::TensorData::new(values, [2_500, 1_000]);
        let mut grads = GradientsParams::new();
        grads.register(module.weight.id, Tensor::<2>::from_data(data, &Device::flex()));
        let got = f64::from(numbers(clip_grad_norm(&mut grads, &module, None))[0]);
        assert!((got - want).abs() < 1e-5 * want, "{got} where {want} was expected");
    }

    #[test]
    fn without_gradients_the_norm_is_zero() {
        let (module, _) = module_and_gradients();
        assert_eq!(numbers(clip_grad_norm(&mut GradientsParams::new(), &module, Some(1.0))), [0.0]);
    }
}
