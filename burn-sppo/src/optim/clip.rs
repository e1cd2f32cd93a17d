use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{DType, Tensor},
};

/// Scales all gradients of `module` so that their L2 norm together is at most `max_norm`, and returns the norm before
/// that, `[1]`, in f32; `None` if there are no gradients. Nothing is read back from the device. An infinite bound only
/// measures.
///
/// Burn's own clipping bounds every tensor by itself, which changes the direction of the step; this keeps it. The scale
/// is `max_norm / (norm + 1e-6)`, applied where it is below 1.
pub fn clip_grad_norm<M: Module>(gradients: &mut GradientsParams, module: &M, max_norm: f64) -> Option<Tensor<1>> {
    let mut squares = SquaredNorm { gradients, sum: None };
    module.visit(&mut squares);
    let norm = squares.sum?.sqrt();
    if max_norm.is_finite() {
        let scale = (norm.clone() + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0);
        module.visit(&mut Scale { gradients, scale });
    }
    Some(norm)
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        // Rows first: on flex one sum over millions of entries adds its chunks in the order in which threads finish.
        let gradient = gradient.cast(DType::F32).square();
        let rows = gradient.dims().first().copied().unwrap_or(1).max(1);
        let columns = gradient.shape().num_elements() / rows;
        if columns == 0 {
            return;
        }
        let square = gradient.reshape([rows, columns]).sum_dim(1).reshape([rows]).sum();
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + square,
            None => square,
        });
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    scale: Tensor<1>,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let scale = self.scale.clone().cast(gradient.dtype()).reshape([1; D]);
            self.gradients.register(param.id, gradient * scale);
        }
    }
}
