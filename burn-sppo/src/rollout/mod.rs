//! Rollouts of environments: a policy acts, and what happened is kept for the update step.

mod collector;
mod control_rollout;
mod error;
mod observation;

pub(crate) use collector::check_shape;
pub use collector::{Collected, Collector};
pub use control_rollout::ControlRollout;
pub use error::CollectError;
pub use observation::ObservationBuffer;
