use burn::tensor::{Bool, Tensor};

/// How a loss of each sample becomes one number: the mean over the samples that count.
///
/// The divisor is a number of the host, so that reducing needs no read from the device, and may be larger than the
/// number of samples at hand: with the size of the whole minibatch, the losses of its microbatches add up to the
/// loss of the minibatch exactly, whatever the cut.
///
/// Samples that do not count are replaced, not multiplied by 0: NaN and infinity there reach neither the value nor
/// the gradient.
#[derive(Clone, Debug)]
pub struct Reduction {
    ignored: Option<Tensor<1, Bool>>,
    count: usize,
}

impl Reduction {
    /// All samples count; the sum is divided by `count`.
    pub fn all(count: usize) -> Self {
        Self { ignored: None, count }
    }

    /// The samples where `mask` is true count; the sum is divided by `count`, the number of true entries of the whole
    /// minibatch.
    ///
    /// # Shapes
    /// - mask: `[N]`
    pub fn masked(mask: Tensor<1, Bool>, count: usize) -> Self {
        Self { ignored: Some(mask.bool_not()), count }
    }

    /// The divisor: never 0, so that a minibatch without a single sample has loss 0 and gradient 0.
    pub fn count(&self) -> usize {
        self.count.max(1)
    }

    /// Sum over the samples that count, divided by [`count`](Self::count).
    ///
    /// # Shapes
    /// - values: `[N]`
    /// - output: `[1]`
    pub fn mean(&self, values: Tensor<1>) -> Tensor<1> {
        self.keep(values).sum().div_scalar(self.count() as f64)
    }

    /// `values` with 0 in the place of samples that do not count.
    ///
    /// # Shapes
    /// - values: `[N]`
    /// - output: `[N]`
    pub fn keep(&self, values: Tensor<1>) -> Tensor<1> {
        match &self.ignored {
            Some(ignored) => values.mask_fill(ignored.clone(), 0.0),
            None => values,
        }
    }

    /// `rows` with 0 in the rows of samples that do not count.
    ///
    /// # Shapes
    /// - rows: `[N, K]`
    /// - output: `[N, K]`
    pub fn keep_rows(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.ignored {
            Some(ignored) => {
                let shape = rows.dims();
                rows.mask_fill(ignored.clone().unsqueeze_dim::<2>(1).expand(shape), 0.0)
            }
            None => rows,
        }
    }

    /// `flags` with `false` in the place of samples that do not count.
    ///
    /// # Shapes
    /// - flags: `[N]`
    /// - output: `[N]`
    pub fn keep_flags(&self, flags: Tensor<1, Bool>) -> Tensor<1, Bool> {
        match &self.ignored {
            Some(ignored) => flags.bool_and(ignored.clone().bool_not()),
            None => flags,
        }
    }

    /// The length of the mask, if there is one.
    pub(crate) fn mask_length(&self) -> Option<usize> {
        self.ignored.as_ref().map(|ignored| ignored.dims()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn numbers(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn ignored_samples_reach_neither_value_nor_gradient() {
        let device = Device::flex().autodiff();
        let mask = Tensor::<1, Bool>::from_data([true, false, true, false], &device);
        let values = Tensor::<1>::from_data([1.0, f32::NAN, 2.0, f32::INFINITY], &device).require_grad();
        let mean = Reduction::masked(mask, 2).mean(values.clone());
        let gradients = mean.backward();
        assert_eq!(numbers(mean), [1.5]);
        assert_eq!(numbers(values.grad(&gradients).unwrap()), [0.5, 0.0, 0.5, 0.0]);
    }

    #[test]
    fn microbatches_add_up_to_the_minibatch() {
        let device = Device::flex();
        let tensor = |values: &[f32]| Tensor::<1>::from_data(values, &device);
        let whole = numbers(Reduction::all(4).mean(tensor(&[1.0, 2.0, 3.0, 10.0])));
        let first = numbers(Reduction::all(4).mean(tensor(&[1.0])));
        let second = numbers(Reduction::all(4).mean(tensor(&[2.0, 3.0, 10.0])));
        assert_eq!(whole[0], first[0] + second[0]);
    }

    #[test]
    fn nothing_to_train_is_zero() {
        let device = Device::flex();
        let mask = Tensor::<1, Bool>::from_data([false, false], &device);
        let values = Tensor::<1>::from_data([f32::NAN, 1.0], &device);
        assert_eq!(numbers(Reduction::masked(mask, 0).mean(values)), [0.0]);
    }
}
