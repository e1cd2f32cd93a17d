//! Ready-made actor-critics, and what a network of your own must be able to do.
//!
//! | policy | reads | actor and critic |
//! |---|---|---|
//! | [`Mlp`] | any numbers | share nothing |
//! | [`NatureCnn`] | images | share the convolutions and one layer |
//!
//! Every action space gets its [`ActionHead`]. Any module that is an [`ActorCritic`] trains in the same way.

mod action_buffer;
mod activation;
mod actor_critic;
mod control_policy;
mod error;
mod head;
mod initialization;
mod layers;
mod mlp;
mod nature_cnn;
mod orthogonal;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;

pub use action_buffer::ActionBuffer;
pub use activation::Activation;
pub use actor_critic::{ActorCritic, ControlBatch};
pub use control_policy::{ControlPolicy, PolicyConfig, PolicyKind};
pub use error::PolicyError;
pub use head::{ActionHead, ChoicesHead, GaussianHead, StateDependentHead};
pub use mlp::{Mlp, MlpConfig};
pub use nature_cnn::{NatureCnn, NatureCnnConfig};
