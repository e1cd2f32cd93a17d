//! The hot operations on flex: each one a single node of the graph, with its own backward pass on all cores.

pub mod attention;
mod elementary;
pub mod gelu;
pub mod layer_norm;
pub mod linear;
mod matrix;
pub mod operation;
pub mod token_log_prob;
