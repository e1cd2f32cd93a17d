//! The update step shared by control and language models.

mod evaluate;

pub use evaluate::{Evaluate, Evaluation, Request};
