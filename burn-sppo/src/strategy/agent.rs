use burn::{
    rl::{LearnerTransitionBatch, PolicyLearner, RLTrainOutput},
    store::ModuleRecord,
    tensor::Device,
};

use super::{AgentPolicy, AgentState};
use crate::{
    environment::{ActionSpace, wrapper::Normalizer},
    policy::ActorCritic,
    training::{ControlError, ControlLearner, ControlReport},
};

/// What [`OnPolicyStrategy`](super::OnPolicyStrategy) trains: an actor-critic and how it learns, as Burn's
/// [`PolicyLearner`].
///
/// Its record, as Burn's, holds the weights alone; the strategy's own checkpoints hold everything.
pub struct OnPolicyAgent<M> {
    /// Gone into the training once that has begun.
    learner: Option<ControlLearner<M>>,
    policy: AgentPolicy<M>,
    device: Device,
}

impl<M: ActorCritic + 'static> OnPolicyAgent<M> {
    /// An agent for environments with the given actions; its module is on a training device.
    ///
    /// # Errors
    /// If the module has no parameters.
    pub fn new(learner: ControlLearner<M>, space: ActionSpace) -> Result<Self, ControlError> {
        let device = learner.policy.devices().into_iter().next().ok_or(ControlError::NoParameters)?;
        let policy = AgentPolicy::new(learner.policy.valid(), None, space, learner.seed);
        Ok(Self { learner: Some(learner), policy, device })
    }

    pub(super) fn take_learner(&mut self) -> Option<ControlLearner<M>> {
        self.learner.take()
    }

    pub(super) fn trained(&mut self, module: &M, normalizer: Option<Normalizer>) {
        burn::rl::Policy::update(&mut self.policy, AgentState::new(module.valid(), normalizer));
    }
}

impl<M: ActorCritic + 'static> PolicyLearner for OnPolicyAgent<M> {
    type TrainContext = ControlReport;
    type InnerPolicy = AgentPolicy<M>;
    type Record = ModuleRecord;

    /// # Panics
    /// Always: single transitions, such as a replay buffer gives, are nothing that it could learn from.
    fn train(&mut self, _input: LearnerTransitionBatch<AgentPolicy<M>>) -> RLTrainOutput<ControlReport, AgentState<M>> {
        panic!("an on-policy agent learns from whole rollouts: launch `RLTraining` with an `OnPolicyStrategy`")
    }

    fn policy(&self) -> AgentPolicy<M> {
        self.policy.clone()
    }

    fn update_policy(&mut self, update: AgentPolicy<M>) {
        if let Some(learner) = &mut self.learner {
            learner.policy = update.module().clone().to_device(&self.device).train();
        }
        self.policy = update;
    }

    fn record(&self) -> ModuleRecord {
        self.policy.module().clone().into_record()
    }

    fn load_record(mut self, record: ModuleRecord) -> Self {
        let policy = burn::rl::Policy::load_record(self.policy.clone(), record);
        self.update_policy(policy);
        self
    }

    fn device(&self) -> Device {
        self.device.clone()
    }
}
