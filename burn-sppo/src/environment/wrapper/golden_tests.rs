use std::path::Path;

use golden::{Case, flags, numbers, numbers_f32, shape};
use serde_json::Value;

use super::scripted::{Scene, Scripted};
use super::{Discretize, FrameStack, Normalizer, NormalizerConfig, RunningMoments, VecNormalize};
use crate::environment::{
    ActionSpace, Actions, End, EnvironmentSpec, ObservationKind, Observations, VectorEnvironment,
};

fn number(case: &Case, key: &str) -> f64 {
    case.input(key).as_f64().unwrap()
}

fn f32s(observations: Observations<'_>) -> Vec<f32> {
    let Observations::F32(numbers) = observations else { panic!("{observations:?}") };
    numbers.to_vec()
}

#[test]
fn golden_running_moments() {
    for case in golden::load("normalizer.json").cases_of("kind", "running_mean_std") {
        let batches = case.input("batches").as_array().unwrap();
        let features = shape(&batches[0]).get(1).copied().unwrap_or(1);
        let mut moments = RunningMoments::new(features);
        for (i, batch) in batches.iter().enumerate() {
            let batch = numbers(batch);
            moments.update(batch.len() / features, |entry| batch[entry]);
            case.check(&format!("after_each_batch.{i}.mean"), moments.mean());
            case.check(&format!("after_each_batch.{i}.var"), moments.variance());
            case.check(&format!("after_each_batch.{i}.count"), &[moments.count()]);
        }
        case.assert_all_compared(&[]);
    }
}

fn scripted(case: &Case) -> Scripted<f64> {
    let &[num_envs, features] = shape(case.input("reset_obs")).as_slice() else { panic!("{}", case.name()) };
    let steps = case.input("steps").as_array().unwrap();
    let scenes = steps.iter().map(|step| {
        let ends: Vec<Option<End>> = flags(&step["dones"]).iter().map(|done| done.then_some(End::Terminated)).collect();
        let mut finals = vec![f64::NAN; num_envs * features];
        for (env, _) in ends.iter().enumerate().filter(|(_, end)| end.is_some()) {
            let last = numbers(&step["terminal_obs"][env.to_string()]);
            finals[env * features..(env + 1) * features].copy_from_slice(&last);
        }
        Scene {
            observations: numbers(&step["obs"]),
            rewards: numbers_f32(&step["rewards"]),
            ends,
            finals,
            episodes: vec![None; num_envs],
        }
    });
    let spec = EnvironmentSpec {
        id: case.name().into(),
        num_envs,
        observation_shape: vec![features],
        observation_kind: ObservationKind::F64,
        action_space: ActionSpace::Discrete { n: 2 },
    };
    Scripted::new(spec, numbers(case.input("reset_obs")), scenes.collect())
}

fn normalizer(case: &Case, features: usize) -> Normalizer {
    let config = NormalizerConfig {
        gamma: number(case, "gamma"),
        epsilon: number(case, "epsilon"),
        clip_observation: number(case, "clip_obs"),
        clip_reward: number(case, "clip_reward"),
        normalize_observation: case.input("norm_obs") == true,
        normalize_reward: case.input("norm_reward") == true,
    };
    let mut normalizer = Normalizer::new(config, features).unwrap();
    normalizer.training = case.input("training") == true;
    if case.input("initial_stats").is_object() {
        let moments = |of: &str| {
            let [mean, variance, count] =
                ["mean", "var", "count"].map(|key| numbers(case.input(&format!("initial_stats.{of}.{key}"))));
            RunningMoments::from_parts(mean, variance, count[0]).unwrap()
        };
        normalizer.set_statistics(moments("obs"), moments("ret")).unwrap();
    }
    normalizer
}

#[test]
fn golden_vec_normalize() {
    for case in golden::load("normalizer.json").cases_of("kind", "vec_normalize") {
        let inner = scripted(case);
        let (num_envs, features, steps) = (inner.spec.num_envs, inner.spec.features(), inner.steps.len());
        let gamma = number(case, "gamma");
        let mut environments = VecNormalize::with_normalizer(inner, normalizer(case, features)).unwrap();
        case.check_f32("reset_obs", &f32s(environments.reset(None).unwrap()));
        let mut discounted = vec![0.0; num_envs];
        for i in 0..steps {
            let step = environments.step(Actions::Discrete(&vec![0; num_envs])).unwrap();
            case.check_f32(&format!("steps.{i}.obs"), &f32s(step.observations));
            case.check_f32(&format!("steps.{i}.rewards"), step.rewards);
            let finals = f32s(step.final_observations);
            let ended: Vec<bool> = step.ends.iter().map(Option::is_some).collect();
            for env in (0..num_envs).filter(|env| ended[*env]) {
                let last = &finals[env * features..(env + 1) * features];
                case.check_f32(&format!("steps.{i}.terminal_obs.{env}"), last);
            }
            if case.input("training") == true {
                let rewards = numbers(&case.input("steps")[i]["rewards"]);
                discounted.iter_mut().zip(rewards).for_each(|(sum, reward)| *sum = *sum * gamma + reward);
            }
            case.check(&format!("steps.{i}.discounted_return"), &discounted);
            discounted.iter_mut().zip(ended).filter(|(_, ended)| *ended).for_each(|(sum, _)| *sum = 0.0);
            assert_eq!(environments.discounted_returns(), discounted);
            let normalizer = environments.normalizer().unwrap();
            for (of, moments) in
                [("obs_stats", normalizer.observation_moments()), ("ret_stats", normalizer.return_moments())]
            {
                case.check(&format!("steps.{i}.{of}.mean"), moments.mean());
                case.check(&format!("steps.{i}.{of}.var"), moments.variance());
                case.check(&format!("steps.{i}.{of}.count"), &[moments.count()]);
            }
        }
        case.assert_all_compared(&[]);
    }
}

#[test]
fn golden_discretize() {
    for case in golden::load("discretize.json").cases() {
        let [low, high] = ["low", "high"].map(|key| numbers_f32(case.input(key)));
        let &[num_envs, width] = shape(case.input("indices")).as_slice() else { panic!("{}", case.name()) };
        assert_eq!(width, low.len());
        let spec = EnvironmentSpec {
            id: case.name().into(),
            num_envs,
            observation_shape: vec![1],
            observation_kind: ObservationKind::F64,
            action_space: ActionSpace::Continuous { low, high },
        };
        let scene = Scene {
            observations: vec![0.0; num_envs],
            rewards: vec![0.0; num_envs],
            ends: vec![None; num_envs],
            finals: vec![0.0; num_envs],
            episodes: vec![None; num_envs],
        };
        let inner = Scripted::new(spec, vec![0.0; num_envs], vec![scene]);
        let mut environments = Discretize::new(inner, number(case, "bins") as usize).unwrap();
        let ActionSpace::MultiDiscrete { sizes } = &environments.spec().action_space else { panic!("{}", case.name()) };
        case.check("nvec", &sizes.iter().map(|size| *size as f64).collect::<Vec<_>>());
        case.check_f32("table", &environments.table().concat());
        environments.reset(None).unwrap();
        environments.step(Actions::Discrete(&golden::integers(case.input("indices")))).unwrap();
        case.check_f32("actions", &environments.inner().continuous);
        case.assert_all_compared(&[]);
    }
}

/// Against VecFrameStack of Stable-Baselines3 (`tests/reference/frame_stack.py`).
#[test]
fn golden_frame_stack() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/data/frame_stack.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let frames = |value: &Value| -> Vec<u8> { numbers(value).into_iter().map(|number| number as u8).collect() };
    let mut ends = 0;
    for case in file["cases"].as_array().unwrap() {
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let shape = shape(&inputs["first_frames"]);
        let num_envs = shape[0];
        let scenes = inputs["steps"].as_array().unwrap().iter().map(|step| Scene {
            observations: frames(&step["frames"]),
            rewards: vec![0.0; num_envs],
            ends: flags(&step["dones"]).iter().map(|done| done.then_some(End::Terminated)).collect(),
            finals: frames(&step["final_frames"]),
            episodes: vec![None; num_envs],
        });
        let spec = EnvironmentSpec {
            id: case["name"].as_str().unwrap().into(),
            num_envs,
            observation_shape: shape[1..].to_vec(),
            observation_kind: ObservationKind::U8,
            action_space: ActionSpace::Discrete { n: 2 },
        };
        let inner = Scripted::new(spec, frames(&inputs["first_frames"]), scenes.collect());
        let mut stack = FrameStack::new(inner, inputs["count"].as_u64().unwrap() as usize).unwrap();
        let stacked = golden::shape(&expected["first_observations"]);
        assert_eq!(stack.spec().observation_shape, stacked[1..]);
        let first = frames(&expected["first_observations"]);
        assert_eq!(stack.reset(None).unwrap(), Observations::U8(&first), "{}", case["name"]);
        for (number, expected) in expected["steps"].as_array().unwrap().iter().enumerate() {
            let step = stack.step(Actions::Discrete(&vec![0; num_envs])).unwrap();
            let observations = frames(&expected["observations"]);
            assert_eq!(step.observations, Observations::U8(&observations), "{}, step {number}", case["name"]);
            let Observations::U8(finals) = step.final_observations else { panic!("{}", case["name"]) };
            for (finals, env) in
                finals.chunks(finals.len() / num_envs).zip(0..).filter(|(_, env)| step.ends[*env].is_some())
            {
                assert_eq!(
                    finals,
                    frames(&expected["final_observations"][env.to_string()]),
                    "{}, step {number}",
                    case["name"]
                );
                ends += 1;
            }
        }
    }
    assert!(ends > 0);
}
