//! The memory of tensors on flex, for what works on it in one pass.

use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::{DType, Tensor};

/// Elements that one thread works on at a time.
pub(crate) const BLOCK: usize = 1 << 15;

/// Whether a tensor is a plain one of f32 on flex.
pub(crate) fn fits<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.clone().try_into_primitive::<Flex>().is_ok()
}

/// In row-major order, covering its storage; changed in place where nobody else holds it.
pub(crate) fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(tensor) => tensor.to_contiguous(),
        Err(error) => unreachable!("found to be on flex: {error:?}"),
    }
}

pub(crate) fn tensor<const D: usize>(primitive: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(primitive)
}
