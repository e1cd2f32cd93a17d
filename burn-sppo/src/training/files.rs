use std::path::PathBuf;

use burn::{module::Module, optim::ModuleOptimizer};
use serde::{Deserialize, Serialize};

use super::{ControlError, ControlEvaluation, ControlReport, progress::Progress};
use crate::{
    environment::{Episode, wrapper::Normalizer},
    run::{Checkpoints, Damage, HealthCounts, JsonLines, MetricLog, Parts, RunDirectory, RunError, write_file},
};

const POLICY: &str = "policy.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";
const ENVIRONMENT: &str = "environment.bin";
const NORMALIZER: &str = "normalizer.json";

/// How often checkpoints are written, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Environment steps between two checkpoints; there is always one at the end.
    pub every: u64,
    /// Checkpoints that stay.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 100_000, keep: 2 }
    }
}

/// Everything that changes during training, besides weights, optimiser and environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainingState {
    pub environment: String,
    pub iteration: u64,
    /// Steps of one environment.
    pub collector_steps: u64,
    pub evaluations: u64,
    /// Passes over rollouts; absent in checkpoints from before they were counted.
    #[serde(default)]
    pub updates: u64,
    pub seed: u64,
    /// Environments; absent in checkpoints from before it was kept.
    #[serde(default)]
    pub num_envs: Option<usize>,
    pub health: HealthCounts,
    /// Seconds of training.
    pub seconds: f64,
    pub recent: Vec<SavedEpisode>,
    pub progress: Progress,
    /// Bytes of the file of episodes; absent in checkpoints from before there was one.
    #[serde(default)]
    pub monitor: Option<u64>,
}

/// A line of `evaluation.jsonl`; metrics have the names of Stable-Baselines3.
#[derive(Serialize)]
struct EvaluationLine {
    split: &'static str,
    steps: u64,
    metrics: EvaluationMetrics,
    returns: Vec<f64>,
    lengths: Vec<u64>,
    wrapped_returns: Vec<f64>,
}

#[derive(Serialize)]
struct EvaluationMetrics {
    mean_reward: f64,
    std_reward: f64,
    mean_ep_length: f64,
}

impl From<&ControlEvaluation> for EvaluationLine {
    fn from(evaluation: &ControlEvaluation) -> Self {
        let scores = evaluation.scores.clone();
        Self {
            split: "eval",
            steps: evaluation.steps,
            metrics: EvaluationMetrics {
                mean_reward: evaluation.mean_return,
                std_reward: evaluation.std_return,
                mean_ep_length: evaluation.mean_length,
            },
            returns: scores.returns,
            lengths: scores.lengths,
            wrapped_returns: scores.wrapped_returns,
        }
    }
}

/// An [`Episode`] bit by bit, which a number in JSON need not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedEpisode {
    return_bits: u64,
    length: u64,
}

impl From<&Episode> for SavedEpisode {
    fn from(episode: &Episode) -> Self {
        Self { return_bits: episode.episode_return.to_bits(), length: episode.length }
    }
}

impl From<SavedEpisode> for Episode {
    fn from(saved: SavedEpisode) -> Self {
        Self { episode_return: f64::from_bits(saved.return_bits), length: saved.length }
    }
}

/// The files of one run.
pub(super) struct RunFiles {
    directory: RunDirectory,
    metrics: MetricLog,
    evaluations: JsonLines<EvaluationLine>,
    checkpoints: Option<Checkpoints>,
}

/// What a run goes on from.
pub(super) struct Resumed<M> {
    pub policy: M,
    pub optimizer: ModuleOptimizer,
    pub state: TrainingState,
    /// The environments' own state, where they could give it.
    pub environment: Option<Vec<u8>>,
    pub normalizer: Option<Normalizer>,
    /// Checkpoints that were passed over, and why.
    pub damaged: Vec<Damage>,
}

impl RunFiles {
    /// Opens the files for appending. Lines after iteration `kept` are cut away.
    pub fn open(directory: RunDirectory, checkpoints: Option<CheckpointConfig>, kept: u64) -> Result<Self, RunError> {
        Ok(Self {
            metrics: MetricLog::open(&directory, Some(kept))?,
            evaluations: JsonLines::open(directory.evaluation(), Some(kept))?,
            checkpoints: checkpoints.map(|config| Checkpoints::new(directory.checkpoints(), config.keep)),
            directory,
        })
    }

    pub fn monitor(&self) -> PathBuf {
        self.directory.path().join("monitor.csv")
    }

    pub fn dumps(&self) -> PathBuf {
        self.directory.dumps()
    }

    pub fn report(&mut self, report: &ControlReport) -> Result<(), RunError> {
        self.metrics.log(report.iteration, &report.entries())?;
        self.metrics.log_timing(report.iteration, &report.timing())
    }

    /// Adds an evaluation made during `iteration`, and rewrites the table of all of them.
    pub fn evaluation(
        &mut self,
        iteration: u64,
        evaluation: &ControlEvaluation,
        progress: &Progress,
    ) -> Result<(), RunError> {
        self.evaluations.append(iteration, &evaluation.into())?;
        self.progress(progress)
    }

    pub fn progress(&self, progress: &Progress) -> Result<(), RunError> {
        write_file(&self.directory.path().join("progress.txt"), progress.table().as_bytes())
    }

    /// Writes a checkpoint, if checkpoints are wanted.
    pub fn checkpoint<M: Module>(
        &self,
        policy: &M,
        optimizer: &ModuleOptimizer,
        state: &TrainingState,
        environment: Option<&[u8]>,
        normalizer: Option<&Normalizer>,
    ) -> Result<(), RunError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        self.metrics.sync()?;
        self.evaluations.sync()?;
        checkpoints.save(state.iteration, |folder| {
            let parts = Parts(folder);
            parts.save_module(POLICY, policy)?;
            parts.save_optimizer(OPTIMIZER, optimizer)?;
            parts.save_json(STATE, state)?;
            if let Some(bytes) = environment {
                parts.save_bytes(ENVIRONMENT, bytes)?;
            }
            if let Some(normalizer) = normalizer {
                parts.save_json(NORMALIZER, normalizer)?;
            }
            Ok::<(), RunError>(())
        })?;
        Ok(())
    }
}

/// Restores the newest checkpoint of `directory` that is whole; gives back what it was given if there is none.
pub(super) fn resume<M: Module>(
    directory: &RunDirectory,
    config: CheckpointConfig,
    policy: M,
    optimizer: ModuleOptimizer,
) -> Result<Result<Resumed<M>, (M, ModuleOptimizer)>, ControlError> {
    let checkpoints = Checkpoints::new(directory.checkpoints(), config.keep);
    let Some(found) = checkpoints.latest()? else { return Ok(Err((policy, optimizer))) };
    checkpoints.rewind(found.step)?;
    let parts = Parts(&found.path);
    let policy = parts.load_module(POLICY, policy)?;
    let optimizer = parts.load_optimizer(OPTIMIZER, optimizer)?;
    let state = parts.load_json(STATE)?;
    let environment = parts.has(ENVIRONMENT).then(|| parts.load_bytes(ENVIRONMENT)).transpose()?;
    let normalizer = parts.has(NORMALIZER).then(|| parts.load_json(NORMALIZER)).transpose()?;
    Ok(Ok(Resumed { policy, optimizer, state, environment, normalizer, damaged: found.damaged }))
}

/// The policy of the newest whole checkpoint of a run, and the statistics by which its observations were normalised.
#[derive(Debug)]
pub struct TrainedPolicy<M> {
    pub policy: M,
    pub normalizer: Option<Normalizer>,
    /// Environment steps of one environment before it.
    pub steps: u64,
}

impl<M: Module> TrainedPolicy<M> {
    /// Loads the weights into `policy`, which must be of the same shape.
    ///
    /// # Errors
    /// If `run` is no run or has no whole checkpoint, or that is of another policy.
    pub fn load(run: impl Into<PathBuf>, policy: M) -> Result<Self, ControlError> {
        let directory = RunDirectory::open(run)?;
        let checkpoints = Checkpoints::new(directory.checkpoints(), usize::MAX);
        let found =
            checkpoints.latest()?.ok_or_else(|| ControlError::NoCheckpoint { path: directory.checkpoints() })?;
        let parts = Parts(&found.path);
        let policy = parts.load_module(POLICY, policy)?;
        let state: TrainingState = parts.load_json(STATE)?;
        let normalizer = parts.has(NORMALIZER).then(|| parts.load_json(NORMALIZER)).transpose()?;
        Ok(Self { policy, normalizer, steps: state.collector_steps })
    }
}
