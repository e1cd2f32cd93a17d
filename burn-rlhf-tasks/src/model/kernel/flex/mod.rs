//! The hot operations on flex: each one a single node of the graph, with its own backward pass on all cores.

pub mod attention;
pub mod elementary;
pub mod gelu;
mod gemm;
pub mod layer_norm;
pub mod linear;
mod matrix;
pub mod operation;
pub mod packs;
pub mod tile;
pub mod token_log_prob;
mod vectorise;
