use std::path::Path;

use burn::tensor::Device;

use super::*;
use crate::{
    advantage::{AdvantageKind, Gae, Normalization},
    environment::{
        ActionSpace, Choices, Continuous, Discrete, EnvironmentError, MakeOptions, NativeEnvironments,
        SingleEnvironment, StateReader, StateWriter, TaskSpec, Transition, VectorEnvironment, make,
    },
    learner::{Schedule, UpdateConfig},
    loss::{Algorithm, PolicyLossConfig, Symmetry, ValueLoss},
    optim::FusedAdamWConfig,
    policy::{ControlPolicy, PolicyConfig},
    run::{HealthConfig, Purpose, Stream, Streams},
};
use rand::RngExt;

/// Shows which action is right, one step long.
struct Identity<K> {
    space: ActionSpace,
    right: Vec<f32>,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<K> Identity<K> {
    fn new(space: ActionSpace) -> Self {
        Self { right: vec![0.0; space.width()], space, kind: std::marker::PhantomData }
    }

    fn task(&self) -> TaskSpec {
        TaskSpec {
            id: "Identity-v0".into(),
            observation_shape: vec![self.observation().len()],
            action_space: self.space.clone(),
            max_episode_steps: None,
        }
    }

    /// Choices one-hot, numbers as they are.
    fn observation(&self) -> Vec<f32> {
        let one_hot = |n: usize, right: f32| (0..n).map(move |i| f32::from(u8::from(i as f32 == right)));
        match &self.space {
            ActionSpace::Discrete { n } => one_hot(*n, self.right[0]).collect(),
            ActionSpace::MultiDiscrete { sizes } => {
                sizes.iter().zip(&self.right).flat_map(|(&n, &right)| one_hot(n, right)).collect()
            }
            _ => self.right.clone(),
        }
    }

    fn draw(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        self.right = match &self.space {
            ActionSpace::Discrete { n } => vec![stream.random_range(0..*n) as f32],
            ActionSpace::MultiDiscrete { sizes } => sizes.iter().map(|&n| stream.random_range(0..n) as f32).collect(),
            ActionSpace::MultiBinary { n } => (0..*n).map(|_| f32::from(u8::from(stream.random::<bool>()))).collect(),
            ActionSpace::Continuous { low, high } => {
                low.iter().zip(high).map(|(&low, &high)| stream.random_range(low..high)).collect()
            }
        };
        observation.copy_from_slice(&self.observation());
    }

    fn reward(&self, action: impl Iterator<Item = f32>) -> Transition {
        let reward = match &self.space {
            ActionSpace::Continuous { .. } => {
                -action.zip(&self.right).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
            }
            _ => action.zip(&self.right).filter(|(a, b)| a == *b).count() as f64 / self.right.len() as f64,
        };
        Transition { reward, terminated: true }
    }
}

macro_rules! identity {
    ($($kind:ty, $action:ident: $row:ty => $numbers:expr;)*) => {
        $(impl SingleEnvironment for Identity<$kind> {
            type Action = $kind;

            fn spec(&self) -> TaskSpec {
                self.task()
            }

            fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
                self.draw(stream, observation);
            }

            fn step(&mut self, $action: $row, _observation: &mut [f32]) -> Transition {
                self.reward($numbers)
            }
        })*
    };
}

identity! {
    Discrete, action: usize => [action as f32].into_iter();
    Choices, action: &[i64] => action.iter().map(|&choice| choice as f32);
    Continuous, action: &[f32] => action.iter().copied();
}

fn side_by_side<K: crate::environment::ActionKind>(space: ActionSpace, count: usize) -> Box<dyn VectorEnvironment>
where
    Identity<K>: SingleEnvironment,
{
    Box::new(NativeEnvironments::new(count, |_| Identity::<K>::new(space.clone())).unwrap())
}

fn learner(
    environment: &dyn VectorEnvironment,
    algorithm: Algorithm,
    rollout_steps: usize,
    minibatch: usize,
) -> ControlLearner<ControlPolicy> {
    let spec = environment.spec();
    let mut stream = Streams::new(7).stream(Purpose::Initialization, 0, 0);
    let policy = PolicyConfig::new()
        .with_hidden(vec![32])
        .init(&spec.observation_shape, &spec.action_space, &mut stream, &Device::flex().autodiff())
        .unwrap();
    let symmetry = Symmetry { alpha: 0.5, beta: 0.5, ..Symmetry::default() };
    let loss = PolicyLossConfig::new(algorithm).with_symmetry(symmetry);
    let update =
        UpdateConfig::new(loss, ValueLoss::Mse, minibatch, minibatch, Normalization::Minibatch, AdvantageKind::Normal)
            .with_epochs(if algorithm.uses_ratio() { 4 } else { 1 })
            .with_max_grad_norm(Some(0.5));
    ControlLearner {
        policy,
        optimizer: FusedAdamWConfig::new().with_epsilon(1e-5).with_weight_decay(0.0).init(),
        rollout_steps,
        resample_every: None,
        gae: Gae { gamma: 0.99, lambda: 0.95 },
        update,
        learning_rate: Schedule::Constant(5e-3),
        clip_range: Schedule::Constant(0.2),
        clip_range_vf: None,
        health: HealthConfig::default(),
        seed: 3,
    }
}

fn mean_return_after(algorithm: Algorithm, make: impl Fn(usize) -> Box<dyn VectorEnvironment>, steps: u64) -> f64 {
    let environment = make(16);
    let learner = learner(environment.as_ref(), algorithm, 16, if algorithm.uses_ratio() { 64 } else { 256 });
    mean_return_of(learner, environment, make, steps)
}

fn mean_return_of(
    learner: ControlLearner<ControlPolicy>,
    environment: Box<dyn VectorEnvironment>,
    make: impl Fn(usize) -> Box<dyn VectorEnvironment>,
    steps: u64,
) -> f64 {
    let evaluation = EvaluationConfig { every: steps, episodes: 200, deterministic: true };
    let result =
        ControlTraining::new(environment).evaluation(make(4), evaluation).total_steps(steps).launch(learner).unwrap();
    result.evaluations.last().unwrap().mean_return
}

#[test]
fn choices_are_learnt_by_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let found =
            mean_return_after(algorithm, |n| side_by_side::<Discrete>(ActionSpace::Discrete { n: 4 }, n), 15_360);
        assert!(found > 0.95, "{algorithm}: {found}");
    }
}

#[test]
fn several_choices_at_once_are_learnt_by_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let space = || ActionSpace::MultiDiscrete { sizes: vec![3, 2] };
        let found = mean_return_after(algorithm, |n| side_by_side::<Choices>(space(), n), 15_360);
        assert!(found > 0.9, "{algorithm}: {found}");
    }
}

#[test]
fn yes_and_no_and_numbers_are_learnt_by_plain_algorithms() {
    let binary =
        mean_return_after(Algorithm::Ppo, |n| side_by_side::<Choices>(ActionSpace::MultiBinary { n: 3 }, n), 15_360);
    assert!(binary > 0.95, "{binary}");
    let space = || ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] };
    let numbers = mean_return_after(Algorithm::Ppo, |n| side_by_side::<Continuous>(space(), n), 30_720);
    assert!(numbers > -0.1, "{numbers}");
}

#[test]
fn numbers_are_learnt_whichever_noise_explores_them() {
    let make = |n| side_by_side::<Continuous>(ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] }, n);
    for (use_sde, squash) in [(true, false), (false, true)] {
        let environment = make(16);
        let mut learner = learner(environment.as_ref(), Algorithm::Ppo, 16, 64);
        let spec = environment.spec();
        let mut stream = Streams::new(7).stream(Purpose::Initialization, 0, 0);
        let config = PolicyConfig::new().with_hidden(vec![32]).with_use_sde(use_sde).with_squash(squash);
        learner.policy = config
            .with_log_std_init(-0.5)
            .init(&spec.observation_shape, &spec.action_space, &mut stream, &Device::flex().autodiff())
            .unwrap();
        let found = mean_return_of(learner, environment, make, 30_720);
        assert!(found > -0.1, "state-dependent: {use_sde}, squashed: {squash}: {found}");
    }
}

#[test]
fn numbers_are_no_business_of_the_symmetric_algorithms() {
    let space = ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] };
    let environment = side_by_side::<Continuous>(space, 4);
    let learner = learner(environment.as_ref(), Algorithm::Sppo, 16, 64);
    let error = ControlTraining::new(environment).total_steps(64).launch(learner).err().unwrap();
    assert!(matches!(error, ControlError::Distribution(_)), "{error}");
    assert!(error.to_string().contains("discretise"), "{error}");
}

/// Never ends and always pays 1; only the time limit cuts it off.
#[derive(Default)]
struct Endless;

impl SingleEnvironment for Endless {
    type Action = Discrete;

    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Endless-v0".into(),
            observation_shape: vec![1],
            action_space: ActionSpace::Discrete { n: 2 },
            max_episode_steps: Some(10),
        }
    }

    fn reset(&mut self, _stream: &mut Stream, observation: &mut [f32]) {
        observation[0] = 1.0;
    }

    fn step(&mut self, _action: usize, observation: &mut [f32]) -> Transition {
        observation[0] = 1.0;
        Transition { reward: 1.0, terminated: false }
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(StateWriter::new().finish())
    }

    fn restore(&mut self, _state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        Ok(())
    }
}

#[test]
fn a_task_without_end_is_worth_the_whole_series_in_spite_of_the_time_limit() {
    use crate::policy::ActorCritic;
    let environments = NativeEnvironments::new(8, |_| Endless).unwrap();
    let mut learner = learner(&environments, Algorithm::Ppo, 32, 256);
    learner.gae.gamma = 0.9;
    learner.update.max_grad_norm = None;
    learner.learning_rate = Schedule::Constant(2e-2);
    let result = ControlTraining::new(Box::new(environments)).total_steps(256 * 60).launch(learner).unwrap();
    let observation = burn::tensor::Tensor::<2>::ones([1, 1], &Device::flex().autodiff());
    let value = ActorCritic::value(&result.model, observation).into_scalar::<f64>();
    assert!((value - 10.0).abs() < 0.5, "1 / (1 - 0.9) is 10, not {value}");
}

fn cart_pole(
    folder: &Path,
    steps: u64,
    every: u64,
    resume: bool,
) -> Result<ControlResult<ControlPolicy>, ControlError> {
    let options = MakeOptions::new(4);
    let environment = make("CartPole-v1", &options).unwrap();
    let learner = learner(environment.as_ref(), Algorithm::Sppo, 32, 64);
    let evaluation = EvaluationConfig { every: 256, episodes: 2, deterministic: false };
    let mut training = ControlTraining::new(environment)
        .evaluation(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), evaluation)
        .directory(folder)
        .with_checkpoints(CheckpointConfig { every, keep: 3 })
        .total_steps(steps);
    if resume {
        training = training.resume();
    }
    training.launch(learner)
}

#[test]
fn a_report_has_the_names_of_stable_baselines() {
    let report = |algorithm: &str, clip_range_vf| {
        let mut config = ControlConfig::preset(Family::None, algorithm, "Pendulum-v1", true, &[]).unwrap();
        (config.update.rollout_steps, config.update.minibatch, config.total_steps) = (64, Some(64), 128);
        (config.update.epochs, config.update.clip_range_vf) = (if algorithm == "ppo" { 3 } else { 1 }, clip_range_vf);
        config.policy.log_std_init = -1.0;
        let (training, learner) = config.init(None, &Device::flex()).unwrap();
        training.launch(learner).unwrap().last.unwrap()
    };
    let ppo: std::collections::HashMap<_, _> = report("ppo", Some(0.2)).entries().into_iter().collect();
    for (name, value) in [
        ("time/iterations", 2.0),
        ("time/total_timesteps", 128.0),
        ("train/n_updates", 6.0),
        ("train/clip_range_vf", 0.2),
    ] {
        assert_eq!(ppo[name], value, "{name}");
    }
    assert!((ppo["train/std"] - (-1.0f64).exp()).abs() < 0.01 && ppo["train/explained_variance"] < 1.0);
    assert!(ppo.contains_key("train/policy_gradient_loss") && !ppo.contains_key("train/policy_loss"));
    let a2c: std::collections::HashMap<_, _> = report("a2c", None).entries().into_iter().collect();
    assert_eq!(a2c["train/n_updates"], 2.0);
    assert!(a2c.contains_key("train/policy_loss") && !a2c.contains_key("train/clip_range_vf"));
}

#[test]
fn a_resumed_training_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    cart_pole(&whole, 1280, 128, false).unwrap();
    cart_pole(&parts, 640, 128, false).unwrap();
    cart_pole(&parts, 1280, 128, true).unwrap();
    for name in ["metrics.jsonl", "metrics.csv", "evaluation.jsonl"] {
        let read = |run: &Path| std::fs::read_to_string(run.join(name)).unwrap();
        assert_eq!(read(&whole), read(&parts), "{name}");
        assert!(read(&whole).lines().count() >= 4, "{name}");
    }
}

#[test]
fn a_training_that_goes_on_writes_no_episode_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    cart_pole(&whole, 1280, 128, false).unwrap();
    cart_pole(&parts, 640, 128, false).unwrap();
    for lost in ["step-4", "step-5"] {
        std::fs::remove_dir_all(parts.join("checkpoints").join(lost)).unwrap();
    }
    cart_pole(&parts, 1280, 128, true).unwrap();
    let episodes = |run: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(run.join("monitor.csv")).unwrap();
        text.lines().skip(2).map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect()
    };
    assert_eq!(episodes(&whole), episodes(&parts), "returns and lengths, without the seconds");
    assert!(episodes(&whole).len() > 20);
}

#[test]
fn a_training_goes_on_in_the_environment_that_it_began_in() {
    let folder = tempfile::tempdir().unwrap();
    cart_pole(folder.path(), 128, 128, false).unwrap();
    let environments = NativeEnvironments::new(4, |_| Endless).unwrap();
    let learner = learner(&make("CartPole-v1", &MakeOptions::new(4)).unwrap(), Algorithm::Sppo, 32, 64);
    let result = ControlTraining::new(Box::new(environments))
        .directory(folder.path())
        .with_checkpoints(CheckpointConfig::default())
        .total_steps(256)
        .resume()
        .launch(learner);
    assert!(matches!(result.err(), Some(ControlError::OtherEnvironment { .. })));
}

#[test]
fn what_cannot_be_trained_is_refused_before_anything_starts() {
    let refused =
        |change: fn(ControlTraining<'static>, &mut ControlLearner<ControlPolicy>) -> ControlTraining<'static>| {
            let environment = make("CartPole-v1", &MakeOptions::new(2)).unwrap();
            let mut learner = learner(environment.as_ref(), Algorithm::Ppo, 8, 16);
            let training = change(ControlTraining::new(environment).total_steps(64), &mut learner);
            training.launch(learner).err().expect("this must be refused")
        };
    assert!(matches!(refused(|training, _| training.total_steps(0)), ControlError::NoSteps));
    assert!(matches!(
        refused(|training, learner| {
            learner.rollout_steps = 0;
            training
        }),
        ControlError::Zero { .. }
    ));
    let error = refused(|training, learner| {
        learner.rollout_steps = 50;
        training
    });
    assert!(matches!(error, ControlError::Minibatch { samples: 100, minibatch: 16 }));
    assert!(error.to_string().ends_with("take minibatches of 10 or 20"), "{error}");
    assert!(matches!(refused(|training, _| training.resume()), ControlError::NoDirectory));
    assert!(matches!(
        refused(|training, _| {
            let evaluation = EvaluationConfig { every: 8, episodes: 0, deterministic: true };
            training.evaluation(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), evaluation)
        }),
        ControlError::Zero { .. }
    ));
}
