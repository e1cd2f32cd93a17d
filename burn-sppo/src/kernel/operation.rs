//! How an operation with its own backward pass enters Burn's graph on flex.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::{
    checkpoint::{
        base::Checkpointer,
        strategy::{BalancedCheckpointing, CheckpointStrategy, NoCheckpointing},
    },
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchDevice, DispatchKindConversion,
    DispatchTensor, DispatchTensorKind, Flex, GradientCheckpointingStrategy,
};
use burn::tensor::kind::Basic;
use burn::tensor::{DType, Tensor, TensorData};

/// A function of `N` f32 tensors that computes its own gradients.
///
/// Constants (masks, indices, sizes) are fields of the implementing type.
pub trait Operation<const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass needs from the forward pass.
    type Saved: Clone + Debug + Send + 'static;

    /// The output, and what [`backward`](Self::backward) needs.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// The output when no gradient will be asked for.
    fn infer(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        self.forward(inputs).0
    }

    /// The gradient of each input that is `needed`, from the gradient of the output.
    fn backward(self, saved: Self::Saved, gradient: FlexTensor, needed: [bool; N]) -> [Option<FlexTensor>; N];
}

/// Whether a tensor is stored by flex, tracked or not.
pub fn on_flex<const D: usize, K: Basic>(tensor: &Tensor<D, K>) -> bool {
    match tensor.device().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(&**device, DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns, reason = "other backends exist only with their features")]
        _ => false,
    }
}

/// Whether a tensor is stored by flex in f32, the only type that the operations here compute with.
pub fn is_f32_on_flex<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && on_flex(tensor)
}

/// Runs an operation, and records it where one of its inputs is tracked.
///
/// # Panics
/// If an input is not on flex, or two inputs have different checkpointing strategies.
pub fn run<O: Operation<N>, const N: usize, const D: usize>(operation: O, inputs: [DispatchTensor; N]) -> Tensor<D> {
    let context = inputs.iter().fold(DispatchAutodiffContext::Disabled, |context, input| context.merge(input.autodiff));
    Tensor::from_dispatch(match context {
        DispatchAutodiffContext::Disabled => {
            let output = operation.infer(inputs.map(plain));
            DispatchTensor::from_backend(BackendTensor::<Flex>::Float(output))
        }
        DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled) => {
            record::<O, NoCheckpointing, N>(operation, inputs)
        }
        DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Balanced) => {
            record::<O, BalancedCheckpointing, N>(operation, inputs)
        }
    })
}

/// The flex tensor inside, without its place in the graph.
pub fn plain(tensor: DispatchTensor) -> FlexTensor {
    match tensor.kind {
        DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => tensor.into_primitive(),
        DispatchTensorKind::Flex(BackendTensor::Int(tensor) | BackendTensor::Bool(tensor)) => tensor,
        DispatchTensorKind::Flex(tensor) => tensor.float(),
        DispatchTensorKind::Autodiff(tensor) => {
            plain(DispatchTensor { kind: *tensor, autodiff: DispatchAutodiffContext::Disabled })
        }
        #[allow(unreachable_patterns, reason = "other backends exist only with their features")]
        _ => panic!("expected a tensor on flex"),
    }
}

/// A row-major tensor from its elements.
pub fn tensor<const D: usize>(elements: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(elements, shape))
}

/// The same tensor in row-major order, covering its whole storage.
pub fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The step of the graph that stands for an operation.
#[derive(Debug)]
struct Step<O>(PhantomData<fn() -> O>);

#[derive(Clone, Debug)]
struct State<O, S> {
    operation: O,
    saved: S,
}

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = State<O, O::Saved>;

    fn backward(self, step: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&step.node);
        let needed = step.parents.each_ref().map(Option::is_some);
        let State { operation, saved } = step.state;
        for (parent, gradient) in step.parents.into_iter().zip(operation.backward(saved, gradient, needed)) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

fn record<O, C, const N: usize>(operation: O, inputs: [DispatchTensor; N]) -> DispatchTensor
where
    O: Operation<N>,
    C: CheckpointStrategy,
    DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
{
    let inputs = inputs.map(tracked::<C>);
    let nodes = inputs.each_ref().map(|input| input.node());
    let output = match Step::<O>(PhantomData).prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => {
            let (output, saved) = operation.forward(inputs.map(|input| input.into_primitive()));
            step.finish(State { operation, saved }, output)
        }
        OpsKind::UnTracked(step) => step.finish(operation.infer(inputs.map(|input| input.into_primitive()))),
    };
    DispatchTensor::from_backend(BackendTensor::<Autodiff<Flex, C>>::Float(output))
}

fn tracked<C: CheckpointStrategy>(tensor: DispatchTensor) -> FloatTensor<Autodiff<Flex, C>> {
    match tensor.kind {
        DispatchTensorKind::Autodiff(tensor) => match *tensor {
            DispatchTensorKind::Flex(tensor) => tensor.autodiff(),
            #[allow(unreachable_patterns, reason = "other backends exist only with their features")]
            _ => panic!("expected a tensor on flex"),
        },
        kind => <Autodiff<Flex, C> as AutodiffBackend>::from_inner(plain(DispatchTensor {
            kind,
            autodiff: DispatchAutodiffContext::Disabled,
        })),
    }
}
