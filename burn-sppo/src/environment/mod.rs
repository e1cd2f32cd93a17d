//! Environments: what an agent acts in, how to make them, and what can be put around them.
//!
//! A [`VectorEnvironment`] steps several environments of one task together. [`make`] makes one from a name; a task of
//! your own is a [`SingleEnvironment`], of which [`NativeEnvironments`] steps several. [`wrapper`] holds what changes
//! observations, rewards and actions on their way. [`check`] says in sentences what is wrong with an environment.
//!
//! ```
//! use burn_sppo::environment::{Actions, MakeOptions, VectorEnvironment, make};
//!
//! # fn main() -> Result<(), burn_sppo::environment::EnvironmentError> {
//! let mut environments = make("CartPole-v1", &MakeOptions::new(2))?;
//! environments.reset(Some(7))?;
//! let step = environments.step(Actions::Discrete(&[0, 1]))?;
//! assert_eq!(step.rewards, [1.0, 1.0]);
//! # Ok(())
//! # }
//! ```

mod batch;
pub mod burn_rl;
mod checker;
#[cfg(test)]
mod checker_tests;
pub mod classic;
mod error;
pub mod gymnasium;
mod make;
mod native;
#[cfg(test)]
mod native_tests;
mod single;
mod spec;
mod state;
mod step;
mod storage;
mod vector;
pub mod wrapper;

pub use checker::{CheckOptions, Finding, When, check};
pub use error::EnvironmentError;
pub use make::{ATARI_GAMES, GYMNASIUM_IDS, MakeOptions, NATIVE_IDS, make, native, nearest_ids, unknown_id};
pub use native::NativeEnvironments;
pub use single::{ActionKind, Choices, Continuous, Discrete, SingleEnvironment, TaskSpec, Transition};
pub use spec::{ActionSpace, EnvironmentSpec, ObservationKind};
pub use state::{StateReader, StateWriter};
pub use step::{Actions, End, Episode, Frame, Observations, Step};
pub use vector::VectorEnvironment;
