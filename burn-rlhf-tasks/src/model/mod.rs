//! Language models and classifiers, each in one file.

pub mod kernel;
