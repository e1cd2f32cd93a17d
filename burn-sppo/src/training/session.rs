use std::{collections::VecDeque, fs, path::Path, time::Instant};

use burn::{tensor::Device, train::Interrupter};

use super::{
    CheckpointConfig, ControlError, ControlEvaluation, ControlLearner, ControlObserver, ControlReport, ControlResult,
    ControlTraining, EvaluationConfig,
    check::{check, check_resumed},
    evaluate,
    files::{RunFiles, TrainingState, resume},
    progress::Progress,
    report::RecentEpisodes,
};
use crate::{
    advantage::explained_variance,
    environment::{
        Episode, VectorEnvironment,
        wrapper::{EpisodeLog, Monitor},
    },
    learner::{UpdateContext, progress_remaining},
    loss::ValueLoss,
    policy::ActorCritic,
    rollout::{Collected, Collector},
    run::{Exactness, HealthChecks, RunDirectory, RunError, RunLock, Streams, write_file},
};

/// Episodes over which training's own returns are averaged, as in Stable-Baselines3.
const RECENT: usize = 100;

/// A training between its start and its end.
pub(super) struct Session<'a, M> {
    learner: ControlLearner<M>,
    collector: Collector,
    evaluation: Option<(Box<dyn VectorEnvironment>, EvaluationConfig)>,
    observers: Vec<Box<dyn ControlObserver + 'a>>,
    interrupter: Interrupter,
    health: HealthChecks,
    checkpoints: Option<CheckpointConfig>,
    files: Option<RunFiles>,
    log: EpisodeLog,
    _lock: Option<RunLock>,
    device: Device,
    environments: u64,
    total_steps: u64,
    iteration: u64,
    evaluated: u64,
    /// Passes over rollouts so far.
    updates: u64,
    /// When this process began, and seconds of training before it.
    start: Instant,
    seconds: f64,
    recent: VecDeque<Episode>,
    progress: Progress,
    evaluations: Vec<ControlEvaluation>,
}

impl<'a, M: ActorCritic> Session<'a, M> {
    pub fn open(training: ControlTraining<'a>, mut learner: ControlLearner<M>) -> Result<Self, ControlError> {
        check(&training, &learner)?;
        let spec = training.environment.spec().clone();
        let device = learner.policy.devices().into_iter().next().ok_or(ControlError::NoParameters)?.without_autodiff();
        let seed = learner.seed;
        let log = EpisodeLog::default();
        let environment = Monitor::new(training.environment, log.clone());
        let mut collector = Collector::new(Box::new(environment), learner.resample_every, seed)?;
        let algorithm = learner.update.policy_loss.algorithm;
        // Before there is a folder; when a training goes on, only its checkpoint tells whether it is of this environment.
        if !training.resume {
            collector.check(&learner.policy.valid(), algorithm, &device)?;
        }
        let mut health = learner.health.init(Exactness::Single);
        let mut state = None;
        let (mut files, mut lock, mut damaged) = (None, None, Vec::new());
        if let Some(path) = training.directory {
            let directory = match training.resume {
                true => RunDirectory::open(path)?,
                false => RunDirectory::create(path, &training.config)?,
            };
            lock = Some(directory.lock()?);
            if training.resume {
                let config = training.checkpoints.unwrap_or_default();
                match resume(&directory, config, learner.policy, learner.optimizer)? {
                    Ok(resumed) => {
                        let normalizer = collector.environment().normalizer().is_some();
                        check_resumed(&resumed.state, &spec, seed, [resumed.normalizer.is_some(), normalizer])?;
                        (learner.policy, learner.optimizer) = (resumed.policy, resumed.optimizer);
                        let normalizer = collector.environment_mut().normalizer_mut();
                        if let (Some(normalizer), Some(saved)) = (normalizer, resumed.normalizer) {
                            *normalizer = saved;
                        }
                        collector.restore(resumed.state.collector_steps, resumed.environment.as_deref(), seed)?;
                        health.restore(resumed.state.health);
                        damaged = resumed.damaged;
                        state = Some(resumed.state);
                    }
                    Err((policy, optimizer)) => (learner.policy, learner.optimizer) = (policy, optimizer),
                }
            }
            keep_notes(&directory.path().join("notes.txt"), collector.environment().notes())?;
            let opened =
                RunFiles::open(directory, training.checkpoints, state.as_ref().map_or(0, |state| state.iteration))?;
            let monitor = opened.monitor();
            match state.as_ref().and_then(|state| Some((state.seconds, state.monitor?))) {
                Some((seconds, length)) => log.resume(&monitor, &spec.id, length, seconds)?,
                None => log.create(&monitor, &spec.id)?,
            }
            health = health.with_dumps(opened.dumps());
            files = Some(opened);
        }
        if training.resume {
            collector.check(&learner.policy.valid(), algorithm, &device)?;
        }
        let (iteration, evaluated, updates, seconds, recent, progress) = state.map_or_else(Default::default, |state| {
            let recent = state.recent.into_iter().map(Episode::from).collect();
            (state.iteration, state.evaluations, state.updates, state.seconds, recent, state.progress)
        });
        let mut session = Self {
            learner,
            collector,
            evaluation: training.evaluation,
            observers: training.observers,
            interrupter: training.interrupter,
            health,
            checkpoints: training.checkpoints,
            files,
            log,
            _lock: lock,
            device,
            environments: spec.num_envs as u64,
            total_steps: training.total_steps,
            iteration,
            evaluated,
            updates,
            start: Instant::now(),
            seconds,
            recent,
            progress,
            evaluations: Vec::new(),
        };
        let steps = session.steps();
        for observer in &mut session.observers {
            observer.on_start(steps, session.total_steps, &damaged);
        }
        if let Some(files) = &session.files {
            files.progress(&session.progress)?;
        }
        Ok(session)
    }

    /// Environment steps so far.
    fn steps(&self) -> u64 {
        self.collector.steps() * self.environments
    }

    pub fn run(mut self) -> Result<ControlResult<M>, ControlError> {
        let mut last = None;
        let mut saved = self.steps();
        let mut interrupted = false;
        while self.steps() < self.total_steps {
            if self.interrupter.should_stop() {
                interrupted = true;
                break;
            }
            let report;
            (self, report) = self.iterate()?;
            if let Some(files) = &mut self.files {
                files.report(&report)?;
            }
            for observer in &mut self.observers {
                observer.on_iteration(&report);
            }
            last = Some(report);
            if self.checkpoints.is_some_and(|config| self.steps() - saved >= config.every.max(1)) {
                self.checkpoint()?;
                saved = self.steps();
            }
        }
        if saved != self.steps() {
            self.checkpoint()?;
        }
        Ok(ControlResult {
            steps: self.steps(),
            model: self.learner.policy,
            interrupted,
            last,
            evaluations: self.evaluations,
            environment: self.collector.into_environment(),
        })
    }

    /// One rollout and its update. The policy travels by value: a second holder of its weights would have every one of
    /// them copied by the first step of the optimiser.
    fn iterate(mut self) -> Result<(Self, ControlReport), ControlError> {
        let streams = Streams::new(self.learner.seed);
        let before = self.steps();
        let start = Instant::now();
        let policy = self.learner.policy.valid();
        let Collected { rollout, episodes, mean_reward } = self.collector.collect(
            &policy,
            self.learner.rollout_steps,
            &self.learner.gae,
            streams,
            self.learner.update.policy_loss.needs_distribution(),
            &self.device,
        )?;
        self.recent.extend(&episodes);
        self.recent.drain(..self.recent.len().saturating_sub(RECENT));
        let collect_seconds = start.elapsed().as_secs_f64();
        self.iteration += 1;
        self.evaluate_after(before, &policy)?;
        drop(policy);

        let start = Instant::now();
        let steps = self.steps();
        let remaining = progress_remaining(steps, self.total_steps);
        let learning_rate = self.learner.learning_rate.value(remaining);
        let config = self.learner.update_at(remaining);
        let context = UpdateContext { streams, iteration: self.iteration, learning_rate };
        let update;
        (self.learner.policy, update) = config.init()?.run(
            self.learner.policy,
            &mut self.learner.optimizer,
            &rollout,
            context,
            &mut self.health,
        )?;
        self.progress.update(&update);
        self.updates += update.epochs as u64;
        let std = self.learner.policy.mean_std().map(|std| std.into_scalar::<f64>());
        let samples = &rollout.samples;
        let report = ControlReport {
            iteration: self.iteration,
            steps,
            total_steps: self.total_steps,
            rollout_steps: steps - before,
            learning_rate,
            clip_range: config.policy_loss.clip_range,
            clip_range_vf: match config.value_loss {
                ValueLoss::ClippedOnly { range } => Some(range),
                _ => None,
            },
            uses_ratio: config.policy_loss.algorithm.uses_ratio(),
            updates: self.updates,
            mean_std: std,
            explained_variance: explained_variance(&samples.returns, &samples.old_value)?,
            episodes: self.recent_episodes(),
            finished: episodes,
            mean_reward,
            update,
            collect_seconds,
            update_seconds: start.elapsed().as_secs_f64(),
            elapsed_seconds: self.elapsed(),
        };
        Ok((self, report))
    }

    /// Seconds of training, those before a resume included.
    fn elapsed(&self) -> f64 {
        self.seconds + self.start.elapsed().as_secs_f64()
    }

    fn recent_episodes(&self) -> Option<RecentEpisodes> {
        let count = self.recent.len();
        let mean = |sum: f64| sum / count as f64;
        (count > 0).then(|| RecentEpisodes {
            mean_return: mean(self.recent.iter().map(|episode| episode.episode_return).sum()),
            mean_length: mean(self.recent.iter().map(|episode| episode.length as f64).sum()),
            count,
        })
    }

    /// Evaluates the policy that made the rollout, if a multiple of the interval lies within it: as in the reference,
    /// whose evaluation interrupts the rollout.
    fn evaluate_after(&mut self, before: u64, policy: &M) -> Result<(), ControlError> {
        let after = self.steps();
        let Some((environment, config)) = &mut self.evaluation else { return Ok(()) };
        let due = match config.every {
            0 => return Ok(()),
            every => after / every * every,
        };
        if due <= before {
            return Ok(());
        }
        if let (Some(target), Some(source)) = (environment.normalizer_mut(), self.collector.environment().normalizer())
        {
            target.copy_statistics(source)?;
        }
        self.evaluated += 1;
        let streams = Streams::new(self.learner.seed);
        let scores = evaluate(policy, environment.as_mut(), config, streams, self.evaluated, &self.device)?;
        let evaluation = ControlEvaluation::new(due, scores);
        let minutes = (self.elapsed() / 60.0) as u64;
        self.progress.evaluation(&evaluation, minutes);
        if let Some(files) = &mut self.files {
            files.evaluation(self.iteration, &evaluation, &self.progress)?;
        }
        for observer in &mut self.observers {
            observer.on_evaluation(&evaluation);
        }
        self.evaluations.push(evaluation);
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), ControlError> {
        let Some(files) = &self.files else { return Ok(()) };
        let environment = self.collector.environment();
        let state = TrainingState {
            environment: environment.spec().id.clone(),
            iteration: self.iteration,
            collector_steps: self.collector.steps(),
            evaluations: self.evaluated,
            updates: self.updates,
            seed: self.learner.seed,
            num_envs: Some(environment.spec().num_envs),
            health: self.health.counts(),
            seconds: self.elapsed(),
            recent: self.recent.iter().map(Into::into).collect(),
            progress: self.progress.clone(),
            monitor: self.log.length()?,
        };
        Ok(files.checkpoint(
            &self.learner.policy,
            &self.learner.optimizer,
            &state,
            environment.save().as_deref(),
            environment.normalizer(),
        )?)
    }
}

/// Adds what environments say of themselves to a file; what is there stays, for a training may go on elsewhere.
fn keep_notes(path: &Path, notes: &[String]) -> Result<(), RunError> {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    let known = text.len();
    for note in notes {
        if !text.lines().any(|line| line == note) {
            text += &format!("{note}\n");
        }
    }
    if text.len() > known { write_file(path, text.as_bytes()) } else { Ok(()) }
}
