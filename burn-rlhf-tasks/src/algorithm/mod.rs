//! Training that needs no rollouts: behaviour cloning and reward models.

mod behaviour_cloning;
mod reward_model;
mod supervised;

pub use behaviour_cloning::{TextRows, mean_negative_log_likelihood};
pub(crate) use reward_model::pad_right;
pub use reward_model::{LabelledRows, accuracy};
pub use supervised::{
    Supervised, SupervisedConfig, SupervisedError, SupervisedProgress, SupervisedResult, SupervisedSource,
};
