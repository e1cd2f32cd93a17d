use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use burn::{
    rl::{EnvironmentInit, PolicyLearner, ToAction, ToObservation},
    tensor::Device,
    train::{
        Interrupter, RLComponents, RLComponentsMarker, RLEventProcessorType, RLStrategy, TrainingError,
        train::WorkerFailure,
    },
};

use super::{AgentPolicy, OnPolicyAgent, PolicyAction, PolicyObservation, StrategyError, events::Events};
use crate::{
    environment::{
        EnvironmentError, VectorEnvironment,
        burn_rl::{FlatEnvironment, FromBurn},
        wrapper::TimeLimit,
    },
    policy::{ActorCritic, ControlPolicy},
    training::{
        CheckpointConfig, ControlConfig, ControlError, ControlEvaluation, ControlReport, ControlResult, ControlTraining,
    },
};

/// A2C, PPO and their symmetric relatives as a strategy of [`RLTraining`](burn::train::RLTraining).
///
/// It is [`ControlTraining`] in environments of Burn's: the same configuration gives the same numbers, byte for byte in
/// the environments of this crate whose rewards are exact in f32. Returns are sums of what passes through Burn: rewards
/// of f32, and an end for each life of an Atari game. A time limit can only be shorter than the task's own.
///
/// Burn's events are one `TrainStep` and one `EnvStep` an iteration, one `EpisodeEnd` an episode, and those of
/// evaluations.
///
/// Checkpoints are its own, not Burn's ([`directory`](Self::directory)), and rollouts run on the device of the agent.
pub struct OnPolicyStrategy {
    config: ControlConfig,
    directory: Option<PathBuf>,
    checkpoints: Option<CheckpointConfig>,
    resume: bool,
    text: String,
    outcome: Mutex<Option<Result<Outcome, StrategyError>>>,
}

/// What a training by the strategy leaves, besides the policy that Burn gives back.
#[derive(Debug)]
pub struct Outcome {
    /// Environment steps since the run began.
    pub steps: u64,
    /// Whether it was interrupted before its end.
    pub interrupted: bool,
    /// The last iteration's report, if there was one.
    pub last: Option<ControlReport>,
    /// All evaluations of this process, in order.
    pub evaluations: Vec<ControlEvaluation>,
}

impl OnPolicyStrategy {
    /// Environments, evaluation and seed are those of `config`, as is what [`agent`](Self::agent) learns by. The number
    /// of steps is [`RLTraining::num_steps`](burn::train::RLTraining::num_steps), and the environment's name has no
    /// part in this.
    pub fn new(config: ControlConfig) -> Self {
        Self {
            text: config.text().unwrap_or_default(),
            config,
            directory: None,
            checkpoints: None,
            resume: false,
            outcome: Mutex::new(None),
        }
    }

    /// Where the files of the run go; not the folder of Burn's own logs.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Writes checkpoints into the directory.
    pub fn with_checkpoints(mut self, config: CheckpointConfig) -> Self {
        self.checkpoints = Some(config);
        self
    }

    /// Goes on from the newest whole checkpoint in the directory; from the start if there is none.
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Text for `config.toml` in the directory, instead of that of the configuration.
    pub fn config_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// An agent with a new policy for what `init` makes.
    ///
    /// # Errors
    /// If environment, policy and algorithm do not fit together.
    pub fn agent<E: FlatEnvironment + Send + 'static>(
        &self,
        init: &impl EnvironmentInit<E>,
        device: &Device,
    ) -> Result<OnPolicyAgent<ControlPolicy>, ControlError> {
        let environment = self.config.wrap_for_evaluation(self.environments(1, init.clone())?)?;
        let policy = self.config.policy(environment.as_ref(), &device.clone().autodiff())?;
        OnPolicyAgent::new(self.config.learner(policy), environment.spec().action_space.clone())
    }

    /// What the last training left, or why it failed. It is handed over once.
    ///
    /// # Errors
    /// If training failed, or there was none.
    pub fn outcome(&self) -> Result<Outcome, StrategyError> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.take().unwrap_or(Err(StrategyError::NotLaunched))
    }

    fn environments<E: FlatEnvironment + Send + 'static>(
        &self,
        num_envs: usize,
        init: impl EnvironmentInit<E>,
    ) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        let environments = FromBurn::new(num_envs, init)?;
        Ok(match self.config.environment.max_steps {
            Some(limit) => Box::new(TimeLimit::new(environments, limit)?),
            None => Box::new(environments),
        })
    }

    /// The training that this strategy is, up to what comes from Burn.
    fn training<E: FlatEnvironment + Send + 'static>(
        &self,
        init: impl EnvironmentInit<E>,
    ) -> Result<ControlTraining<'static>, EnvironmentError> {
        let config = &self.config;
        let environment = self.environments(config.environment.num_envs, init.clone())?;
        let mut training = ControlTraining::new(config.wrap_for_training(environment)?).config_text(&self.text);
        if config.evaluation.every > 0 {
            let environment = self.environments(config.evaluation.num_envs, init)?;
            training = training.evaluation(config.wrap_for_evaluation(environment)?, config.evaluation.build());
        }
        if let Some(directory) = &self.directory {
            training = training.directory(directory);
        }
        if let Some(checkpoints) = self.checkpoints {
            training = training.with_checkpoints(checkpoints);
        }
        Ok(if self.resume { training.resume() } else { training })
    }
}

impl<E, I, M> RLStrategy<RLComponentsMarker<E, I, OnPolicyAgent<M>>> for OnPolicyStrategy
where
    E: FlatEnvironment + Send + 'static,
    E::State: ToObservation<PolicyObservation> + Clone + Send + 'static,
    E::Action: From<PolicyAction> + ToAction<PolicyAction> + Clone + Send + 'static,
    I: EnvironmentInit<E> + Send + 'static,
    M: ActorCritic + 'static,
{
    fn train_loop(
        &self,
        components: RLComponents<RLComponentsMarker<E, I, OnPolicyAgent<M>>>,
        agent: &mut OnPolicyAgent<M>,
        _starting_epoch: usize,
        init: I,
    ) -> (AgentPolicy<M>, RLEventProcessorType<RLComponentsMarker<E, I, OnPolicyAgent<M>>>) {
        let RLComponents { num_steps, checkpoint, checkpointer, interrupter, mut event_processor, .. } = components;
        let events = Events { processor: &mut event_processor, interrupter: interrupter.clone() };
        let train = || -> Result<ControlResult<M>, StrategyError> {
            if checkpointer.is_some() {
                return Err(StrategyError::Checkpointer);
            }
            if let Some(step) = checkpoint {
                return Err(StrategyError::Checkpoint { step });
            }
            let learner = agent.take_learner().ok_or(StrategyError::AgentUsed)?;
            let training = self.training(init).map_err(ControlError::from)?;
            let training = training.total_steps(num_steps as u64).with_interrupter(interrupter.clone());
            Ok(training.observer(events).launch(learner)?)
        };
        let outcome = train().map(|result| {
            agent.trained(&result.model, result.environment.normalizer().cloned());
            let ControlResult { steps, interrupted, last, evaluations, .. } = result;
            Outcome { steps, interrupted, last, evaluations }
        });
        if let Err(error) = &outcome {
            fail(&interrupter, error);
        }
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        (agent.policy(), event_processor)
    }
}

/// Tells Burn. Its errors have no variant for what can go wrong here, so that it gets the words;
/// [`OnPolicyStrategy::outcome`] has the error itself.
fn fail(interrupter: &Interrupter, error: &StrategyError) {
    interrupter.fail(TrainingError::Workers(vec![WorkerFailure { device_id: 0, message: error.to_string() }]));
}
