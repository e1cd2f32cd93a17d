//! What is refused, and what an environment or a module of somebody's own may do wrong.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use super::*;
use crate::{
    distribution::{ActionDistribution, Categorical},
    environment::{
        Actions, End, EnvironmentError, EnvironmentSpec, Episode, MakeOptions, Observations, Step, VectorEnvironment,
        make,
        wrapper::{NormalizerConfig, VecNormalize},
    },
    loss::Algorithm,
    policy::ActorCritic,
    rollout::CollectError,
};

/// What is wrong with [`Odd`].
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// No episode is ever reported.
    Silent,
    /// A reward is missing.
    Reward,
    /// An observation is missing at the first step.
    Observation,
}

/// Cart poles that note how they are reset.
struct Odd {
    inner: Box<dyn VectorEnvironment>,
    fault: Fault,
    seeds: Arc<Mutex<Vec<Option<u64>>>>,
}

/// Ends of two environments, of which nothing is told.
const ENDED: [Option<End>; 2] = [Some(End::Terminated); 2];
const UNTOLD: [Option<Episode>; 2] = [None; 2];

impl Odd {
    fn new(fault: Fault) -> (Self, Arc<Mutex<Vec<Option<u64>>>>) {
        let seeds = Arc::new(Mutex::new(Vec::new()));
        (Self { inner: cart_poles(2), fault, seeds: seeds.clone() }, seeds)
    }
}

impl VectorEnvironment for Odd {
    fn spec(&self) -> &EnvironmentSpec {
        self.inner.spec()
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        self.seeds.lock().unwrap().push(seed);
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        Ok(match (self.fault, step.observations) {
            (Fault::None, _) => step,
            (Fault::Silent, _) => Step { ends: &ENDED, episodes: &UNTOLD, ..step },
            (Fault::Reward, _) => Step { rewards: &step.rewards[1..], ..step },
            (Fault::Observation, Observations::F32(numbers)) => {
                Step { observations: Observations::F32(&numbers[1..]), ..step }
            }
            (Fault::Observation, _) => unreachable!("cart poles show f32"),
        })
    }
}

/// Gives as many values as it was made with, and no mind to how many environments there are.
#[derive(Module, Debug)]
struct Careless {
    logits: Param<Tensor<2>>,
    values: usize,
}

impl Careless {
    fn new(rows: usize, values: usize) -> Self {
        let logits = Tensor::zeros([rows, 2], &Device::flex().autodiff());
        Self { logits: Param::from_tensor(logits), values }
    }
}

impl ActorCritic for Careless {
    fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>) {
        (ActionDistribution::Categorical(Categorical::new(self.logits.val())), ActorCritic::value(self, observations))
    }

    fn value(&self, observations: Tensor<2>) -> Tensor<1> {
        Tensor::zeros([self.values], &observations.device())
    }
}

fn cart_poles(count: usize) -> Box<dyn VectorEnvironment> {
    make("CartPole-v1", &MakeOptions::new(count)).unwrap()
}

fn config(num_envs: usize) -> ControlConfig {
    let mut config = ControlConfig::default();
    (config.environment.num_envs, config.update.rollout_steps, config.update.minibatch) = (num_envs, 16, Some(16));
    config
}

fn learner(
    config: &ControlConfig,
    environment: &dyn VectorEnvironment,
) -> ControlLearner<crate::policy::ControlPolicy> {
    config.learner(config.policy(environment, &Device::flex().autodiff()).unwrap())
}

fn launch(training: ControlTraining<'static>) -> Result<(), ControlError> {
    let config = config(2);
    let learner = learner(&config, cart_poles(2).as_ref());
    training.total_steps(64).launch(learner).map(|_| ())
}

fn with_module(module: Careless) -> Result<(), ControlError> {
    let result = ControlTraining::new(cart_poles(2)).total_steps(32).launch(config(2).learner(module));
    result.map(|_| ())
}

#[test]
fn an_environment_that_gives_too_little_is_an_error() {
    for (fault, part) in [(Fault::Reward, "rewards"), (Fault::Observation, "observation")] {
        let error = launch(ControlTraining::new(Box::new(Odd::new(fault).0))).unwrap_err();
        let ControlError::Environment(EnvironmentError::Count { what, .. }) = error else { panic!("{error}") };
        assert_eq!(what, part);
    }
}

#[test]
fn a_module_that_gives_too_little_is_an_error() {
    let error = with_module(Careless::new(3, 2)).unwrap_err();
    assert!(matches!(error, ControlError::Collect(CollectError::Distribution(_))), "{error}");
    let error = with_module(Careless::new(2, 1)).unwrap_err();
    assert!(matches!(error, ControlError::Collect(CollectError::Shape { what: "values", .. })), "{error}");
}

#[test]
fn an_evaluation_of_episodes_that_are_never_told_ends() {
    let evaluation = EvaluationConfig { every: 16, episodes: 2, deterministic: false };
    let training = ControlTraining::new(cart_poles(2)).evaluation(Box::new(Odd::new(Fault::Silent).0), evaluation);
    let error = launch(training).unwrap_err();
    assert!(matches!(&error, ControlError::NoEpisodes { environment } if environment == "CartPole-v1"), "{error}");
}

#[test]
fn no_two_evaluations_begin_alike_and_none_like_training() {
    let evaluation = EvaluationConfig { every: 16, episodes: 2, deterministic: false };
    let (environment, seeds) = Odd::new(Fault::None);
    launch(ControlTraining::new(cart_poles(2)).evaluation(Box::new(environment), evaluation)).unwrap();
    let seeds = seeds.lock().unwrap().clone();
    let [first, second] = seeds[..] else { panic!("two evaluations: {seeds:?}") };
    assert!(first.is_some() && second.is_some() && first != second && first != Some(config(2).seed), "{seeds:?}");
}

#[test]
fn observations_are_normalised_in_training_and_evaluation_or_in_neither() {
    let evaluation = EvaluationConfig { every: 16, episodes: 2, deterministic: false };
    let normalised = || Box::new(VecNormalize::new(cart_poles(2), NormalizerConfig::new()).unwrap());
    let error = launch(ControlTraining::new(normalised()).evaluation(cart_poles(1), evaluation)).unwrap_err();
    assert!(matches!(error, ControlError::Normalizer { evaluation: "has no", training: "has a" }), "{error}");
    let error = launch(ControlTraining::new(cart_poles(2)).evaluation(normalised(), evaluation)).unwrap_err();
    assert!(matches!(error, ControlError::Normalizer { evaluation: "has a", training: "has no" }), "{error}");
}

#[test]
fn a_single_sample_and_a_module_without_parameters_are_refused() {
    let mut single = config(1);
    single.update.rollout_steps = 1;
    let learner = learner(&single, cart_poles(1).as_ref());
    let error = ControlTraining::new(cart_poles(1)).total_steps(8).launch(learner).map(|_| ()).unwrap_err();
    assert!(matches!(error, ControlError::SingleSample), "{error}");

    #[derive(Module, Debug)]
    struct Nothing {
        count: usize,
    }
    impl ActorCritic for Nothing {
        fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>) {
            let logits = Tensor::zeros([self.count, 2], &observations.device());
            (ActionDistribution::Categorical(Categorical::new(logits)), ActorCritic::value(self, observations))
        }

        fn value(&self, observations: Tensor<2>) -> Tensor<1> {
            Tensor::zeros([self.count], &observations.device())
        }
    }
    let learner = config(2).learner(Nothing { count: 2 });
    let error = ControlTraining::new(cart_poles(2)).total_steps(32).launch(learner).map(|_| ()).unwrap_err();
    assert!(matches!(error, ControlError::NoParameters), "{error}");
}

#[test]
fn a_training_goes_on_with_what_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let start = |config: &ControlConfig, environment: Box<dyn VectorEnvironment>, path: &Path, resume: bool| {
        let learner = learner(config, environment.as_ref());
        let mut training = ControlTraining::new(environment).total_steps(if resume { 64 } else { 32 }).directory(path);
        training = training.with_checkpoints(CheckpointConfig::default());
        if resume {
            training = training.resume();
        }
        training.launch(learner).map(|_| ())
    };
    let path = folder.path().join("run");
    start(&config(2), cart_poles(2), &path, false).unwrap();
    let other_seed = ControlConfig { seed: 43, ..config(2) };
    let normalised = Box::new(VecNormalize::new(cart_poles(2), NormalizerConfig::new()).unwrap());
    for (what, result) in [
        ("seed", start(&other_seed, cart_poles(2), &path, true)),
        ("num_envs", start(&config(4), cart_poles(4), &path, true)),
        ("observations", start(&config(2), normalised, &path, true)),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, ControlError::OtherSetting { what: found, .. } if found == what), "{error}");
    }
    start(&config(2), cart_poles(2), &path, true).unwrap();
}

#[test]
fn what_is_refused_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut gaussian = config(2);
    gaussian.environment.id = "Pendulum-v1".into();
    let pendulum = || make("Pendulum-v1", &MakeOptions::new(2)).unwrap();
    let mut learner = learner(&gaussian, pendulum().as_ref());
    learner.update.policy_loss.algorithm = Algorithm::Sppo;
    let path = folder.path().join("run");
    let result = ControlTraining::new(pendulum()).total_steps(32).directory(&path).launch(learner);
    assert!(matches!(result.map(|_| ()), Err(ControlError::Distribution(_))));
    assert!(!path.exists(), "a second try must find the place free");
}
