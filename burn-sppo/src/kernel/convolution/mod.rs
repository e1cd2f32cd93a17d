//! Three convolutions without padding, each followed by ReLU, as one operation: an image goes through all of them while
//! it is in the cache of its core.

mod geometry;
mod stack;
#[cfg(test)]
mod tests;
mod tile;

pub use geometry::{Geometry, Layout};
pub use stack::Convolutions;
