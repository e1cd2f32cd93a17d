use std::path::PathBuf;

use burn::{module::Module, optim::ModuleOptimizer};
use burn_sppo::run::{Checkpoints, Damage, HealthCounts, JsonLines, MetricLog, Parts, RunDirectory, RunError};
use serde::{Deserialize, Serialize};

use super::{EvaluatedSample, EvaluationReport, IterationReport, TrainError};
use crate::rollout::KlState;

const POLICY: &str = "policy.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// Everything that changes during training, besides weights and optimiser.
///
/// Random streams and the place in the data follow from the iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainingState {
    /// Iterations done.
    pub iteration: u64,
    pub seed: u64,
    pub kl: KlState,
    pub health: HealthCounts,
}

/// How often checkpoints are written, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointConfig {
    /// Iterations between two checkpoints; there is always one at the end.
    pub every: u64,
    /// Checkpoints that stay.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 10, keep: 2 }
    }
}

/// The files of one run.
pub(super) struct RunFiles {
    directory: RunDirectory,
    metrics: MetricLog,
    samples: JsonLines<EvaluatedSample>,
    evaluations: JsonLines<EvaluationReport>,
    checkpoints: Option<Checkpoints>,
}

/// What a run goes on from.
pub(super) struct Resumed<M> {
    pub policy: M,
    pub optimizer: ModuleOptimizer,
    pub state: TrainingState,
    /// Checkpoints that were passed over, and why.
    pub damaged: Vec<Damage>,
}

impl RunFiles {
    /// Opens the files for appending. Lines after iteration `kept` are cut away.
    pub fn open(directory: RunDirectory, checkpoints: Option<CheckpointConfig>, kept: u64) -> Result<Self, RunError> {
        Ok(Self {
            metrics: MetricLog::open(&directory, Some(kept))?,
            samples: JsonLines::open(directory.samples(), Some(kept))?,
            evaluations: JsonLines::open(directory.evaluation(), Some(kept))?,
            checkpoints: checkpoints.map(|config| Checkpoints::new(directory.checkpoints(), config.keep)),
            directory,
        })
    }

    pub fn dumps(&self) -> PathBuf {
        self.directory.dumps()
    }

    pub fn report(&mut self, report: &IterationReport) -> Result<(), RunError> {
        self.metrics.log(report.iteration, &report.entries())?;
        self.metrics.log_timing(report.iteration, &report.timing())
    }

    pub fn evaluation(&mut self, report: &EvaluationReport, samples: &[EvaluatedSample]) -> Result<(), RunError> {
        self.evaluations.append(report.epoch, report)?;
        for sample in samples {
            self.samples.append(report.epoch, sample)?;
        }
        Ok(())
    }

    /// Writes a checkpoint, if checkpoints are wanted.
    pub fn checkpoint<M: Module>(
        &self,
        policy: &M,
        optimizer: &ModuleOptimizer,
        state: &TrainingState,
    ) -> Result<(), RunError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        self.metrics.sync()?;
        self.samples.sync()?;
        self.evaluations.sync()?;
        checkpoints.save(state.iteration, |folder| {
            let parts = Parts(folder);
            parts.save_module(POLICY, policy)?;
            parts.save_optimizer(OPTIMIZER, optimizer)?;
            parts.save_json(STATE, state)
        })?;
        Ok(())
    }
}

/// Restores the newest checkpoint of `directory` that is whole; `None` if there is none.
pub(super) fn resume<M: Module>(
    directory: &RunDirectory,
    config: CheckpointConfig,
    policy: M,
    optimizer: ModuleOptimizer,
) -> Result<Result<Resumed<M>, (M, ModuleOptimizer)>, TrainError> {
    let checkpoints = Checkpoints::new(directory.checkpoints(), config.keep);
    let Some(found) = checkpoints.latest()? else { return Ok(Err((policy, optimizer))) };
    checkpoints.rewind(found.step)?;
    let parts = Parts(&found.path);
    let state = parts.load_json(STATE)?;
    let policy = parts.load_module(POLICY, policy)?;
    let optimizer = parts.load_optimizer(OPTIMIZER, optimizer)?;
    Ok(Ok(Resumed { policy, optimizer, state, damaged: found.damaged }))
}
