use burn::{
    config::Config,
    module::Module,
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
    tensor::{Device, Tensor},
    train::Interrupter,
};
use burn_sppo::{
    learner::LearningRateSchedule,
    optim::clip_grad_norm,
    run::{Checkpoints, Parts, Purpose, RunError, Stream, Streams},
};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// Rows with a loss: what supervised training needs to know of its data.
pub trait SupervisedSource<M> {
    /// Number of rows.
    fn rows(&self) -> usize;

    /// How much the rows weigh in the loss, for example their number of tokens.
    fn weight(&self, rows: &[usize]) -> f64;

    /// Sum of the losses of `rows`, `[1]`; `stream` is for what is drawn anew at every visit.
    fn loss(&self, model: &M, rows: &[usize], stream: &mut Stream, device: &Device) -> Tensor<1>;
}

/// How supervised training goes.
#[derive(Config, Debug)]
pub struct SupervisedConfig {
    /// Passes over the rows.
    #[config(default = 1)]
    pub epochs: usize,
    /// Rows an optimiser step.
    pub minibatch: usize,
    /// Rows a forward pass.
    pub microbatch: usize,
    pub learning_rate: f64,
    /// By optimiser step.
    #[config(default = "LearningRateSchedule::Constant")]
    pub schedule: LearningRateSchedule,
    /// Steps in which the learning rate rises from 0.
    #[config(default = 0)]
    pub warmup: u64,
    pub max_grad_norm: Option<f64>,
    /// Steps between two checkpoints.
    #[config(default = 200)]
    pub checkpoint_every: u64,
    #[config(default = 42)]
    pub seed: u64,
}

/// Why supervised training stopped.
#[derive(Debug, Error)]
pub enum SupervisedError {
    #[error("there are no rows to train on")]
    Empty,
    #[error("{name} is 0: give at least 1")]
    ZeroSize { name: &'static str },
    #[error("a minibatch of {minibatch} rows cannot be cut into microbatches of {microbatch}: choose a divisor")]
    Microbatch { minibatch: usize, microbatch: usize },
    #[error("the loss of step {step} is {loss}: lower the learning rate, or look at the data")]
    NonFinite { step: u64, loss: f64 },
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Where training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SupervisedProgress {
    /// Steps done.
    pub step: u64,
    pub steps: u64,
    /// Mean loss of the step.
    pub loss: f64,
    pub learning_rate: f64,
    pub gradient_norm: f64,
}

/// What training leaves.
pub struct SupervisedResult<M> {
    pub model: M,
    /// Whether it was interrupted before its end; a checkpoint holds where it was.
    pub interrupted: bool,
    /// Mean loss of the last tenth of the steps.
    pub final_loss: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct State {
    step: u64,
    recent_loss: f64,
}

/// Trains a module on rows with a loss.
pub struct Supervised<'a> {
    pub config: SupervisedConfig,
    /// Where to keep checkpoints and go on from; nowhere without it.
    pub checkpoints: Option<Checkpoints>,
    pub interrupter: Interrupter,
    pub progress: &'a mut dyn FnMut(SupervisedProgress),
}

impl Supervised<'_> {
    /// Trains `model`, going on from the newest checkpoint if there is one.
    ///
    /// # Errors
    /// For settings that do not fit, a loss that is not finite, and files that cannot be read or written.
    pub fn run<M: Module>(
        &mut self,
        model: M,
        optimizer: ModuleOptimizer,
        source: &impl SupervisedSource<M>,
        device: &Device,
    ) -> Result<SupervisedResult<M>, SupervisedError> {
        self.check(source.rows())?;
        let config = self.config.clone();
        let per_epoch = (source.rows() / config.minibatch).max(1) as u64;
        let steps = per_epoch * config.epochs as u64;
        let (mut model, mut optimizer, mut state) = self.resume(model, optimizer)?;
        let mut order = (u64::MAX, Vec::new());
        while state.step < steps {
            if self.interrupter.should_stop() {
                self.save(&model, &optimizer, state)?;
                return Ok(SupervisedResult { model, interrupted: true, final_loss: state.recent_loss });
            }
            let epoch = state.step / per_epoch;
            if order.0 != epoch {
                order = (epoch, shuffled(source.rows(), config.seed, epoch));
            }
            let start = (state.step % per_epoch) as usize * config.minibatch;
            let rows = &order.1[start..(start + config.minibatch).min(order.1.len())];
            let (loss, mut gradients) = self.gradients(&model, source, rows, state.step, device);
            let norm = clip_grad_norm(&mut gradients, &model, config.max_grad_norm).into_scalar::<f64>();
            if !(loss.is_finite() && norm.is_finite()) {
                return Err(SupervisedError::NonFinite { step: state.step + 1, loss });
            }
            let learning_rate = self.learning_rate(state.step);
            model = optimizer.step(learning_rate, model, gradients);
            state.step += 1;
            let weight = (10.0 / steps as f64).clamp(0.01, 1.0);
            state.recent_loss =
                if state.step == 1 { loss } else { state.recent_loss + weight * (loss - state.recent_loss) };
            (self.progress)(SupervisedProgress { step: state.step, steps, loss, learning_rate, gradient_norm: norm });
            if state.step.is_multiple_of(config.checkpoint_every.max(1)) && state.step < steps {
                self.save(&model, &optimizer, state)?;
            }
        }
        Ok(SupervisedResult { model, interrupted: false, final_loss: state.recent_loss })
    }

    fn check(&self, rows: usize) -> Result<(), SupervisedError> {
        let config = &self.config;
        if rows == 0 {
            return Err(SupervisedError::Empty);
        }
        for (name, value) in
            [("epochs", config.epochs), ("minibatch", config.minibatch), ("microbatch", config.microbatch)]
        {
            if value == 0 {
                return Err(SupervisedError::ZeroSize { name });
            }
        }
        match config.minibatch.is_multiple_of(config.microbatch) {
            true => Ok(()),
            false => Err(SupervisedError::Microbatch { minibatch: config.minibatch, microbatch: config.microbatch }),
        }
    }

    fn learning_rate(&self, step: u64) -> f64 {
        let warmup = self.config.warmup;
        let rise = if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 };
        rise * self.config.schedule.value(self.config.learning_rate, step)
    }

    fn gradients<M: Module>(
        &self,
        model: &M,
        source: &impl SupervisedSource<M>,
        rows: &[usize],
        step: u64,
        device: &Device,
    ) -> (f64, GradientsParams) {
        let weight = source.weight(rows).max(1.0);
        let mut accumulator = GradientsAccumulator::new();
        let mut total = 0.0;
        for (index, rows) in rows.chunks(self.config.microbatch).enumerate() {
            let mut stream = Streams::new(self.config.seed).stream(Purpose::Data, step, index as u64);
            let loss = source.loss(model, rows, &mut stream, device) / weight;
            total += loss.clone().detach().into_scalar::<f64>();
            accumulator.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
        }
        (total, accumulator.grads())
    }

    fn save<M: Module>(&self, model: &M, optimizer: &ModuleOptimizer, state: State) -> Result<(), SupervisedError> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        checkpoints.save(state.step, |folder| {
            let parts = Parts(folder);
            parts.save_module(MODEL, model)?;
            parts.save_optimizer(OPTIMIZER, optimizer)?;
            parts.save_json(STATE, &state)
        })?;
        Ok(())
    }

    fn resume<M: Module>(
        &self,
        model: M,
        optimizer: ModuleOptimizer,
    ) -> Result<(M, ModuleOptimizer, State), SupervisedError> {
        let start = State { step: 0, recent_loss: f64::NAN };
        let Some(checkpoints) = &self.checkpoints else { return Ok((model, optimizer, start)) };
        let Some(found) = checkpoints.latest()? else { return Ok((model, optimizer, start)) };
        let parts = Parts(&found.path);
        let model = parts.load_module(MODEL, model)?;
        let optimizer = parts.load_optimizer(OPTIMIZER, optimizer)?;
        let state = parts.load_json(STATE)?;
        Ok((model, optimizer, state))
    }
}

fn shuffled(rows: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut Streams::new(seed).stream(Purpose::Shuffle, epoch, 0));
    order
}
