//! What a run does, as plain values: presets, then a file, then arguments, merged and checked key by key.
//!
//! ```
//! use burn_rlhf_tasks::config::{Overrides, RunConfig};
//!
//! let overrides = Overrides { set: vec!["algorithm.beta=0.2".into()], ..Overrides::default() };
//! let config = RunConfig::resolve(&overrides)?;
//! assert_eq!(config.algorithm.beta, 0.2);
//!
//! let slip = Overrides { set: vec!["algorithm.betta=0.2".into()], ..Overrides::default() };
//! let error = RunConfig::resolve(&slip).unwrap_err();
//! assert!(error.to_string().contains("did you mean `algorithm.beta`"));
//! # Ok::<(), burn_rlhf_tasks::config::ConfigError>(())
//! ```

mod build;
mod check;
mod control;
mod error;
mod layer;
mod nearest;
mod preset;
mod reader;
mod run_config;
mod section;
#[cfg(test)]
mod tests;
mod text;

pub use control::{keyword_arguments, load_control, resolve_control};
pub use error::{ConfigError, Origin};
pub use layer::{Argument, Layered, Overrides};
pub use run_config::{Compat, RunConfig, Size};
pub use section::*;
pub use text::{Change, changes, to_toml};
