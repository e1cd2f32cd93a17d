use std::time::Instant;

use burn::{tensor::Device, train::renderer::MetricsRenderer};
use burn_sppo::{
    learner::UpdateContext,
    run::{HealthChecks, RunDirectory, RunLock, Streams},
};

use super::{
    Evaluation, EvaluationReport, IterationReport, RlhfLearner, RlhfResult, RlhfTraining, TrainError,
    files::{RunFiles, TrainingState, resume},
};
use crate::{
    policy::TokenPolicy,
    reward::Reward,
    rollout::{Collector, KlController},
};

/// Bound on the log-probabilities of whole vocabularies that one rollout may keep.
const DISTRIBUTION_BYTES: u64 = 2 << 30;

/// A training between its start and its end.
pub(super) struct Session<'a, P> {
    training: RlhfTraining<'a>,
    reward: Box<dyn Reward + 'a>,
    learner: RlhfLearner<P>,
    reference: Option<P>,
    kl: KlController,
    health: HealthChecks,
    files: Option<RunFiles>,
    _lock: Option<RunLock>,
    device: Device,
    done: u64,
    evaluations: Vec<EvaluationReport>,
}

impl<'a, P: TokenPolicy> Session<'a, P> {
    pub fn open(mut training: RlhfTraining<'a>, mut learner: RlhfLearner<P>) -> Result<Self, TrainError> {
        let reward = training.reward.take().ok_or(TrainError::NoReward)?;
        check(&training, &learner)?;
        let reference = learner.reference.then(|| learner.policy.reference());
        let mut kl = learner.kl.init()?;
        let mut health = learner.health.init(learner.exactness);
        let device = learner.policy.devices().into_iter().next().ok_or(TrainError::NoParameters)?.without_autodiff();
        let (mut done, mut damaged, mut files, mut lock) = (0, Vec::new(), None, None);
        if let Some(path) = training.directory.clone() {
            let directory = match training.resume {
                true => RunDirectory::open(path)?,
                false => RunDirectory::create(path, &training.config)?,
            };
            lock = Some(directory.lock()?);
            if training.resume {
                let config = training.checkpoints.unwrap_or_default();
                match resume(&directory, config, learner.policy, learner.optimizer)? {
                    Ok(resumed) => {
                        (learner.policy, learner.optimizer) = (resumed.policy, resumed.optimizer);
                        kl.restore(resumed.state.kl);
                        health.restore(resumed.state.health);
                        done = resumed.state.iteration;
                        damaged = resumed.damaged;
                    }
                    Err((policy, optimizer)) => (learner.policy, learner.optimizer) = (policy, optimizer),
                }
            }
            let opened = RunFiles::open(directory, training.checkpoints, done)?;
            health = health.with_dumps(opened.dumps());
            files = Some(opened);
        }
        for observer in &mut training.observers {
            observer.on_start(done, training.num_iterations, &damaged);
        }
        Ok(Self {
            training,
            reward,
            learner,
            reference,
            kl,
            health,
            files,
            _lock: lock,
            device,
            done,
            evaluations: Vec::new(),
        })
    }

    pub fn run(mut self) -> Result<RlhfResult<P>, TrainError> {
        let total = self.training.num_iterations;
        if let Some(renderer) = &mut self.training.renderer {
            for metric in &self.training.metrics.0 {
                renderer.register_metric(metric.definition());
            }
            renderer.start(total as usize, self.done as usize + 1, None, Some("RLHF"));
        }
        if self.done == 0 {
            self.evaluate(|evaluation| evaluation.zero_shot)?;
        }
        let mut last = None;
        let mut saved = self.done;
        let mut interrupted = false;
        while self.done < total {
            if self.training.interrupter.should_stop() {
                interrupted = true;
                break;
            }
            let report;
            (self, report) = self.iterate()?;
            self.done += 1;
            self.publish(&report)?;
            last = Some(report);
            let done = self.done;
            self.evaluate(|evaluation| done == total || evaluation.every > 0 && done.is_multiple_of(evaluation.every))?;
            if self.training.checkpoints.is_some_and(|config| self.done.is_multiple_of(config.every.max(1))) {
                self.checkpoint()?;
                saved = self.done;
            }
        }
        if saved != self.done {
            self.checkpoint()?;
        }
        if let Some(renderer) = &mut self.training.renderer {
            end(renderer.as_mut());
        }
        Ok(RlhfResult {
            model: self.learner.policy,
            iterations: self.done,
            interrupted,
            last,
            evaluations: self.evaluations,
        })
    }

    /// Takes the policy along by value: a second holder of its weights would have every one of them copied by the first
    /// step of the optimiser.
    fn iterate(mut self) -> Result<(Self, IterationReport), TrainError> {
        let iteration = self.done + 1;
        let streams = Streams::new(self.learner.seed);
        let policy = self.learner.policy.valid();
        let collected = Collector {
            config: &self.learner.rollout,
            policy: &policy,
            reference: self.reference.as_ref(),
            prompts: &self.training.prompts,
            decoder: &self.training.decoder,
            reward: self.reward.as_mut(),
            device: &self.device,
        }
        .collect(streams, iteration, self.kl.coef())?;
        drop(policy);
        self.warn_of_equal_rewards(iteration, &collected.rewards);
        self.kl.step(collected.rollout.statistics.kl);
        let start = Instant::now();
        let learning_rate = self.learner.schedule.value(self.learner.learning_rate, self.done);
        let update;
        (self.learner.policy, update) = self.learner.update.run(
            self.learner.policy,
            &mut self.learner.optimizer,
            &collected.rollout,
            UpdateContext { streams, iteration, learning_rate },
            &mut self.health,
        )?;
        let report = IterationReport {
            iteration,
            iterations: self.training.num_iterations,
            learning_rate,
            rollout: collected.rollout.statistics,
            update,
            rollout_times: collected.times,
            update_seconds: start.elapsed().as_secs_f64(),
            rollouts: collected.responses.len(),
        };
        Ok((self, report))
    }

    /// Equal rewards teach nothing: after normalisation only values and the KL penalty are left.
    fn warn_of_equal_rewards(&mut self, iteration: u64, rewards: &[f32]) {
        if rewards.len() > 1 && rewards.iter().all(|&reward| reward == rewards[0]) {
            let warning = format!(
                "iteration {iteration}: all {} rewards are {}, so nothing tells good responses from bad ones: look at \
                 the reward",
                rewards.len(),
                rewards[0]
            );
            for observer in &mut self.training.observers {
                observer.on_warning(&warning);
            }
        }
    }

    fn publish(&mut self, report: &IterationReport) -> Result<(), TrainError> {
        if let Some(files) = &mut self.files {
            files.report(report)?;
        }
        for observer in &mut self.training.observers {
            observer.on_iteration(report);
        }
        if let Some(renderer) = &mut self.training.renderer {
            renderer.start_split("Train", report.rollouts);
            for metric in &mut self.training.metrics.0 {
                let state = metric.update(report).map_err(|error| TrainError::Read(error.to_string()))?;
                renderer.update_train(state);
            }
            renderer.update_split(report.rollouts);
            renderer.end_split();
            renderer.update_epoch(report.iteration as usize);
        }
        Ok(())
    }

    /// Runs the evaluations whose time has come.
    fn evaluate(&mut self, is_due: impl Fn(&Evaluation) -> bool) -> Result<(), TrainError> {
        let training = &mut self.training;
        if !training.evaluations.iter().any(&is_due) {
            return Ok(());
        }
        let policy = self.learner.policy.valid();
        let streams = Streams::new(self.learner.seed);
        for evaluation in training.evaluations.iter_mut().filter(|evaluation| is_due(evaluation)) {
            let reference = self.reference.as_ref();
            let (report, samples) =
                evaluation.run(&policy, reference, &training.decoder, streams, self.done, &self.device)?;
            if let Some(files) = &mut self.files {
                files.evaluation(&report, &samples)?;
            }
            for observer in &mut training.observers {
                observer.on_evaluation(&report, &samples);
            }
            self.evaluations.push(report);
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), TrainError> {
        let Some(files) = &self.files else { return Ok(()) };
        let state = TrainingState {
            iteration: self.done,
            seed: self.learner.seed,
            kl: self.kl.state(),
            health: self.health.counts(),
        };
        Ok(files.checkpoint(&self.learner.policy, &self.learner.optimizer, &state)?)
    }
}

fn end(renderer: &mut dyn MetricsRenderer) {
    renderer.end();
}

fn check<P: TokenPolicy>(training: &RlhfTraining, learner: &RlhfLearner<P>) -> Result<(), TrainError> {
    let (rollout, update) = (&learner.rollout, learner.update.config());
    if training.num_iterations == 0 {
        return Err(TrainError::NoIterations);
    }
    if training.directory.is_none() && (training.checkpoints.is_some() || training.resume) {
        return Err(TrainError::NoDirectory);
    }
    if !rollout.rollouts.is_multiple_of(update.minibatch) {
        return Err(TrainError::Minibatch { rollouts: rollout.rollouts, minibatch: update.minibatch });
    }
    rollout.sampling.check()?;
    let length = rollout.sampling.max_new_tokens;
    crate::rollout::check_window(training.prompts.longest(), length, learner.policy.context_length())?;
    if rollout.keep_distribution {
        let bytes = 4 * (rollout.rollouts * length * learner.policy.vocab_size()) as u64;
        if bytes > DISTRIBUTION_BYTES {
            return Err(TrainError::DistributionMemory {
                bytes,
                limit: DISTRIBUTION_BYTES,
                rollouts: rollout.rollouts,
            });
        }
    }
    Ok(())
}
