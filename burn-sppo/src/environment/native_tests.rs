use rand::RngExt;

use super::classic::{CartPole, Pendulum};
use super::{
    ActionKind, ActionSpace, Actions, Choices, Continuous, Discrete, End, EnvironmentError, MakeOptions, NATIVE_IDS,
    NativeEnvironments, Observations, SingleEnvironment, TaskSpec, Transition, VectorEnvironment, make,
};
use crate::run::{Purpose, Stream, Streams};

/// Counts its steps; ends after `length` of them, or never. What it declares and shows can be wrong.
struct Counter {
    length: u64,
    count: u64,
    action_space: ActionSpace,
    shape: Vec<usize>,
    poison: Option<(u64, bool)>,
}

impl Counter {
    fn new(length: u64) -> Self {
        Self { length, count: 0, action_space: ActionSpace::Discrete { n: 2 }, shape: vec![1], poison: None }
    }
}

impl SingleEnvironment for Counter {
    type Action = Discrete;

    fn spec(&self) -> TaskSpec {
        let (observation_shape, action_space) = (self.shape.clone(), self.action_space.clone());
        TaskSpec { id: "Counter".into(), observation_shape, action_space, max_episode_steps: None }
    }

    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
        self.count = 0;
        observation[0] = -stream.random::<f32>();
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Transition {
        self.count += 1;
        observation[0] = self.count as f32;
        let mut reward = 0.5 + action as f64;
        match self.poison {
            Some((step, true)) if step == self.count => reward = f64::INFINITY,
            Some((step, false)) if step == self.count => observation[0] = f32::NAN,
            _ => {}
        }
        Transition { reward, terminated: self.count == self.length }
    }
}

fn f32s(observations: Observations<'_>) -> &[f32] {
    let Observations::F32(numbers) = observations else { panic!("{observations:?}") };
    numbers
}

#[test]
fn an_episode_ends_by_itself_or_at_the_limit_and_the_next_one_begins_at_once() {
    let lengths = [2, 3, 9];
    let mut environments =
        NativeEnvironments::new(3, |env| Counter::new(lengths[env])).unwrap().with_max_episode_steps(3).unwrap();
    environments.reset(Some(1)).unwrap();
    let mut ends = vec![];
    for number in 1..=3 {
        let step = environments.step(Actions::Discrete(&[0, 1, 1])).unwrap();
        ends.push(step.ends.to_vec());
        assert_eq!(step.rewards, [0.5, 1.5, 1.5]);
        for (env, end) in step.ends.iter().enumerate() {
            let now = f32s(step.observations)[env];
            assert_eq!(end.is_some(), now <= 0.0, "a new episode shows a number of its reset");
            if end.is_some() {
                let episode = step.episodes[env].unwrap();
                assert_eq!(f32s(step.final_observations)[env], number as f32);
                assert_eq!(episode.length, number);
                assert_eq!(episode.episode_return, number as f64 * f64::from(step.rewards[env]));
            } else {
                assert!(step.episodes[env].is_none());
            }
        }
    }
    let [terminated, truncated] = [Some(End::Terminated), Some(End::Truncated)];
    // The second terminates in the step of the limit, which counts as its own end.
    assert_eq!(ends, [vec![None; 3], vec![terminated, None, None], vec![None, terminated, truncated]]);
}

/// A hash-free record of a few hundred random steps.
fn walk(environments: &mut dyn VectorEnvironment, steps: usize, draws: &mut Stream) -> Vec<f64> {
    let spec = environments.spec().clone();
    let mut shown = vec![];
    for _ in 0..steps {
        let step = match &spec.action_space {
            ActionSpace::Discrete { n } => {
                let actions: Vec<i64> = (0..spec.num_envs).map(|_| draws.random_range(0..*n as i64)).collect();
                environments.step(Actions::Discrete(&actions))
            }
            _ => {
                let actions: Vec<f32> = (0..spec.num_envs).map(|_| draws.random_range(-2.5..2.5)).collect();
                environments.step(Actions::Continuous(&actions))
            }
        }
        .unwrap();
        shown.extend(f32s(step.observations).iter().map(|x| f64::from(*x)));
        shown.extend(step.rewards.iter().map(|x| f64::from(*x)));
        shown.extend(step.episodes.iter().flatten().flat_map(|e| [e.episode_return, e.length as f64]));
    }
    shown
}

fn draws() -> Stream {
    Streams::new(9).stream(Purpose::Sampling, 0, 0)
}

#[test]
fn the_same_seed_leads_the_same_way_and_another_one_elsewhere() {
    for id in NATIVE_IDS {
        let go = |seed| {
            let mut environments = make(id, &MakeOptions::new(3)).unwrap();
            environments.reset(Some(seed)).unwrap();
            walk(&mut *environments, 600, &mut draws())
        };
        assert_eq!(go(5), go(5), "{id}");
        assert_ne!(go(5), go(6), "{id}");
        let mut environments = make(id, &MakeOptions::new(3)).unwrap();
        environments.reset(Some(5)).unwrap();
        let first = walk(&mut *environments, 600, &mut draws());
        environments.reset(Some(5)).unwrap();
        assert_eq!(walk(&mut *environments, 600, &mut draws()), first, "{id}, after another 600 steps");
    }
}

#[test]
fn environment_i_has_the_seed_plus_i() {
    let mut three = make("Pendulum-v1", &MakeOptions::new(3)).unwrap();
    let mut one = make("Pendulum-v1", &MakeOptions::new(1)).unwrap();
    let three = f32s(three.reset(Some(40)).unwrap());
    assert_eq!(f32s(one.reset(Some(42)).unwrap()), &three[6..]);
    assert!(make("Pendulum-v1", &MakeOptions::new(3)).unwrap().reset(Some(u64::MAX)).is_ok());
}

#[test]
fn a_reset_without_seed_goes_on_with_the_random_numbers() {
    let mut environments = NativeEnvironments::new(1, |_| CartPole::default()).unwrap();
    let first = f32s(environments.reset(None).unwrap()).to_vec();
    assert_ne!(f32s(environments.reset(None).unwrap()), first);
    assert_eq!(f32s(environments.reset(Some(0)).unwrap()), first);
}

#[test]
fn a_restored_environment_goes_on_bit_for_bit() {
    for id in NATIVE_IDS {
        let mut environments = make(id, &MakeOptions::new(3)).unwrap();
        assert!(environments.save().is_none(), "{id}: there is nothing to save yet");
        environments.reset(Some(3)).unwrap();
        let mut actions = draws();
        // Ends within, so that resets of later episodes are compared too.
        walk(&mut *environments, 777, &mut actions);
        let (saved, mut same_actions) = (environments.save().unwrap(), actions.clone());
        let expected = walk(&mut *environments, 1200, &mut actions);
        let mut other = make(id, &MakeOptions::new(3)).unwrap();
        other.restore(&saved).unwrap();
        assert_eq!(walk(&mut *other, 1200, &mut same_actions), expected, "{id}");
    }
}

#[test]
fn states_of_something_else_are_refused() {
    let made = |id, num_envs| {
        let mut environments = make(id, &MakeOptions::new(num_envs)).unwrap();
        environments.reset(Some(0)).unwrap();
        environments
    };
    let saved = made("CartPole-v1", 2).save().unwrap();
    for mut other in [made("Pendulum-v1", 2), made("CartPole-v1", 3)] {
        assert!(matches!(other.restore(&saved), Err(EnvironmentError::State { .. })));
    }
    let limited = MakeOptions { max_episode_steps: Some(10), ..MakeOptions::new(2) };
    assert!(make("CartPole-v1", &limited).unwrap().restore(&saved).is_err());
    for cut in 0..saved.len() {
        assert!(made("CartPole-v1", 2).restore(&saved[..cut]).is_err(), "{cut}");
    }
    let mut counters = NativeEnvironments::new(2, |_| Counter::new(5)).unwrap();
    counters.reset(Some(0)).unwrap();
    assert!(counters.save().is_none());
    assert!(matches!(counters.restore(&saved), Err(EnvironmentError::RestoreUnsupported { .. })));
}

#[test]
fn each_wrong_input_has_its_own_error() {
    let mut environments = make("CartPole-v1", &MakeOptions::new(2)).unwrap();
    let valid = Actions::Discrete(&[0, 1]);
    assert!(matches!(environments.step(valid), Err(EnvironmentError::NotReset { .. })));
    assert!(matches!(environments.restart(0), Err(EnvironmentError::NotReset { .. })));
    environments.reset(Some(0)).unwrap();
    for (actions, right) in [
        (Actions::Discrete(&[0]), false),
        (Actions::Discrete(&[0, 1, 0]), false),
        (Actions::Discrete(&[0, 2]), false),
        (Actions::Discrete(&[-1, 0]), false),
        (Actions::Continuous(&[0.0, 0.0]), false),
        (valid, true),
    ] {
        assert_eq!(environments.step(actions).is_ok(), right, "{actions:?}");
    }
    let missing = environments.step(Actions::Discrete(&[0])).unwrap_err();
    assert!(matches!(missing, EnvironmentError::ActionCount { num_envs: 2, width: 1, expected: 2, found: 1, .. }));
    assert!(matches!(environments.render(2), Err(EnvironmentError::NoSuchEnvironment { env: 2, num_envs: 2, .. })));
    assert!(matches!(environments.restart(7), Err(EnvironmentError::NoSuchEnvironment { env: 7, .. })));
    let mut pendulum = make("Pendulum-v1", &MakeOptions::new(2)).unwrap();
    pendulum.reset(Some(0)).unwrap();
    assert!(matches!(
        pendulum.step(Actions::Continuous(&[0.0, f32::NAN])),
        Err(EnvironmentError::ActionNotFinite { env: 1, dimension: 0, .. })
    ));
    assert!(matches!(pendulum.step(valid), Err(EnvironmentError::ActionKind { .. })));
}

#[test]
fn a_task_that_describes_itself_wrongly_is_refused() {
    let with = |change: fn(&mut Counter)| {
        NativeEnvironments::new(1, |_| {
            let mut counter = Counter::new(1);
            change(&mut counter);
            counter
        })
        .err()
        .unwrap()
    };
    let continuous = ActionSpace::Continuous { low: vec![0.0], high: vec![1.0] };
    assert!(!Discrete::suits(&continuous) && Continuous::suits(&continuous));
    assert!(Choices::suits(&ActionSpace::MultiBinary { n: 2 }) && !Choices::suits(&continuous));
    let declared = with(|counter| counter.action_space = ActionSpace::MultiBinary { n: 2 });
    assert!(matches!(declared, EnvironmentError::DeclaredActions { declared: "multi-binary", .. }), "{declared}");
    assert!(matches!(with(|counter| counter.shape = vec![0]), EnvironmentError::ZeroSize { what: "observation", .. }));
    let nothing = with(|counter| counter.action_space = ActionSpace::Discrete { n: 0 });
    assert!(matches!(nothing, EnvironmentError::ZeroSize { .. }), "{nothing}");
    assert!(NativeEnvironments::new(0, |_| Counter::new(1)).is_err());
    assert!(NativeEnvironments::new(1, |_| Counter::new(1)).unwrap().with_max_episode_steps(0).is_err());
}

#[test]
fn numbers_that_are_not_finite_stop_it_and_are_named() {
    for (poison, what) in [((2, true), "reward"), ((2, false), "observation"), ((4, false), "final observation")] {
        let mut environments =
            NativeEnvironments::new(2, |env| Counter { poison: (env == 1).then_some(poison), ..Counter::new(4) })
                .unwrap();
        environments.reset(Some(0)).unwrap();
        for _ in 1..poison.0 {
            environments.step(Actions::Discrete(&[0, 0])).unwrap();
        }
        let error = environments.step(Actions::Discrete(&[0, 0])).unwrap_err();
        let named =
            matches!(&error, EnvironmentError::NotFinite { env: 1, entry: 0, what: found, .. } if *found == what);
        assert!(named, "{error}");
        assert!(matches!(environments.step(Actions::Discrete(&[0, 0])), Err(EnvironmentError::NotReset { .. })));
        assert!(environments.reset(None).is_ok());
        assert!(environments.step(Actions::Discrete(&[0, 0])).is_ok());
    }
}

#[test]
fn a_restart_begins_one_episode_and_leaves_the_others() {
    let mut environments = NativeEnvironments::new(2, |_| Counter::new(3)).unwrap();
    environments.reset(Some(0)).unwrap();
    environments.step(Actions::Discrete(&[0, 0])).unwrap();
    let shown = f32s(environments.restart(0).unwrap()).to_vec();
    assert!(shown[0] <= 0.0 && shown[1] == 1.0, "{shown:?}");
    environments.step(Actions::Discrete(&[0, 0])).unwrap();
    let step = environments.step(Actions::Discrete(&[0, 0])).unwrap();
    assert_eq!(step.ends, [None, Some(End::Terminated)]);
    assert_eq!(step.episodes[1].unwrap().length, 3);
    assert_eq!(environments.step(Actions::Discrete(&[0, 0])).unwrap().episodes[0].unwrap().length, 3);
}

#[test]
fn every_native_task_has_pictures_that_follow_its_state() {
    for id in NATIVE_IDS {
        let mut environments = make(id, &MakeOptions::new(1)).unwrap();
        environments.reset(Some(4)).unwrap();
        let before = environments.render(0).unwrap().unwrap();
        assert_eq!(before.rgb.len(), 3 * before.width * before.height, "{id}");
        let inked = before.rgb.chunks(3).filter(|rgb| **rgb != [255; 3]).count();
        assert!(inked > 500 && inked < before.width * before.height / 2, "{id}: {inked} pixels");
        walk(&mut *environments, 20, &mut draws());
        assert_ne!(environments.render(0).unwrap().unwrap(), before, "{id}");
    }
}

#[test]
fn a_hanging_pendulum_hangs_in_its_picture() {
    let mut pendulum = Pendulum::default();
    let mut inked_below = |angle: f64| {
        let mut state = super::StateWriter::new();
        let bytes = state.f64s(&[angle, 0.0]).finish();
        pendulum.restore(&mut super::StateReader::new("Pendulum-v1", &bytes)).unwrap();
        let frame = pendulum.render().unwrap();
        let lower = &frame.rgb[frame.rgb.len() / 2..];
        lower.chunks(3).filter(|rgb| **rgb == [204, 77, 77]).count()
    };
    let (upright, hanging) = (inked_below(0.0), inked_below(std::f64::consts::PI));
    assert!(hanging > 4 * upright, "{upright} {hanging}");
}
