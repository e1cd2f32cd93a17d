use super::{ControlEvaluation, ControlReport};
use crate::run::Damage;

/// Hears what training does, as it happens. Every method does nothing by default.
pub trait ControlObserver {
    /// Training begins, or goes on after `steps` environment steps. `damaged` lists checkpoints that were passed over.
    fn on_start(&mut self, _steps: u64, _total_steps: u64, _damaged: &[Damage]) {}

    /// A rollout has been made and trained on.
    fn on_iteration(&mut self, _report: &ControlReport) {}

    /// The policy has been evaluated.
    fn on_evaluation(&mut self, _evaluation: &ControlEvaluation) {}
}
