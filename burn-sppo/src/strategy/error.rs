use crate::training::ControlError;

/// Why a training by [`OnPolicyStrategy`](super::OnPolicyStrategy) left nothing.
#[derive(Debug, thiserror::Error)]
pub enum StrategyError {
    #[error("the strategy has not trained anything since it was last asked: launch an `RLTraining` with it first")]
    NotLaunched,
    #[error(
        "the agent has been trained already, and its optimiser is gone with that: make a new one, and call \
         `OnPolicyStrategy::resume` to go on with a training"
    )]
    AgentUsed,
    #[error(
        "`RLTraining::with_checkpointer` has no part in this: leave it out, and call `OnPolicyStrategy::directory` and \
         `OnPolicyStrategy::with_checkpoints`"
    )]
    Checkpointer,
    #[error("`RLTraining::checkpoint({step})` has no part in this: leave it out, and call `OnPolicyStrategy::resume`")]
    Checkpoint { step: usize },
    #[error(transparent)]
    Training(#[from] ControlError),
}
