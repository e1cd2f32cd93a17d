use burn_sppo::run::Damage;

use super::{EvaluatedSample, EvaluationReport, IterationReport};

/// Hears what training does, as it happens. Every method does nothing by default.
pub trait Observer {
    /// Training begins, or goes on after `iteration` iterations. `damaged` lists checkpoints that were passed over.
    fn on_start(&mut self, _iteration: u64, _iterations: u64, _damaged: &[Damage]) {}

    /// A rollout has been made and trained on.
    fn on_iteration(&mut self, _report: &IterationReport) {}

    /// The policy has been evaluated.
    fn on_evaluation(&mut self, _report: &EvaluationReport, _samples: &[EvaluatedSample]) {}

    /// Something to know that is no reason to stop.
    fn on_warning(&mut self, _warning: &str) {}
}
