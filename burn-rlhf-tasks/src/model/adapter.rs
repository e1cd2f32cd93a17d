//! Between the tensors of Hugging Face files and those of Burn modules: names and layouts.

use burn::store::burn_pack::Tensor;
use burn::store::{BurnToPyTorchAdapter, ModuleAdapter, ModuleContext, PyTorchToBurnAdapter};

use super::keys::Keys;

const LINEAR: &str = "Struct:Linear";

/// On loading: Burn's names for the parameters of norms, and its `[in, out]` layout of linear weights.
#[derive(Clone)]
pub(super) struct ToBurn(pub &'static Keys);

impl ModuleAdapter for ToBurn {
    fn adapt(&self, tensor: Tensor, context: ModuleContext<'_>) -> Tensor {
        match context.module_type() {
            Some(LINEAR) if !self.0.transposed => tensor,
            _ => PyTorchToBurnAdapter.adapt(tensor, context),
        }
    }

    fn get_alternative_param_name(&self, parameter: &str, container: &str) -> Option<String> {
        PyTorchToBurnAdapter.get_alternative_param_name(parameter, container)
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}

/// On export: the reverse, with the names that files have.
#[derive(Clone)]
pub(super) struct ToHuggingFace(pub &'static Keys);

impl ModuleAdapter for ToHuggingFace {
    fn adapt(&self, tensor: Tensor, context: ModuleContext<'_>) -> Tensor {
        let mut tensor = match context.module_type() {
            Some(LINEAR) if !self.0.transposed => tensor,
            _ => BurnToPyTorchAdapter.adapt(tensor, context),
        };
        tensor.name = self.0.file_key(&tensor.name);
        tensor
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
