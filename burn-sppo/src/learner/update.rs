use burn::{
    config::Config,
    module::Module,
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
    tensor::{Bool, Device, Tensor, TensorData},
};
use std::path::PathBuf;

use rand::seq::SliceRandom;
use serde::Serialize;

use super::{Evaluate, Request, Rollout, UpdateError, UpdateReport, objective::Objective, report::MinibatchSums};
use crate::{
    advantage::{AdvantageKind, Normalization, noise, normalize},
    loss::{PolicyLoss, PolicyLossConfig, Reduction, ValueLoss, approximate_kl},
    optim::clip_grad_norm,
    run::{HealthChecks, Purpose, Streams, Verdict},
};

/// How one rollout becomes optimiser steps, for every algorithm and for control and language models alike.
#[derive(Config, Debug)]
pub struct UpdateConfig {
    /// The policy loss.
    pub policy_loss: PolicyLossConfig,
    /// The critic's loss.
    pub value_loss: ValueLoss,
    /// Weight of the value loss; at 0 the critic is neither evaluated nor trained.
    #[config(default = 0.5)]
    pub vf_coef: f64,
    /// Weight of the entropy bonus. At 0 the entropy is not computed but estimated, for the report, from the actions taken.
    #[config(default = 0.0)]
    pub ent_coef: f64,
    /// Passes over the rollout.
    #[config(default = 4)]
    pub epochs: usize,
    /// Rows an optimiser step.
    pub minibatch: usize,
    /// Rows a forward pass: the gradients of several are added up to exactly those of the minibatch.
    pub microbatch: usize,
    /// Bound on the L2 norm of all gradients together.
    pub max_grad_norm: Option<f64>,
    /// Stops the update before a step once the approximate KL exceeds 1.5 times this.
    pub target_kl: Option<f64>,
    /// Over which samples advantages are brought to mean 0 and deviation 1.
    pub normalization: Normalization,
    /// What else happens to advantages.
    pub advantage_kind: AdvantageKind,
    /// Probability with which the sign of an advantage is flipped, as noise.
    #[config(default = 0.0)]
    pub advantage_flip: f64,
}

/// What the update step of one iteration depends on besides the module and the rollout.
#[derive(Clone, Copy, Debug)]
pub struct UpdateContext {
    pub streams: Streams,
    pub iteration: u64,
    pub learning_rate: f64,
}

/// A minibatch that was not stepped on because its loss or gradient was not finite.
#[derive(Clone, Debug)]
pub struct SkippedMinibatch {
    pub epoch: usize,
    /// Rows of the rollout.
    pub rows: Vec<usize>,
    pub loss: f64,
    pub gradient_norm: f64,
    /// Where the minibatch was written, if it was.
    pub dump: Option<PathBuf>,
}

/// What is written of such a minibatch. Numbers that are not finite are absent in JSON.
#[derive(Serialize)]
struct MinibatchDump<'a> {
    epoch: usize,
    rows: &'a [usize],
    loss: f64,
    gradient_norm: f64,
    /// As trained on.
    advantage: &'a [f32],
    old_log_prob: Vec<f32>,
    returns: Vec<f32>,
}

impl UpdateConfig {
    /// # Errors
    /// If a size is 0, if the microbatch does not divide the minibatch, or if the policy loss is invalid.
    pub fn init(&self) -> Result<Update, UpdateError> {
        for (name, value) in [("epochs", self.epochs), ("minibatch", self.minibatch), ("microbatch", self.microbatch)] {
            if value == 0 {
                return Err(UpdateError::ZeroSize { name });
            }
        }
        if !self.minibatch.is_multiple_of(self.microbatch) {
            return Err(UpdateError::Microbatch { minibatch: self.minibatch, microbatch: self.microbatch });
        }
        Ok(Update { policy_loss: self.policy_loss.init()?, config: self.clone() })
    }
}

/// The update step: epochs × minibatches of loss → backward → global clip → optimiser.
#[derive(Clone, Debug)]
pub struct Update {
    pub(super) config: UpdateConfig,
    pub(super) policy_loss: PolicyLoss,
}

impl Update {
    pub fn config(&self) -> &UpdateConfig {
        &self.config
    }

    /// Trains `module` on `rollout`.
    ///
    /// In the first minibatch the policy is still the one that acted, so `health` sees whether log-probabilities are
    /// the same numbers again. A minibatch with a loss or gradient that is not finite is skipped and reported.
    ///
    /// # Errors
    /// If the rollout is empty or inconsistent, if the loss needs something the module does not give, or if a health
    /// check fails.
    pub fn run<M, R>(
        &self,
        mut module: M,
        optimizer: &mut ModuleOptimizer,
        rollout: &R,
        context: UpdateContext,
        health: &mut HealthChecks,
    ) -> Result<(M, UpdateReport), UpdateError>
    where
        M: Module + Evaluate<R::Batch>,
        R: Rollout,
    {
        let samples = rollout.samples();
        let rows = samples.rows();
        self.check(rollout)?;
        let device = module.devices().into_iter().next().ok_or(UpdateError::NoParameters)?;
        let mut advantage = samples.advantage.clone();
        if self.config.normalization == Normalization::Rollout {
            normalize(&mut advantage, samples.policy_mask.as_deref())?;
        }
        let mut report = UpdateReport::default();
        'update: for epoch in 0..self.config.epochs {
            report.epochs = epoch + 1;
            let mut order: Vec<usize> = (0..rows).collect();
            order.shuffle(&mut context.streams.stream(Purpose::Shuffle, context.iteration, epoch as u64));
            for (index, minibatch) in order.chunks(self.config.minibatch).enumerate() {
                let mut prepared = samples.gather(&advantage, minibatch);
                let mask = samples.policy_mask.as_ref().map(|mask| samples.gather(mask, minibatch));
                let lane = (epoch * rows.div_ceil(self.config.minibatch) + index) as u64;
                let estimated = samples.gather(&samples.advantage, minibatch);
                self.prepare_advantages(&mut prepared, mask.as_deref(), context, lane)?;
                report.sign_changes.record(&estimated, &prepared, mask.as_deref())?;
                self.config.advantage_kind.apply(&mut prepared);
                let step = self.gradients(&module, rollout, minibatch, &prepared, mask.as_deref(), &device)?;
                if lane == 0 {
                    report.first_log_ratio = step.sums.max_log_ratio;
                    health.first_minibatch(context.iteration, step.sums.max_log_ratio, step.sums.approx_kl_k3)?;
                }
                if approximate_kl::exceeds_target(step.sums.approx_kl_k3, self.config.target_kl) {
                    report.stopped_early = true;
                    break 'update;
                }
                let (norm, gradients) = self.clip(step.gradients, &module);
                let dump = || MinibatchDump {
                    epoch,
                    rows: minibatch,
                    loss: step.sums.loss,
                    gradient_norm: norm,
                    advantage: &prepared,
                    old_log_prob: samples.gather(&samples.old_log_prob, minibatch),
                    returns: samples.gather(&samples.returns, minibatch),
                };
                match health.update(context.iteration, lane, step.sums.loss, norm, dump)? {
                    Verdict::Apply => {
                        report.add(&step.sums, norm);
                        module = optimizer.step(context.learning_rate, module, gradients);
                    }
                    Verdict::Skip { dump, .. } => report.skipped.push(SkippedMinibatch {
                        epoch,
                        rows: minibatch.to_vec(),
                        loss: step.sums.loss,
                        gradient_norm: norm,
                        dump,
                    }),
                }
            }
        }
        report.finish(samples, &self.config)?;
        Ok((module, report))
    }

    fn check<R: Rollout>(&self, rollout: &R) -> Result<(), UpdateError> {
        let samples = rollout.samples();
        let expected = samples.rows() * samples.per_row;
        if expected == 0 {
            return Err(UpdateError::EmptyRollout);
        }
        let optional = |mask: &Option<Vec<bool>>| mask.as_ref().map_or(expected, Vec::len);
        for (name, len) in [
            ("advantage", samples.advantage.len()),
            ("old_log_prob", samples.old_log_prob.len()),
            ("returns", samples.returns.len()),
            ("old_value", if samples.old_value.is_empty() { expected } else { samples.old_value.len() }),
            ("policy_mask", optional(&samples.policy_mask)),
            ("value_mask", optional(&samples.value_mask)),
        ] {
            if len != expected {
                return Err(UpdateError::SampleCount { name, expected, found: len });
            }
        }
        Ok(())
    }

    fn prepare_advantages(
        &self,
        advantage: &mut [f32],
        mask: Option<&[bool]>,
        context: UpdateContext,
        lane: u64,
    ) -> Result<(), UpdateError> {
        if self.config.advantage_flip > 0.0 {
            let mut stream = context.streams.stream(Purpose::Noise, context.iteration, lane);
            let flips = noise::draw_flips(advantage.len(), self.config.advantage_flip, &mut stream);
            noise::flip(advantage, &flips)?;
        }
        match self.config.normalization {
            Normalization::Minibatch => normalize(advantage, mask)?,
            Normalization::AllTokens => normalize(advantage, None)?,
            Normalization::None | Normalization::Rollout => {}
        }
        Ok(())
    }

    /// The gradients of one minibatch, added up over its microbatches.
    fn gradients<M, R>(
        &self,
        module: &M,
        rollout: &R,
        minibatch: &[usize],
        advantage: &[f32],
        mask: Option<&[bool]>,
        device: &Device,
    ) -> Result<Step, UpdateError>
    where
        M: Module + Evaluate<R::Batch>,
        R: Rollout,
    {
        let samples = rollout.samples();
        let value_mask = samples.value_mask.as_ref().map(|mask| samples.gather(mask, minibatch));
        let value_mask = value_mask.as_deref().or(mask);
        let whole = minibatch.len() * samples.per_row;
        let count = |mask: Option<&[bool]>| mask.map_or(whole, |mask| mask.iter().filter(|&&keep| keep).count());
        let (policy_count, value_count) = (count(mask), count(value_mask));
        let mut accumulator = GradientsAccumulator::new();
        let mut sums = MinibatchSums::default();
        let constants = device.clone().without_autodiff();
        for (index, rows) in minibatch.chunks(self.config.microbatch).enumerate() {
            let start = index * self.config.microbatch * samples.per_row;
            let range = start..start + rows.len() * samples.per_row;
            let upload = Upload { device: &constants, range: range.clone() };
            let reduction = upload.reduction(mask, policy_count);
            let value_reduction = upload.reduction(value_mask, value_count);
            let batch = rollout.batch(rows, minibatch, device);
            let mut objective = Objective::new(self, &upload, samples, rows, &advantage[range], &reduction);
            let request = self.request();
            let alone = request.value && module.value_is_separate();
            let evaluation = module.evaluate(&batch, Request { value: request.value && !alone, ..request });
            let old_distribution = match self.config.policy_loss.needs_distribution() {
                true => rollout.old_distribution(rows, device),
                false => None,
            };
            // What shares no layers with the rest is differentiated by itself, so that only one graph is held at once.
            let mut part = objective.policy(
                evaluation.log_prob,
                evaluation.entropy,
                evaluation.full_log_prob,
                old_distribution,
            )?;
            if let Some(value) = evaluation.value.filter(|_| request.value) {
                part = part + objective.value(value, &value_reduction)?;
            }
            let mut differentiate = |part: Tensor<1>| {
                accumulator.accumulate(module, GradientsParams::from_grads(part.backward(), module));
            };
            differentiate(part);
            if let Some(auxiliary) = module.auxiliary_loss(&batch) {
                differentiate(objective.auxiliary(auxiliary));
            }
            if let Some(value) = alone.then(|| module.value(&batch)).flatten() {
                differentiate(objective.value(value, &value_reduction)?);
            }
            sums.add(objective.terms());
        }
        Ok(Step { gradients: accumulator.grads(), sums })
    }

    fn request(&self) -> Request {
        Request {
            entropy: self.config.ent_coef != 0.0,
            value: self.config.vf_coef != 0.0,
            full_log_prob: self.config.policy_loss.needs_distribution(),
        }
    }

    /// Clips the gradients to the bound and gives their norm before that.
    fn clip<M: Module>(&self, mut gradients: GradientsParams, module: &M) -> (f64, GradientsParams) {
        let norm = clip_grad_norm(&mut gradients, module, self.config.max_grad_norm);
        (norm.into_scalar::<f64>(), gradients)
    }
}

struct Step {
    gradients: GradientsParams,
    sums: MinibatchSums,
}

/// Brings the entries of one microbatch to the device, as constants that no graph has to follow.
pub(super) struct Upload<'a> {
    device: &'a Device,
    /// Place of the microbatch in the minibatch.
    range: std::ops::Range<usize>,
}

impl Upload<'_> {
    pub(super) fn floats(&self, values: Vec<f32>) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values, [self.range.len()]), self.device)
    }

    fn reduction(&self, mask: Option<&[bool]>, count: usize) -> Reduction {
        match mask {
            None => Reduction::all(count),
            Some(mask) => {
                let mask = TensorData::new(mask[self.range.clone()].to_vec(), [self.range.len()]);
                Reduction::masked(Tensor::<1, Bool>::from_data(mask, self.device), count)
            }
        }
    }
}
