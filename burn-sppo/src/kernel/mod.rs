//! Operations of one's own on flex: each a single node of the graph with its own backward pass, on all cores.
//!
//! [`operation`] brings one into Burn's graph, [`gemm`] multiplies matrices, [`linear`] and the convolutions are made of
//! it, and [`elementary`] has functions for vector registers.

#[cfg(target_arch = "x86_64")]
pub mod convolution;
pub mod direct;
pub mod elementary;
pub mod gemm;
pub mod linear;
pub mod log_softmax;
pub mod matrix;
pub mod operation;
pub mod packs;
pub mod perceptron;
pub mod tile;
pub mod vectorise;
