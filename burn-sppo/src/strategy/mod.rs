//! Training inside of Burn's own: [`OnPolicyStrategy`] is a strategy of [`burn::train::RLTraining`], with its metrics,
//! its dashboard and its interrupter around what [`ControlTraining`](crate::training::ControlTraining) computes.
//!
//! ```
//! use std::sync::Arc;
//!
//! use burn::tensor::Device;
//! use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric};
//! use burn::train::{RLStrategies, RLTraining};
//! use burn_sppo::environment::{MakeOptions, burn_rl::ToBurn, make};
//! use burn_sppo::strategy::{OnPolicyStrategy, ReportMetric};
//! use burn_sppo::training::ControlConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any environment of Burn's that is a `FlatEnvironment`; this one is of this crate.
//! let environment = || ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), 0).unwrap();
//! let strategy = Arc::new(OnPolicyStrategy::new(ControlConfig::default()));
//! let agent = strategy.agent(&environment, &Device::default())?;
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let result = RLTraining::new(folder, environment)
//!     .metrics_train(ReportMetric::usual())
//!     .metrics_episode((CumulativeRewardMetric::new(), EpisodeLengthMetric::new()))
//!     .num_steps(4096)
//!     .with_learning_strategy(RLStrategies::Custom(strategy.clone()))
//! #   .with_application_logger(None)
//!     .launch(agent);
//! let outcome = strategy.outcome()?;
//! # assert_eq!((outcome.steps, result.error.is_none()), (4096, true));
//! # Ok(())
//! # }
//! ```

mod agent;
mod error;
mod events;
mod metric;
mod on_policy;
mod policy;
mod rows;
#[cfg(all(test, feature = "flex"))]
mod tests;

pub use agent::OnPolicyAgent;
pub use error::StrategyError;
pub use metric::ReportMetric;
pub use on_policy::{OnPolicyStrategy, Outcome};
pub use policy::{AgentPolicy, AgentState, RowDistributions};
pub use rows::{PolicyAction, PolicyObservation};
