use std::path::Path;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use burn::{
    rl::{Environment, EnvironmentInit, Policy, PolicyLearner, StepResult, ToAction, ToObservation},
    tensor::{Device, Tensor},
    train::{
        Interrupter, RLComponentsMarker, RLResult, RLStrategies, RLTraining,
        metric::{CumulativeRewardMetric, EpisodeLengthMetric},
    },
};

use super::*;
use crate::{
    environment::{
        ActionSpace, Actions, EnvironmentError, MakeOptions, Observations, TaskSpec,
        burn_rl::{FlatAction, FlatEnvironment, FlatState, ToBurn},
        make,
    },
    policy::{ActorCritic, ControlPolicy},
    training::{CheckpointConfig, ControlConfig, ControlError, EnvironmentSection, EvaluationSection, UpdateSection},
};

fn cart_pole() -> ToBurn {
    ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), 5).unwrap()
}

/// PPO with the settings for CartPole of rl-baselines3-zoo, less the schedules.
fn config() -> ControlConfig {
    ControlConfig {
        seed: 1,
        environment: EnvironmentSection { num_envs: 8, ..EnvironmentSection::default() },
        update: UpdateSection {
            rollout_steps: 32,
            minibatch: Some(256),
            epochs: 20,
            learning_rate: 1e-3,
            gamma: 0.98,
            gae_lambda: 0.8,
            ..UpdateSection::default()
        },
        evaluation: EvaluationSection { every: 0, ..EvaluationSection::default() },
        ..ControlConfig::default()
    }
}

type Training<E, I> = RLTraining<RLComponentsMarker<E, I, OnPolicyAgent<ControlPolicy>>>;
type Launched = (RLResult<AgentPolicy<ControlPolicy>>, Result<Outcome, StrategyError>);

fn launch<E, I>(
    strategy: OnPolicyStrategy,
    init: I,
    logs: &Path,
    change: impl FnOnce(Training<E, I>) -> Training<E, I>,
) -> Launched
where
    E: FlatEnvironment + Send + 'static,
    E::State: ToObservation<PolicyObservation> + Clone + Send + 'static,
    E::Action: From<PolicyAction> + ToAction<PolicyAction> + Clone + Send + 'static,
    I: EnvironmentInit<E> + Send + 'static,
{
    let strategy = Arc::new(strategy);
    let agent = strategy.agent(&init, &Device::flex()).unwrap();
    let training = RLTraining::new(logs, init)
        .metrics_train(ReportMetric::usual())
        .metrics_episode((CumulativeRewardMetric::new(), EpisodeLengthMetric::new()))
        .with_application_logger(None)
        .with_learning_strategy(RLStrategies::Custom(strategy.clone()));
    let result = change(training).launch(agent);
    (result, strategy.outcome())
}

#[test]
fn cart_pole_is_learnt_inside_of_burns_training() {
    let logs = tempfile::tempdir().unwrap();
    let (result, outcome) =
        launch(OnPolicyStrategy::new(config()), cart_pole, logs.path(), |training| training.num_steps(20_000));
    let outcome = outcome.unwrap();
    assert!(result.error.is_none() && result.interrupted.is_none() && !outcome.interrupted);
    assert_eq!(outcome.steps, 20_224, "whole rollouts of 256");
    let recent = outcome.last.unwrap().episodes.unwrap();
    assert!(recent.mean_return > 100.0, "{recent:?}");

    let lines = |name: &str| {
        let text = std::fs::read_to_string(logs.path().join("train/epoch-1").join(name)).unwrap();
        text.lines().count()
    };
    for name in ["Policy_loss", "Value_loss", "Entropy", "Approximate_KL", "Clip_fraction", "Explained_variance"] {
        assert_eq!(lines(&format!("{name}.log")), 20_224 / 256, "{name}");
    }
    assert!(lines("Cum._Reward.log") > 100 && lines("Episode_length.log") > 100);
}

#[test]
fn the_numbers_are_those_of_control_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.total_steps = 2048;
    config.environment.normalize = true;
    config.environment.noise = crate::training::NoiseName::Normal;
    config.environment.noise_value = 0.1;
    config.evaluation = EvaluationSection { every: 512, episodes: 3, deterministic: false, num_envs: 2 };
    let [direct, inside] = ["direct", "inside"].map(|name| folder.path().join(name));
    let (training, learner) = config.init(None, &Device::flex()).unwrap();
    let expected = training.directory(&direct).launch(learner).unwrap();

    let strategy = OnPolicyStrategy::new(config).directory(&inside);
    let (result, outcome) =
        launch(strategy, cart_pole, &folder.path().join("logs"), |training| training.num_steps(2048));
    assert_eq!(outcome.unwrap().evaluations, expected.evaluations);
    for name in ["metrics.jsonl", "metrics.csv", "evaluation.jsonl"] {
        let read = |run: &Path| std::fs::read_to_string(run.join(name)).unwrap();
        assert_eq!(read(&direct), read(&inside), "{name}");
        assert!(read(&direct).lines().count() >= 4, "{name}");
    }
    assert_eq!(result.policy.normalizer(), expected.environment.normalizer());
    let valid = std::fs::read_to_string(folder.path().join("logs/valid/epoch-1/Cum._Reward.log")).unwrap();
    assert_eq!(valid.lines().count(), 4 * 3);
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts, logs] = ["whole", "parts", "logs"].map(|name| folder.path().join(name));
    let strategy = |run: &Path| {
        OnPolicyStrategy::new(config()).directory(run).with_checkpoints(CheckpointConfig { every: 100_000, keep: 2 })
    };
    launch(strategy(&whole), cart_pole, &logs, |training| training.num_steps(2048)).1.unwrap();

    let interrupter = Interrupter::new();
    let steps = Arc::new(AtomicUsize::new(0));
    let (stop, count) = (interrupter.clone(), steps.clone());
    let init = move || Stopped { inner: cart_pole(), count: count.clone(), stop: stop.clone() };
    let (result, outcome) =
        launch(strategy(&parts), init, &logs, |training| training.num_steps(2048).with_interrupter(interrupter));
    let outcome = outcome.unwrap();
    assert!(outcome.interrupted && result.error.is_none(), "{:?}", result.error);
    assert_eq!(result.interrupted.unwrap().reason.as_deref(), Some("enough"));
    assert_eq!(outcome.steps, 1024, "the rollout in which it was asked to stop is finished");

    launch(strategy(&parts).resume(), cart_pole, &logs, |training| training.num_steps(2048)).1.unwrap();
    for name in ["metrics.jsonl", "metrics.csv"] {
        let read = |run: &Path| std::fs::read_to_string(run.join(name)).unwrap();
        assert_eq!(read(&whole), read(&parts), "{name}");
    }
}

/// A cart-pole that asks for a stop after 1000 steps of all of them together.
struct Stopped {
    inner: ToBurn,
    count: Arc<AtomicUsize>,
    stop: Interrupter,
}

impl Environment for Stopped {
    type State = FlatState;
    type Action = FlatAction;
    const MAX_STEPS: usize = ToBurn::MAX_STEPS;

    fn state(&self) -> FlatState {
        self.inner.state()
    }

    fn step(&mut self, action: FlatAction) -> StepResult<FlatState> {
        if self.count.fetch_add(1, Ordering::Relaxed) == 1000 {
            self.stop.stop(Some("enough"));
        }
        self.inner.step(action)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

impl FlatEnvironment for Stopped {
    fn spec(&self) -> TaskSpec {
        FlatEnvironment::spec(&self.inner)
    }

    fn write(state: &FlatState, observation: &mut [f32]) {
        ToBurn::write(state, observation);
    }

    fn action(numbers: Actions<'_>) -> FlatAction {
        ToBurn::action(numbers)
    }

    fn reseed(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.inner.reseed(seed)
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.inner.save()
    }
}

/// An environment as Burn knows them: walks to the right are paid for. It breaks after `limit` steps.
struct Walk {
    place: f32,
    steps: usize,
    limit: usize,
}

#[derive(Clone)]
struct Place(f32);

#[derive(Clone)]
struct Move(f32);

impl Environment for Walk {
    type State = Place;
    type Action = Move;
    const MAX_STEPS: usize = 8;

    fn state(&self) -> Place {
        Place(self.place)
    }

    fn step(&mut self, action: Move) -> StepResult<Place> {
        (self.place, self.steps) = (self.place + action.0, self.steps + 1);
        let next_state = Place(if self.steps > self.limit { f32::NAN } else { self.place });
        StepResult { next_state, reward: f64::from(action.0), done: false, truncated: false }
    }

    fn reset(&mut self) {
        self.place = 0.0;
    }
}

impl FlatEnvironment for Walk {
    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Walk".into(),
            observation_shape: vec![1],
            action_space: ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] },
            max_episode_steps: Some(Self::MAX_STEPS),
        }
    }

    fn write(state: &Place, observation: &mut [f32]) {
        observation[0] = state.0;
    }

    fn action(numbers: Actions<'_>) -> Move {
        Move(numbers.to_f32()[0])
    }
}

impl ToObservation<PolicyObservation> for Place {
    fn to_observation(&self, device: &Device) -> PolicyObservation {
        PolicyObservation(Tensor::from_data([[self.0]], device))
    }
}

impl From<PolicyAction> for Move {
    fn from(action: PolicyAction) -> Self {
        Self(action.values()[0])
    }
}

impl ToAction<PolicyAction> for Move {
    fn to_action(&self, device: &Device) -> PolicyAction {
        PolicyAction(Tensor::from_data([[self.0]], device))
    }
}

#[test]
fn the_policy_that_comes_back_acts_in_environments_of_burns() {
    let logs = tempfile::tempdir().unwrap();
    let mut config = config();
    config.environment.normalize = true;
    let walk = || Walk { place: 0.0, steps: 0, limit: usize::MAX };
    let (result, outcome) =
        launch(OnPolicyStrategy::new(config), walk, logs.path(), |training| training.num_steps(8192));
    assert!(outcome.unwrap().last.unwrap().episodes.unwrap().mean_return > 5.0, "8 is the most");
    let (mut policy, device) = (result.policy, Device::flex());
    let mut environment = walk();
    let mut total = 0.0;
    for _ in 0..8 {
        let (action, contexts) = policy.action(environment.state().to_observation(&device), true);
        assert_eq!(contexts.len(), 1);
        let action = Move::from(action);
        assert!((-1.0..=1.0).contains(&action.0), "what is beyond the bounds is cut off: {}", action.0);
        total += environment.step(action).reward;
    }
    assert!(total > 5.0, "{total}");

    let normalizer = policy.normalizer().unwrap();
    let mut seen = [0.0];
    normalizer.normalize_observation(Observations::F32(&[3.0]), 0, &mut seen);
    let expected = policy.module().distribution(Tensor::from_data([seen], &device)).mode().into_scalar::<f32>();
    let RowDistributions(rows) = policy.forward(Place(3.0).to_observation(&device));
    assert_eq!(rows[0].mode().into_scalar::<f32>(), expected);
}

#[test]
fn an_agent_takes_over_the_weights_of_another() {
    let strategy = |seed| OnPolicyStrategy::new(ControlConfig { seed, ..config() });
    let init = || Walk { place: 0.0, steps: 0, limit: usize::MAX };
    let [first, second] = [1, 2].map(|seed| strategy(seed).agent(&init, &Device::flex()).unwrap());
    let action = |agent: &OnPolicyAgent<ControlPolicy>| {
        agent.policy().action(Place(0.5).to_observation(&Device::flex()), true).0.values()[0]
    };
    assert_ne!(action(&first), action(&second));
    let mut policy = first.policy();
    let mut draw = || policy.action(Place(0.5).to_observation(&Device::flex()), false).0.values()[0];
    assert_ne!(draw(), draw(), "every draw is another");
    let record = first.record();
    let second = second.load_record(record);
    assert_eq!(action(&first), action(&second));
}

#[test]
fn what_goes_wrong_is_an_error_and_burn_is_told() {
    let logs = tempfile::tempdir().unwrap();
    let walk = |limit: usize| move || Walk { place: 0.0, steps: 0, limit };
    let strategy = || OnPolicyStrategy::new(config());

    let (result, outcome) = launch(strategy(), walk(40), logs.path(), |training| training.num_steps(8192));
    let error = outcome.unwrap_err();
    assert!(
        matches!(
            &error,
            StrategyError::Training(ControlError::Environment(EnvironmentError::NotFinite { id, .. })) if id == "Walk"
        ),
        "{error}"
    );
    assert!(result.error.unwrap().to_string().contains(&error.to_string()));

    let (_, outcome) = launch(strategy(), walk(40), logs.path(), |training| training.with_checkpointer().num_steps(8));
    assert!(matches!(outcome, Err(StrategyError::Checkpointer)));
    let (_, outcome) = launch(strategy(), walk(40), logs.path(), |training| training.checkpoint(3).num_steps(8));
    assert!(matches!(outcome, Err(StrategyError::Checkpoint { step: 3 })));
    let (_, outcome) = launch(strategy(), walk(40), logs.path(), |training| training.num_steps(0));
    assert!(matches!(outcome, Err(StrategyError::Training(ControlError::NoSteps))));
    assert!(matches!(strategy().outcome(), Err(StrategyError::NotLaunched)));
}
