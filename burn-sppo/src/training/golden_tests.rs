use burn::tensor::Device;
use golden::{Case, Fixture, flags, numbers, numbers_f32};
use serde_json::Value;

use super::{EvaluationConfig, evaluate};
use crate::{
    environment::{
        ActionSpace, End, EnvironmentSpec, Episode, ObservationKind,
        wrapper::scripted::{Scene, Scripted},
    },
    policy::PolicyConfig,
    run::{Purpose, Streams},
};

/// Games that lose lives, seen through wrappers, as they were recorded.
fn games(case: &Case) -> Scripted<f64> {
    let steps = case.input("steps").as_array().unwrap();
    let num_envs = steps[0]["rewards"].as_array().unwrap().len();
    let scene = |step: &Value| {
        let ends = flags(&step["dones"]).into_iter().zip(flags(&step["truncated"]));
        let episode = |episode: &Value| {
            let numbers = episode.as_array().map(|_| numbers(episode))?;
            Some(Episode { episode_return: numbers[0], length: numbers[1] as u64 })
        };
        Scene {
            observations: vec![0.0; num_envs],
            rewards: numbers_f32(&step["rewards"]),
            ends: ends
                .map(|(done, truncated)| done.then_some(if truncated { End::Truncated } else { End::Terminated }))
                .collect(),
            finals: vec![0.0; num_envs],
            episodes: step["episodes"].as_array().unwrap().iter().map(episode).collect(),
        }
    };
    let spec = EnvironmentSpec {
        id: case.name().into(),
        num_envs,
        observation_shape: vec![1],
        observation_kind: ObservationKind::F64,
        action_space: ActionSpace::Discrete { n: 2 },
    };
    Scripted::new(spec, vec![0.0; num_envs], steps.iter().map(scene).collect())
}

/// Against `evaluate_policy` of Stable-Baselines3 with and without a monitor
/// (`tests/reference/evaluation_accounting.py`).
#[test]
fn golden_evaluation_accounting() {
    let streams = Streams::new(0);
    let text = include_str!("../../../tests/golden/data/evaluation_accounting.json");
    for case in Fixture::parse(text).unwrap().cases() {
        let mut games = games(case);
        let mut stream = streams.stream(Purpose::Initialization, 0, 0);
        let policy = PolicyConfig::new().init(&[1], &games.spec.action_space, &mut stream, &Device::flex()).unwrap();
        let episodes = case.input("episodes").as_u64().unwrap() as usize;
        let config = EvaluationConfig { every: 0, episodes, deterministic: true };
        let scores = evaluate(&policy, &mut games, &config, streams, 0, &Device::flex()).unwrap();
        case.check("returns", &scores.returns);
        case.check("lengths", &scores.lengths.iter().map(|&length| length as f64).collect::<Vec<_>>());
        case.check("mean", &[scores.mean()]);
        case.check("std", &[scores.std()]);
        case.check("wrapped_returns", &scores.wrapped_returns);
        case.assert_all_compared(&[]);
    }
}
