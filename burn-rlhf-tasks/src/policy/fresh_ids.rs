use burn::{
    module::{Module, ModuleMapper, Param, ParamId},
    tensor::Tensor,
};

/// A module with the same weights under new identities.
///
/// Burn finds gradients and optimiser states by the identity of a parameter, and a clone keeps it: two trained copies
/// in one module would share them.
pub(super) fn with_fresh_ids<M: Module>(module: M) -> M {
    module.map(&mut FreshIds)
}

struct FreshIds;

impl ModuleMapper for FreshIds {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, tensor, mapper) = param.consume();
        Param::from_mapped_value(ParamId::new(), tensor, mapper)
    }
}
