use super::scripted::{Scene, Scripted};
use super::{
    ClipReward, DEFAULT_BINS, Discretize, EpisodeLog, FrameStack, Monitor, NoisyReward, Normalizer, NormalizerConfig,
    TimeLimit, VecNormalize,
};
use crate::advantage::RewardNoise;
use crate::environment::classic::{CartPole, Pendulum};
use crate::environment::{
    ActionSpace, Actions, End, EnvironmentError, EnvironmentSpec, Episode, MakeOptions, NativeEnvironments,
    ObservationKind, Observations, VectorEnvironment, make,
};
use crate::run::{Purpose, Streams};

const TERMINATED: Option<End> = Some(End::Terminated);

/// One environment that shows pictures of one row of two pixels, each filled with one grey.
fn pictures(shape: Vec<usize>, scenes: &[(u8, Option<u8>)]) -> Scripted<u8> {
    let spec = EnvironmentSpec {
        id: "Pictures".into(),
        num_envs: 1,
        observation_shape: shape,
        observation_kind: ObservationKind::U8,
        action_space: ActionSpace::Discrete { n: 2 },
    };
    let scenes = scenes.iter().map(|(grey, last)| Scene {
        observations: vec![*grey; 2],
        rewards: vec![f32::from(*grey)],
        ends: vec![last.map(|_| End::Terminated)],
        finals: vec![last.unwrap_or(255); 2],
        episodes: vec![None],
    });
    Scripted::new(spec, vec![1; 2], scenes.collect())
}

fn greys(observations: Observations<'_>) -> Vec<u8> {
    let Observations::U8(numbers) = observations else { panic!("{observations:?}") };
    numbers.chunks(2).map(|pair| pair[0]).collect()
}

const ONE: Actions<'static> = Actions::Discrete(&[0]);

#[test]
fn a_stack_holds_the_newest_last_and_is_empty_before_an_episode() {
    let inner = pictures(vec![1, 1, 2], &[(2, None), (3, None), (9, Some(4)), (10, None), (20, Some(11))]);
    let mut stack = FrameStack::new(inner, 4).unwrap();
    assert_eq!(stack.spec().observation_shape, [4, 1, 2]);
    assert_eq!(greys(stack.reset(None).unwrap()), [0, 0, 0, 1]);
    assert_eq!(greys(stack.step(ONE).unwrap().observations), [0, 0, 1, 2]);
    assert_eq!(greys(stack.step(ONE).unwrap().observations), [0, 1, 2, 3]);
    let step = stack.step(ONE).unwrap();
    assert_eq!(greys(step.final_observations), [1, 2, 3, 4]);
    assert_eq!(greys(step.observations), [0, 0, 0, 9]);
    assert_eq!(greys(stack.step(ONE).unwrap().observations), [0, 0, 9, 10]);
    let step = stack.step(ONE).unwrap();
    assert_eq!((greys(step.final_observations), greys(step.observations)), (vec![0, 9, 10, 11], vec![0, 0, 0, 20]));
    assert_eq!(greys(stack.reset(None).unwrap()), [0, 0, 0, 1]);
}

#[test]
fn stacks_of_grey_pictures_and_of_vectors_have_their_shapes() {
    let shape = |shape| FrameStack::new(pictures(shape, &[(0, None)]), 3).unwrap().spec().observation_shape.clone();
    assert_eq!((shape(vec![1, 2]), shape(vec![2]), shape(vec![2, 1, 1])), (vec![3, 1, 2], vec![6], vec![6, 1, 1]));
    assert!(matches!(
        FrameStack::new(pictures(vec![2], &[(0, None)]), 0),
        Err(EnvironmentError::Setting { name: "frame_stack", .. })
    ));
}

#[test]
fn observations_that_are_not_as_declared_are_refused() {
    let inner = pictures(vec![1, 1, 3], &[(2, None)]);
    let mut stack = FrameStack::new(inner, 2).unwrap();
    assert!(matches!(stack.reset(None), Err(EnvironmentError::Count { expected: 3, found: 2, .. })));
    let mut inner = pictures(vec![2], &[(2, None)]);
    inner.spec.observation_kind = ObservationKind::F32;
    let mut normalized = VecNormalize::new(inner, NormalizerConfig::new()).unwrap();
    assert!(matches!(normalized.reset(None), Err(EnvironmentError::Kind { found: ObservationKind::U8, .. })));
    let mut inner = pictures(vec![2], &[(2, None)]);
    inner.steps[0].rewards = vec![];
    let mut limited = TimeLimit::new(inner, 5).unwrap();
    limited.reset(None).unwrap();
    assert!(matches!(limited.step(ONE), Err(EnvironmentError::Count { what: "rewards", found: 0, .. })));
}

#[test]
fn a_clipped_reward_is_its_sign() {
    let mut inner = pictures(vec![2], &[(0, None), (0, None), (0, None)]);
    for (scene, reward) in inner.steps.iter_mut().zip([-7.5, 0.0, 0.25]) {
        scene.rewards = vec![reward];
    }
    let mut clipped = ClipReward::new(inner);
    clipped.reset(None).unwrap();
    let rewards: Vec<f32> = (0..3).map(|_| clipped.step(ONE).unwrap().rewards[0]).collect();
    assert_eq!(rewards, [-1.0, 0.0, 1.0]);
}

fn cart_poles(num_envs: usize) -> NativeEnvironments<CartPole> {
    NativeEnvironments::new(num_envs, |_| CartPole::default()).unwrap()
}

#[test]
fn noise_comes_from_the_streams_and_leaves_the_episodes() {
    let noise = RewardNoise::Normal(0.5);
    let mut noisy = NoisyReward::new(cart_poles(2), noise, Streams::new(3)).unwrap();
    let mut streams = [0, 1].map(|env| Streams::new(3).stream(Purpose::Noise, u64::MAX, env));
    noisy.reset(Some(3)).unwrap();
    let mut episodes = 0;
    for _ in 0..60 {
        let step = noisy.step(Actions::Discrete(&[1, 1])).unwrap();
        let expected = streams.each_mut().map(|stream| noise.apply(1.0, noise.draw(stream)));
        assert_eq!(step.rewards, expected);
        for episode in step.episodes.iter().flatten() {
            assert_eq!(episode.episode_return, episode.length as f64);
            episodes += 1;
        }
    }
    assert!(episodes > 2);
    let mut rewards_after = |seed| {
        noisy.reset(seed).unwrap();
        noisy.step(Actions::Discrete(&[1, 1])).unwrap().rewards.to_vec()
    };
    let first = rewards_after(Some(3));
    assert_ne!(rewards_after(None), first, "streams go on");
    assert_ne!(rewards_after(Some(1003)), first, "those of a training that goes on do not begin anew");
    assert_eq!(rewards_after(Some(3)), first);
    let mut silent = NoisyReward::new(cart_poles(1), RewardNoise::None, Streams::new(3)).unwrap();
    silent.reset(None).unwrap();
    assert_eq!(silent.step(ONE).unwrap().rewards, [1.0]);
    let wrong = NoisyReward::new(cart_poles(1), RewardNoise::RewardFlip(1.5), Streams::new(3));
    assert!(matches!(wrong, Err(EnvironmentError::Noise(_))));
}

#[test]
fn a_time_limit_cuts_off_only_what_has_not_ended() {
    // Pushed to the right all the time, a cart pole falls after 8 to 10 steps.
    let mut limited = TimeLimit::new(cart_poles(3), 9).unwrap();
    limited.reset(Some(1)).unwrap();
    let push = Actions::Discrete(&[1, 1, 1]);
    let (mut terminated, mut truncated) = (0, 0);
    let mut lengths = [0u64; 3];
    for _ in 0..200 {
        let step = limited.step(push).unwrap();
        for (env, length) in lengths.iter_mut().enumerate() {
            *length += 1;
            let Some(end) = step.ends[env] else {
                assert!(*length < 9 && step.episodes[env].is_none());
                continue;
            };
            let episode = Episode { episode_return: *length as f64, length: *length };
            assert_eq!(step.episodes[env], Some(episode));
            let [now, last] = [step.observations, step.final_observations].map(|shown| shown.get(4 * env + 2).abs());
            assert!(now <= 0.05, "a new episode begins upright, not at {now}");
            match end {
                End::Terminated => {
                    terminated += 1;
                    assert!(last > 0.2094, "{last}");
                }
                End::Truncated => {
                    truncated += 1;
                    assert!(*length == 9 && (0.05..0.2095).contains(&last), "{last}");
                }
            }
            *length = 0;
        }
    }
    assert!(terminated > 5 && truncated > 5, "{terminated} {truncated}");
    assert!(matches!(TimeLimit::new(cart_poles(1), 0), Err(EnvironmentError::Setting { .. })));
    let mut stuck = TimeLimit::new(pictures(vec![2], &[(0, None)]), 1).unwrap();
    stuck.reset(None).unwrap();
    assert!(matches!(stuck.step(ONE), Err(EnvironmentError::RestartUnsupported { .. })));
}

#[test]
fn there_is_nothing_to_restart_beyond_the_last_environment() {
    let config = NormalizerConfig::new();
    let wrapped: [Box<dyn VectorEnvironment>; 3] = [
        Box::new(VecNormalize::new(cart_poles(2), config).unwrap()),
        Box::new(FrameStack::new(cart_poles(2), 2).unwrap()),
        Box::new(TimeLimit::new(cart_poles(2), 5).unwrap()),
    ];
    for mut environments in wrapped {
        environments.reset(Some(0)).unwrap();
        let before = environments.step(Actions::Discrete(&[0, 1])).unwrap().observations.get(1);
        assert_ne!(environments.restart(0).unwrap().get(1), before);
        assert!(matches!(environments.restart(2), Err(EnvironmentError::NoSuchEnvironment { env: 2, .. })));
    }
}

#[test]
fn a_life_that_ends_in_a_game_that_goes_on_is_no_episode_of_the_limit() {
    let mut limited = TimeLimit::new(pictures(vec![2], &[(1, None), (1, Some(1)), (1, None)]), 3).unwrap();
    limited.reset(None).unwrap();
    assert_eq!(limited.step(ONE).unwrap().ends, [None]);
    let step = limited.step(ONE).unwrap();
    assert_eq!((step.ends, step.episodes), ([TERMINATED].as_slice(), [None].as_slice()));
    assert_eq!(limited.step(ONE).unwrap().ends, [None]);
}

#[test]
fn only_continuous_bounded_actions_are_discretised() {
    assert!(matches!(Discretize::new(cart_poles(1), 11), Err(EnvironmentError::NotContinuous { .. })));
    let pendulum = || NativeEnvironments::new(1, |_| Pendulum::default()).unwrap();
    for bins in [0, 1] {
        assert!(matches!(Discretize::new(pendulum(), bins), Err(EnvironmentError::Setting { name: "bins", .. })));
    }
    let mut discrete = Discretize::new(pendulum(), DEFAULT_BINS).unwrap();
    assert_eq!(discrete.spec().action_space, ActionSpace::MultiDiscrete { sizes: vec![11] });
    discrete.reset(Some(0)).unwrap();
    assert!(matches!(
        discrete.step(Actions::Discrete(&[11])),
        Err(EnvironmentError::ActionRange { action: 11, choices: 11, .. })
    ));
    assert!(matches!(discrete.step(Actions::Continuous(&[0.0])), Err(EnvironmentError::ActionKind { .. })));
    let mut unbounded = pictures(vec![2], &[(0, None)]);
    unbounded.spec.action_space = ActionSpace::Continuous { low: vec![-1.0, 0.0], high: vec![1.0, f32::INFINITY] };
    assert!(matches!(Discretize::new(unbounded, 11), Err(EnvironmentError::Bounds { dimension: 1, .. })));
}

#[test]
fn evaluation_uses_the_statistics_of_training_and_leaves_them() {
    let mut training = VecNormalize::new(cart_poles(4), NormalizerConfig::new()).unwrap();
    training.reset(Some(0)).unwrap();
    for _ in 0..50 {
        training.step(Actions::Discrete(&[0, 1, 0, 1])).unwrap();
    }
    let statistics = training.normalizer().unwrap().clone();
    let mut evaluation = VecNormalize::with_normalizer(cart_poles(1), statistics.for_evaluation()).unwrap();
    let mut raw = cart_poles(1);
    let shown = evaluation.reset(Some(7)).unwrap().get(0);
    let (mean, variance) = (statistics.observation_moments().mean()[0], statistics.observation_moments().variance()[0]);
    let expected = (raw.reset(Some(7)).unwrap().get(0) - mean) / (variance + 1e-8).sqrt();
    assert!((shown - expected).abs() < 1e-6 * expected.abs(), "{shown} {expected}");
    assert_eq!(evaluation.step(ONE).unwrap().rewards, [1.0]);
    assert_eq!(*evaluation.normalizer().unwrap(), statistics.for_evaluation());

    evaluation.normalizer_mut().unwrap().copy_statistics(training.normalizer().unwrap()).unwrap();
    let other = Normalizer::new(NormalizerConfig::new(), 3).unwrap();
    assert!(matches!(
        evaluation.normalizer_mut().unwrap().copy_statistics(&other),
        Err(EnvironmentError::Statistics { expected: 4, found: 3 })
    ));
    assert!(VecNormalize::with_normalizer(cart_poles(1), other.clone()).is_err());
    *evaluation.normalizer_mut().unwrap() = other;
    assert!(matches!(evaluation.step(ONE), Err(EnvironmentError::Statistics { .. })));
}

#[test]
fn a_normaliser_comes_back_from_a_file_as_it_was() {
    let mut training = VecNormalize::new(cart_poles(2), NormalizerConfig::new().with_gamma(0.9)).unwrap();
    training.reset(Some(0)).unwrap();
    training.step(Actions::Discrete(&[0, 1])).unwrap();
    let normalizer = training.normalizer().unwrap();
    let text = serde_json::to_string(normalizer).unwrap();
    assert_eq!(serde_json::from_str::<Normalizer>(&text).unwrap(), *normalizer);
    for config in [
        NormalizerConfig::new().with_gamma(1.5),
        NormalizerConfig::new().with_epsilon(0.0),
        NormalizerConfig::new().with_clip_observation(f64::NAN),
        NormalizerConfig::new().with_clip_reward(-1.0),
    ] {
        assert!(matches!(Normalizer::new(config, 1), Err(EnvironmentError::Setting { .. })), "{config:?}");
    }
}

/// All wrappers around each other.
fn tower(log: &EpisodeLog) -> Box<dyn VectorEnvironment> {
    let options = MakeOptions { max_episode_steps: Some(100), ..MakeOptions::new(3) };
    let inner = TimeLimit::new(make("Pendulum-v1", &options).unwrap(), 37).unwrap();
    let inner = ClipReward::new(Monitor::new(inner, log.clone()));
    let inner = FrameStack::new(VecNormalize::new(inner, NormalizerConfig::new()).unwrap(), 3).unwrap();
    let inner = NoisyReward::new(inner, RewardNoise::Uniform(0.2), Streams::new(8)).unwrap();
    Box::new(Discretize::new(inner, 5).unwrap())
}

fn walk(environments: &mut dyn VectorEnvironment, steps: std::ops::Range<i64>) -> Vec<u64> {
    let mut shown = vec![];
    for number in steps {
        let actions = [number % 5, number * number % 5, (number / 3) % 5];
        let step = environments.step(Actions::Discrete(&actions)).unwrap();
        shown.extend((0..step.observations.len()).map(|i| step.observations.get(i).to_bits()));
        shown.extend(step.rewards.iter().map(|reward| u64::from(reward.to_bits())));
        shown.extend(step.episodes.iter().flatten().map(|episode| episode.episode_return.to_bits()));
    }
    shown
}

#[test]
fn a_tower_of_wrappers_goes_on_bit_for_bit_after_a_restore() {
    let log = EpisodeLog::default();
    let mut environments = tower(&log);
    environments.reset(Some(2)).unwrap();
    walk(&mut *environments, 0..90);
    let saved = environments.save().unwrap();
    let expected = walk(&mut *environments, 90..300);
    drop(environments);
    let mut other = tower(&log);
    other.restore(&saved).unwrap();
    assert_eq!(walk(&mut *other, 90..300), expected);
    assert_eq!(other.normalizer().unwrap().features(), 3);
    for cut in (0..saved.len()).step_by(7) {
        let error = tower(&log).restore(&saved[..cut]).unwrap_err();
        assert!(matches!(error, EnvironmentError::State { .. }), "{cut}: {error}");
    }
}

#[test]
fn a_monitor_writes_raw_returns_from_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("monitor.csv");
    let log = EpisodeLog::default();
    let mut monitor = Monitor::new(ClipReward::new(make("Pendulum-v1", &MakeOptions::new(2)).unwrap()), log.clone());
    log.create(&path, "Pendulum-v1").unwrap();
    monitor.reset(Some(0)).unwrap();
    let mut expected = vec![];
    for _ in 0..450 {
        let step = monitor.step(Actions::Continuous(&[0.0, 1.0])).unwrap();
        expected.extend(step.episodes.iter().flatten().map(|episode| (episode.episode_return, episode.length)));
    }
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!((lines.len(), expected.len()), (4, 4));
    for (line, (episode_return, length)) in lines.iter().zip(expected) {
        let [r, l, t] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!((r.parse::<f64>().unwrap() - episode_return).abs() < 1e-6 && episode_return < -210.0, "{line}");
        assert_eq!(l.parse::<u64>().unwrap(), length);
        assert!(t.parse::<f64>().unwrap() < 60.0, "{line}");
    }
}
