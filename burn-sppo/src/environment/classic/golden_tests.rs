//! Single steps against gymnasium 1.4.0 (`tests/reference/classic_transitions.py`).

use serde_json::Value;
use std::path::Path;

use super::{Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum};
use crate::environment::{ActionKind, SingleEnvironment, Transition};

/// Recorded steps of one task. Numbers are texts, because a reader of JSON may be off in the last digit.
struct Recorded {
    case: Value,
}

fn recorded(id: &str) -> Recorded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/data/classic_transitions.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    Recorded { case: cases.iter().find(|case| case["name"] == id).unwrap().clone() }
}

fn numbers(text: &Value) -> Vec<f64> {
    text.as_str().unwrap().split(' ').map(|number| number.parse().unwrap()).collect()
}

impl Recorded {
    fn len(&self) -> usize {
        self.case["inputs"]["states"].as_array().unwrap().len()
    }

    fn at(&self, part: &str, key: &str, step: usize) -> &Value {
        &self.case[part][key][step]
    }
}

/// How far results may be from gymnasium's, in units of `1 + |value|`.
struct Tolerance {
    state: f64,
    observation: f64,
    reward: f64,
}

fn compare<E: SingleEnvironment + Default, const N: usize>(
    id: &str,
    tolerance: Tolerance,
    take: impl Fn([f64; N], &Value, &mut [f32]) -> (Transition, [f64; N]),
) {
    let recorded = recorded(id);
    assert_eq!(E::default().spec().id, id);
    let mut ends = 0;
    let close = |what: &str, step: usize, got: f64, want: f64, tolerance: f64| {
        assert!(
            (got - want).abs() <= tolerance * (1.0 + want.abs()),
            "{id}, step {step}: {what} {got:?}, not {want:?}"
        );
    };
    for step in 0..recorded.len() {
        let state: [f64; N] = numbers(recorded.at("inputs", "states", step)).try_into().unwrap();
        let want = numbers(recorded.at("expected", "observations", step));
        let mut observation = vec![f32::NAN; want.len()];
        let (transition, next) = take(state, recorded.at("inputs", "actions", step), &mut observation);
        for (got, want) in observation.iter().zip(want) {
            close("observation", step, f64::from(*got), want, tolerance.observation);
        }
        for (got, want) in next.into_iter().zip(numbers(recorded.at("expected", "next_states", step))) {
            close("state", step, got, want, tolerance.state);
        }
        let reward = numbers(recorded.at("expected", "rewards", step))[0];
        close("reward", step, transition.reward, reward, tolerance.reward);
        assert_eq!(transition.terminated, recorded.at("expected", "terminated", step) == 1, "{id}, step {step}");
        ends += usize::from(transition.terminated);
    }
    // Pendulum has no end; elsewhere a comparison without one would not have seen it.
    assert!(ends > 0 || id.starts_with("Pendulum"), "{id}");
}

macro_rules! step_of {
    ($task:ident, $action:expr) => {
        |state, action: &Value, observation: &mut [f32]| {
            let mut task = $task { state };
            let numbers = $action(action);
            let row = <$task as SingleEnvironment>::Action::row(&numbers);
            (task.step(row, observation), task.state)
        }
    };
}

fn choice(action: &Value) -> Vec<i64> {
    vec![action.as_i64().unwrap()]
}

fn throttle(action: &Value) -> Vec<f32> {
    numbers(action).into_iter().map(|number| number as f32).collect()
}

#[test]
fn golden_cart_pole_steps_as_in_gymnasium() {
    let tolerance = Tolerance { state: 1e-15, observation: 0.0, reward: 0.0 };
    compare::<CartPole, 4>("CartPole-v1", tolerance, step_of!(CartPole, choice));
}

#[test]
fn golden_pendulum_steps_as_in_gymnasium() {
    let tolerance = Tolerance { state: 1e-14, observation: 0.0, reward: 1e-14 };
    compare::<Pendulum, 2>("Pendulum-v1", tolerance, step_of!(Pendulum, throttle));
}

#[test]
fn golden_acrobot_steps_as_in_gymnasium() {
    let tolerance = Tolerance { state: 1e-14, observation: 0.0, reward: 0.0 };
    compare::<Acrobot, 4>("Acrobot-v1", tolerance, step_of!(Acrobot, choice));
}

#[test]
fn golden_mountain_car_steps_as_in_gymnasium() {
    let tolerance = Tolerance { state: 1e-15, observation: 0.0, reward: 0.0 };
    compare::<MountainCar, 2>("MountainCar-v0", tolerance, step_of!(MountainCar, choice));
}

#[test]
fn golden_mountain_car_continuous_steps_as_in_gymnasium() {
    let tolerance = Tolerance { state: 0.0, observation: 0.0, reward: 1e-15 };
    let step = step_of!(MountainCarContinuous, throttle);
    compare::<MountainCarContinuous, 2>("MountainCarContinuous-v0", tolerance, step);
}
