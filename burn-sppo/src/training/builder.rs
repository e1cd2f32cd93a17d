use std::path::PathBuf;

use burn::train::Interrupter;

use super::{
    CheckpointConfig, ControlError, ControlEvaluation, ControlLearner, ControlObserver, ControlReport,
    EvaluationConfig, session::Session,
};
use crate::{environment::VectorEnvironment, policy::ActorCritic};

/// What training leaves.
pub struct ControlResult<M> {
    /// The trained policy, on its training device.
    pub model: M,
    /// Environment steps since the run began.
    pub steps: u64,
    /// Whether it was interrupted before its end.
    pub interrupted: bool,
    /// The last iteration's report, if there was one.
    pub last: Option<ControlReport>,
    /// All evaluations of this process, in order.
    pub evaluations: Vec<ControlEvaluation>,
    /// The training environments, with the statistics of their normaliser.
    pub environment: Box<dyn VectorEnvironment>,
}

/// Trains an actor-critic in environments.
///
/// Whatever implements [`ActorCritic`] can be trained, in whatever implements
/// [`VectorEnvironment`](crate::environment::VectorEnvironment).
pub struct ControlTraining<'a> {
    pub(super) environment: Box<dyn VectorEnvironment>,
    pub(super) evaluation: Option<(Box<dyn VectorEnvironment>, EvaluationConfig)>,
    pub(super) directory: Option<PathBuf>,
    pub(super) observers: Vec<Box<dyn ControlObserver + 'a>>,
    pub(super) checkpoints: Option<CheckpointConfig>,
    pub(super) resume: bool,
    pub(super) interrupter: Interrupter,
    pub(super) total_steps: u64,
    pub(super) config: String,
}

impl<'a> ControlTraining<'a> {
    /// Training in `environment` that writes nothing until it is given a directory.
    pub fn new(environment: Box<dyn VectorEnvironment>) -> Self {
        Self {
            environment,
            evaluation: None,
            directory: None,
            observers: Vec::new(),
            checkpoints: None,
            resume: false,
            interrupter: Interrupter::new(),
            total_steps: 0,
            config: String::new(),
        }
    }

    /// The environments, as they were given.
    pub fn environment(&self) -> &dyn VectorEnvironment {
        self.environment.as_ref()
    }

    /// Environment steps to take, over all environments, those before a resume included. Training ends with the first
    /// rollout that reaches them.
    pub fn total_steps(mut self, steps: u64) -> Self {
        self.total_steps = steps;
        self
    }

    /// Evaluates the policy in environments of their own.
    pub fn evaluation(mut self, environment: Box<dyn VectorEnvironment>, config: EvaluationConfig) -> Self {
        self.evaluation = Some((environment, config));
        self
    }

    /// Where files go.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Adds one who hears of every iteration.
    pub fn observer(mut self, observer: impl ControlObserver + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
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

    /// Text for `config.toml` in the directory.
    pub fn config_text(mut self, text: impl Into<String>) -> Self {
        self.config = text.into();
        self
    }

    /// Trains.
    ///
    /// # Errors
    /// If the settings do not fit together, or an environment, a file or a health check fails. Checkpoints written
    /// before stay.
    pub fn launch<M: ActorCritic>(self, learner: ControlLearner<M>) -> Result<ControlResult<M>, ControlError> {
        Session::open(self, learner)?.run()
    }
}
