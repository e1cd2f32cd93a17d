use std::path::PathBuf;

use burn::train::{Interrupter, renderer::MetricsRenderer};

use super::{
    CheckpointConfig, Evaluation, EvaluationReport, IterationReport, MetricRegistration, Observer, RegisteredMetrics,
    RlhfLearner, TrainError, iteration::Session,
};
use crate::{
    policy::TokenPolicy,
    reward::Reward,
    rollout::{PromptSource, TextDecoder},
};

/// What training leaves.
pub struct RlhfResult<P> {
    /// The trained policy, on its training device.
    pub model: P,
    /// Iterations done since the run began.
    pub iterations: u64,
    /// Whether it was interrupted before its end.
    pub interrupted: bool,
    /// The last iteration's report, if there was one.
    pub last: Option<IterationReport>,
    /// All evaluations of this process, in order.
    pub evaluations: Vec<EvaluationReport>,
}

/// Trains a language model from rewards.
///
/// ```no_run
/// # use burn_rlhf_tasks::{policy::LanguageActorCritic, reward::Response, rollout::{PromptSource, TextDecoder}};
/// # use burn_rlhf_tasks::training::{RlhfLearner, RlhfTraining, TrainError};
/// # fn example(
/// #     prompts: PromptSource, decoder: TextDecoder, learner: RlhfLearner<LanguageActorCritic>,
/// # ) -> Result<(), TrainError> {
/// let result = RlhfTraining::new("outputs/short", prompts, decoder)
///     .reward(|responses: &[Response]| {
///         Ok(responses.iter().map(|response| -(response.response_tokens.len() as f32)).collect::<Vec<_>>())
///     })
///     .with_checkpointer()
///     .num_iterations(20)
///     .launch(learner)?;
/// println!("{} iterations", result.iterations);
/// # Ok(())
/// # }
/// ```
pub struct RlhfTraining<'a> {
    pub(super) directory: Option<PathBuf>,
    pub(super) prompts: PromptSource,
    pub(super) decoder: TextDecoder,
    pub(super) reward: Option<Box<dyn Reward + 'a>>,
    pub(super) metrics: RegisteredMetrics,
    pub(super) renderer: Option<Box<dyn MetricsRenderer>>,
    pub(super) observers: Vec<Box<dyn Observer + 'a>>,
    pub(super) checkpoints: Option<CheckpointConfig>,
    pub(super) resume: bool,
    pub(super) interrupter: Interrupter,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) num_iterations: u64,
    pub(super) config: String,
}

impl<'a> RlhfTraining<'a> {
    /// Training whose files go to `directory`, on these prompts. `decoder` turns tokens into the texts that rewards
    /// and judges see.
    pub fn new(directory: impl Into<PathBuf>, prompts: PromptSource, decoder: TextDecoder) -> Self {
        Self { directory: Some(directory.into()), ..Self::without_directory(prompts, decoder) }
    }

    /// Training that writes nothing.
    pub fn without_directory(prompts: PromptSource, decoder: TextDecoder) -> Self {
        Self {
            directory: None,
            prompts,
            decoder,
            reward: None,
            metrics: RegisteredMetrics::default(),
            renderer: None,
            observers: Vec::new(),
            checkpoints: None,
            resume: false,
            interrupter: Interrupter::new(),
            evaluations: Vec::new(),
            num_iterations: 0,
            config: String::new(),
        }
    }

    /// What responses are worth: a closure, a model or a metric.
    pub fn reward(mut self, reward: impl Reward + 'a) -> Self {
        self.reward = Some(Box::new(reward));
        self
    }

    /// Metrics that the renderer shows: one in a tuple, several, or [`ReportMetric::headline`](super::ReportMetric).
    pub fn metrics_train<M: MetricRegistration>(mut self, metrics: M) -> Self {
        metrics.register(&mut self.metrics);
        self
    }

    /// Shows progress and metrics, for example with `burn::train::renderer::default_renderer`. Without one, nothing is
    /// shown.
    pub fn renderer(mut self, renderer: Box<dyn MetricsRenderer>) -> Self {
        self.renderer = Some(renderer);
        self
    }

    /// Adds one who hears of every iteration.
    pub fn observer(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Writes checkpoints every ten iterations and at the end.
    pub fn with_checkpointer(self) -> Self {
        self.with_checkpoints(CheckpointConfig::default())
    }

    /// Writes checkpoints as `config` says.
    pub fn with_checkpoints(mut self, config: CheckpointConfig) -> Self {
        self.checkpoints = Some(config);
        self
    }

    /// Goes on from the newest whole checkpoint in the directory; from the start if there is none.
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Stops between two iterations when asked, after writing a checkpoint.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.interrupter = interrupter;
        self
    }

    /// Measures the policy on other prompts while it trains; may be called for several splits.
    pub fn evaluation(mut self, evaluation: Evaluation) -> Self {
        self.evaluations.push(evaluation);
        self
    }

    /// Rollouts to make and train on, those before a resume included.
    pub fn num_iterations(mut self, iterations: u64) -> Self {
        self.num_iterations = iterations;
        self
    }

    /// Text for `config.toml` in the directory.
    pub fn config_text(mut self, text: impl Into<String>) -> Self {
        self.config = text.into();
        self
    }

    /// Trains.
    ///
    /// # Errors
    /// If the settings do not fit together, if a reward, a file or a health check fails. Checkpoints written before
    /// stay.
    pub fn launch<P: TokenPolicy>(self, learner: RlhfLearner<P>) -> Result<RlhfResult<P>, TrainError> {
        Session::open(self, learner)?.run()
    }
}
