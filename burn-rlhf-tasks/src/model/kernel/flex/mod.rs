//! The hot operations on flex: each one a single node of the graph, with its own backward pass on all cores.

pub mod attention;
pub mod gelu;
pub mod layer_norm;
pub mod token_log_prob;

pub use burn_sppo::kernel::{elementary, linear, operation, packs, tile};
use burn_sppo::kernel::{gemm, matrix, vectorise};
