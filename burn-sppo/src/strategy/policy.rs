use burn::{
    rl::{Batchable, Policy, PolicyState},
    store::ModuleRecord,
    tensor::{Device, Tensor, TensorData},
};

use super::{PolicyAction, PolicyObservation};
use crate::{
    distribution::ActionDistribution,
    environment::{ActionSpace, Observations, wrapper::Normalizer},
    policy::{ActionBuffer, ActorCritic},
    run::{Purpose, Stream, Streams},
};

/// An actor-critic as Burn's [`Policy`]: it acts in environments of Burn's.
///
/// It normalises what it observes as its training did. Frames that were stacked and actions that were discretised are
/// beyond it: there, take [`module`](Self::module) and the environments of
/// [`ControlConfig::wrap_for_evaluation`](crate::training::ControlConfig::wrap_for_evaluation).
#[derive(Clone, Debug)]
pub struct AgentPolicy<M> {
    state: AgentState<M>,
    space: ActionSpace,
    streams: Streams,
    /// Batches that actions have been drawn for.
    draws: u64,
}

/// What changes in an [`AgentPolicy`] as it learns. Only the weights are part of its record.
#[derive(Clone, Debug)]
pub struct AgentState<M> {
    module: M,
    normalizer: Option<Normalizer>,
}

/// The distributions of actions of several rows, each by itself.
#[derive(Clone, Debug)]
pub struct RowDistributions(pub Vec<ActionDistribution>);

impl<M> AgentState<M> {
    pub fn new(module: M, normalizer: Option<Normalizer>) -> Self {
        Self { module, normalizer }
    }
}

impl<M: ActorCritic> AgentPolicy<M> {
    /// `module` acts in environments with the given actions; what it draws comes from `seed`.
    pub fn new(module: M, normalizer: Option<Normalizer>, space: ActionSpace, seed: u64) -> Self {
        Self { state: AgentState::new(module, normalizer), space, streams: Streams::new(seed), draws: 0 }
    }

    pub fn module(&self) -> &M {
        &self.state.module
    }

    /// What brings observations to the scale that the module knows, if anything does.
    pub fn normalizer(&self) -> Option<&Normalizer> {
        self.state.normalizer.as_ref()
    }

    fn normalized(&self, observations: Tensor<2>) -> Tensor<2> {
        let Some(normalizer) = &self.state.normalizer else { return observations };
        let ([rows, width], device) = (observations.dims(), observations.device());
        let raw: Vec<f32> = observations.into_data().iter::<f32>().collect();
        let mut scaled = vec![0.0; raw.len()];
        for (row, output) in scaled.chunks_exact_mut(width).enumerate() {
            normalizer.normalize_observation(Observations::F32(&raw), row * width, output);
        }
        Tensor::from_data(TensorData::new(scaled, [rows, width]), &device)
    }
}

impl<M: ActorCritic + 'static> Policy for AgentPolicy<M> {
    type Observation = PolicyObservation;
    type ActionDistribution = RowDistributions;
    type Action = PolicyAction;
    type ActionContext = ();
    type PolicyState = AgentState<M>;

    fn forward(&mut self, observations: PolicyObservation) -> RowDistributions {
        let rows = self.normalized(observations.0).split(1, 0);
        RowDistributions(rows.into_iter().map(|row| self.state.module.distribution(row)).collect())
    }

    fn action(&mut self, observations: PolicyObservation, deterministic: bool) -> (PolicyAction, Vec<()>) {
        let (rows, device) = (observations.0.dims()[0], observations.0.device());
        let distribution = self.state.module.distribution(self.normalized(observations.0));
        let drawn = if deterministic {
            distribution.mode()
        } else {
            let mut lanes: Vec<Stream> =
                (0..rows as u64).map(|lane| self.streams.stream(Purpose::Evaluation, self.draws, lane)).collect();
            self.draws += 1;
            distribution.sample(&mut lanes).expect("there is a stream for each row")
        };
        let drawn: Vec<f32> = drawn.into_data().iter::<f32>().collect();
        let taken = ActionBuffer::default().fill(&drawn, distribution.execution(), &self.space).to_f32();
        let width = self.space.width();
        (PolicyAction(Tensor::from_data(TensorData::new(taken, [rows, width]), &device)), vec![(); rows])
    }

    fn update(&mut self, update: AgentState<M>) {
        self.state = update;
    }

    fn state(&self) -> AgentState<M> {
        self.state.clone()
    }

    fn to_device(self, device: &Device) -> Self {
        let AgentState { module, normalizer } = self.state;
        Self { state: AgentState { module: module.to_device(device), normalizer }, ..self }
    }

    fn load_record(self, record: ModuleRecord) -> Self {
        Self { state: self.state.load_record(record), ..self }
    }
}

impl<M: ActorCritic> PolicyState for AgentState<M> {
    type Record = ModuleRecord;

    fn into_record(self) -> ModuleRecord {
        self.module.into_record()
    }

    fn load_record(&self, record: ModuleRecord) -> Self {
        Self { module: self.module.clone().load_record(record), normalizer: self.normalizer.clone() }
    }
}

impl Batchable for RowDistributions {
    fn batch(rows: Vec<Self>) -> Self {
        Self(rows.into_iter().flat_map(|row| row.0).collect())
    }

    fn unbatch(self) -> Vec<Self> {
        self.0.into_iter().map(|row| Self(vec![row])).collect()
    }
}
