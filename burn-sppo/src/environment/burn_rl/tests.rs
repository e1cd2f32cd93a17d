use burn::rl::{Environment, StepResult};
use burn::tensor::Device;

use super::{FlatAction, FlatEnvironment, FromBurn, ToBurn};
use crate::environment::classic::CartPole;
use crate::environment::{
    ActionSpace, Actions, End, EnvironmentError, MakeOptions, NativeEnvironments, Observations, StateReader, TaskSpec,
    VectorEnvironment, make,
};

/// Walks along a line; ends at 3, cut off after 5 steps.
struct Line {
    place: i32,
    steps: usize,
}

impl Environment for Line {
    type State = i32;
    type Action = i32;
    const MAX_STEPS: usize = 5;

    fn state(&self) -> i32 {
        self.place
    }

    fn step(&mut self, action: i32) -> StepResult<i32> {
        (self.place, self.steps) = (self.place + action, self.steps + 1);
        let (done, truncated) = (self.place == 3, self.steps == Self::MAX_STEPS);
        StepResult { next_state: self.place, reward: f64::from(action), done, truncated }
    }

    fn reset(&mut self) {
        (self.place, self.steps) = (0, 0);
    }
}

impl FlatEnvironment for Line {
    fn spec(&self) -> TaskSpec {
        TaskSpec {
            id: "Line".into(),
            observation_shape: vec![1],
            action_space: ActionSpace::Discrete { n: 3 },
            max_episode_steps: Some(Self::MAX_STEPS),
        }
    }

    fn write(state: &i32, observation: &mut [f32]) {
        observation[0] = *state as f32;
    }

    fn action(numbers: Actions<'_>) -> i32 {
        let Actions::Discrete(numbers) = numbers else { unreachable!("the space is discrete") };
        numbers[0] as i32 - 1
    }
}

#[test]
fn environments_of_burn_step_together_and_keep_their_last_observations() {
    let mut environments = FromBurn::new(2, || Line { place: 7, steps: 7 }).unwrap();
    let right_and_rest = Actions::Discrete(&[2, 1]);
    assert!(matches!(environments.step(right_and_rest), Err(EnvironmentError::NotReset { .. })));
    assert_eq!(environments.reset(Some(0)).unwrap(), Observations::F32(&[0.0, 0.0]));
    for _ in 0..2 {
        assert_eq!(environments.step(right_and_rest).unwrap().ends, [None, None]);
    }
    let step = environments.step(right_and_rest).unwrap();
    assert_eq!((step.ends, step.rewards), ([Some(End::Terminated), None].as_slice(), [1.0, 0.0].as_slice()));
    assert_eq!(step.observations, Observations::F32(&[0.0, 0.0]));
    assert_eq!(step.final_observations.get(0), 3.0);
    assert_eq!(step.episodes[0].map(|episode| (episode.episode_return, episode.length)), Some((3.0, 3)));
    environments.step(right_and_rest).unwrap();
    assert_eq!(environments.step(right_and_rest).unwrap().ends, [None, Some(End::Truncated)]);
    assert!(matches!(
        environments.step(Actions::Discrete(&[3, 0])),
        Err(EnvironmentError::ActionRange { env: 0, action: 3, .. })
    ));
    assert!(environments.save().is_none());
    assert!(matches!(environments.restore(&[]), Err(EnvironmentError::RestoreUnsupported { .. })));
}

#[test]
fn burn_sees_the_same_steps() {
    let action = |step: usize| (step / 3 % 2) as i64;
    let mut direct = NativeEnvironments::new(1, |_| CartPole::default()).unwrap();
    let mut values = vec![0.0; 4];
    direct.reset(Some(11)).unwrap().write_f32(0, &mut values);
    let mut burn = ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), 11).unwrap();
    burn.reset();
    assert_eq!(burn.state().values, values, "what has just begun is not reset again");
    let mut ends = 0;
    for number in 0..300 {
        let step = direct.step(Actions::Discrete(&[action(number)])).unwrap();
        let end = step.ends[0];
        let shown = if end.is_some() { step.final_observations } else { step.observations };
        shown.write_f32(0, &mut values);
        let result = burn.step(FlatAction { values: vec![action(number) as f32] });
        assert_eq!((result.next_state.values.as_slice(), result.reward), (values.as_slice(), 1.0));
        assert_eq!((result.done, result.truncated), (end == Some(End::Terminated), end == Some(End::Truncated)));
        if end.is_some() {
            step.observations.write_f32(0, &mut values);
            burn.reset();
            assert_eq!(burn.state().values, values);
            ends += 1;
        }
    }
    assert!(ends > 3, "{ends}");
    let tensor = burn.state().to_tensor(&Device::flex());
    assert_eq!((tensor.dims(), tensor.into_data().try_to_vec::<f32>().unwrap()), ([1, 4], values));
}

#[test]
fn a_reset_in_the_middle_begins_a_new_episode() {
    let mut burn = ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), 0).unwrap();
    let first = burn.state();
    burn.step(FlatAction { values: vec![1.0] });
    burn.reset();
    let second = burn.state();
    assert_ne!(second, first);
    assert!(second.values.iter().all(|value| value.abs() <= 0.05), "{second:?}");
}

#[test]
#[should_panic(expected = "CartPole-v1, environment 0: dimension 0 of the action is -1")]
fn an_action_that_is_no_choice_stops_burn_with_the_error() {
    let mut burn = ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), 0).unwrap();
    burn.step(FlatAction { values: vec![f32::NAN] });
}

#[test]
fn burn_gets_one_environment_only() {
    let two = make("CartPole-v1", &MakeOptions::new(2)).unwrap();
    assert!(matches!(ToBurn::new(two, 0), Err(EnvironmentError::NumEnvs { num_envs: 2, .. })));
}

#[test]
fn what_was_saved_goes_on_even_between_two_episodes() {
    let burn = |seed| ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), seed).unwrap();
    let left = || FlatAction { values: vec![0.0] };
    let mut first = burn(3);
    while !first.step(left()).done {}
    let saved = first.save().unwrap();
    let mut second = burn(4);
    let mut reader = StateReader::new("CartPole-v1", &saved);
    second.restore(&mut reader).unwrap();
    reader.end().unwrap();
    assert_eq!(second.state(), first.state(), "the end of the last episode");
    for _ in 0..2 {
        first.reset();
        second.reset();
        assert_eq!(second.state(), first.state(), "the beginning of the next one");
        while !first.step(left()).done {
            second.step(left());
            assert_eq!(second.state(), first.state());
        }
        second.step(left());
    }

    let vector = |num_envs| FromBurn::new(num_envs, cart_pole).unwrap();
    let mut environments = vector(2);
    assert!(environments.save().is_none(), "nothing has begun");
    environments.reset(Some(1)).unwrap();
    let saved = environments.save().unwrap();
    assert!(matches!(vector(3).restore(&saved), Err(EnvironmentError::State { .. })));
    assert!(matches!(vector(2).restore(&saved[..9]), Err(EnvironmentError::State { .. })));
    let mut other = vector(2);
    other.restore(&saved).unwrap();
    for step in 0..40 {
        let actions = [step % 2, step / 2 % 2];
        let expected = environments.step(Actions::Discrete(&actions)).unwrap().observations;
        assert_eq!(other.step(Actions::Discrete(&actions)).unwrap().observations, expected);
    }
}

fn cart_pole() -> ToBurn {
    ToBurn::new(make("CartPole-v1", &MakeOptions::new(1)).unwrap(), 0).unwrap()
}
