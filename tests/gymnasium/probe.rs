//! Environments of `probe_environments.py`, through a script that brings that into the reach of the interpreter.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;

const PROBE: &str = "probe_environments:Probe-v0";

/// An interpreter that starts the real one with `prefix` (variables) and `flags`; it lives as long as the folder.
fn wrapped(prefix: &str, flags: &str) -> Option<(TempDir, PathBuf)> {
    let python = python_with(&["gymnasium"])?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("python");
    let line = format!("#!/bin/sh\n{prefix} exec '{}' {flags} \"$@\"\n", python.display());
    fs::write(&path, line).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Some((folder, path))
}

fn with_probe() -> Option<(TempDir, PathBuf)> {
    wrapped(&format!("PYTHONPATH='{}'", reference("").display()), "")
}

fn start(python: &Path, arguments: Value) -> Result<GymnasiumEnvironments, EnvironmentError> {
    let Value::Object(arguments) = arguments else { panic!("an object") };
    let options = GymnasiumOptions { python: Some(python.into()), arguments, ..options(2, 1) };
    GymnasiumEnvironments::start(PROBE, &options)
}

#[test]
fn every_number_type_and_space_is_carried_or_refused_in_a_sentence() {
    let Some((_folder, python)) = with_probe() else { return };
    for (space, shape, kind) in [
        ("float16", &[2][..], ObservationKind::F32),
        ("int64", &[2, 2], ObservationKind::F64),
        ("scalar", &[1], ObservationKind::F64),
        ("discrete", &[4], ObservationKind::F32),
        ("multi_discrete", &[5], ObservationKind::F32),
        ("multi_binary", &[3], ObservationKind::F32),
        ("picture", &[3, 6, 5], ObservationKind::U8),
    ] {
        let mut environments = start(&python, json!({"observation": space})).unwrap();
        let spec = environments.spec();
        assert_eq!((&spec.observation_shape[..], spec.observation_kind), (shape, kind), "{space}");
        environments.reset(Some(1)).unwrap();
        environments.step(Actions::Discrete(&[0, 3])).unwrap();
    }
    for space in ["dict", "tuple", "text", "from_1", "empty"] {
        for role in ["observation", "action"] {
            let error = failure(start(&python, json!({role: space})));
            let named = |message: &str| message.contains(&format!("the {role} space"));
            assert!(matches!(&error, GymnasiumError::UnsupportedSpace { message, .. } if named(message)), "{error}");
        }
    }
    let error = failure(start(&python, json!({"action": "integers"})));
    assert!(error.to_string().contains("use MultiDiscrete"), "{error}");
}

#[test]
fn discrete_observations_are_one_hot_and_pictures_channel_first() {
    let Some((_folder, python)) = with_probe() else { return };
    let mut environments = start(&python, json!({"observation": "multi_discrete"})).unwrap();
    for _ in 0..3 {
        let Observations::F32(shown) = environments.reset(None).unwrap() else { panic!("f32") };
        for row in shown.chunks_exact(5) {
            assert_eq!((row[..2].iter().sum::<f32>(), row[2..].iter().sum::<f32>()), (1.0, 1.0), "{row:?}");
        }
    }
    // The same samples, in the order of gymnasium.
    let list = "import probe_environments as p, json, sys
e = p.Probe(observation='picture'); print(json.dumps(e.reset()[0].transpose(2, 0, 1).reshape(-1).tolist()))";
    let output = Command::new(&python).args(["-c", list]).output().unwrap();
    let expected: Vec<u8> = serde_json::from_slice(&output.stdout).unwrap();
    let mut environments = start(&python, json!({"observation": "picture"})).unwrap();
    let Observations::U8(shown) = environments.reset(None).unwrap() else { panic!("u8") };
    assert_eq!(shown[..90], expected[..]);
}

#[test]
fn every_kind_of_action_arrives_as_the_environment_expects_it() {
    let Some((_folder, python)) = with_probe() else { return };
    let cases = [
        ("discrete", Drawn::Indices(vec![3, 1]), [3.0, 1.0]),
        ("multi_discrete", Drawn::Indices(vec![1, 2, 0, 1]), [1.0, 0.0]),
        ("multi_binary", Drawn::Indices(vec![1, 0, 1, 0, 1, 1]), [1.0, 0.0]),
        ("box", Drawn::Numbers(vec![0.25, -1.0, -0.5, 1.0]), [0.25, -0.5]),
        ("matrix", Drawn::Numbers(vec![0.5, 0.0, 0.0, 0.0, -0.75, 0.0, 0.0, 0.0]), [0.5, -0.75]),
        ("unbounded", Drawn::Numbers(vec![100.0, 0.0, -100.0, 0.0]), [100.0, -100.0]),
    ];
    for (space, actions, rewards) in cases {
        let mut environments = start(&python, json!({"action": space, "habit": "own"})).unwrap();
        environments.reset(None).unwrap();
        assert_eq!(environments.step(actions.view()).unwrap().rewards, rewards, "{space}");
    }
}

/// The error of the third step.
fn third_step(python: &Path, habit: &str) -> EnvironmentError {
    let mut environments = start(python, json!({"habit": habit})).unwrap();
    environments.reset(Some(40)).unwrap();
    for _ in 0..2 {
        environments.step(Actions::Discrete(&[0, 0])).unwrap();
    }
    environments.step(Actions::Discrete(&[0, 0])).unwrap_err()
}

#[test]
fn what_an_environment_does_wrong_is_named() {
    let Some((_folder, python)) = with_probe() else { return };
    let EnvironmentError::Gymnasium(error) = third_step(&python, "die") else { panic!("a death") };
    let GymnasiumError::Died { seed: Some(40), status, stderr, .. } = &error else { panic!("{error}") };
    assert!(status.contains("SIGABRT") && stderr.contains("about to die"), "{error}");
    let error = third_step(&python, "raise").to_string();
    assert!(error.contains("environment 0") && error.contains("seed 40"), "{error}");
    assert!(error.contains("RuntimeError: the wheel came off (") && error.contains("probe_environments.py"), "{error}");
    let error = third_step(&python, "shape").to_string();
    assert!(error.contains("has the shape (1,), the observation space says (2,)"), "{error}");
    assert!(matches!(third_step(&python, "nan"), EnvironmentError::NotFinite { env: 0, .. }));
}

#[test]
fn what_an_environment_prints_does_no_harm() {
    let Some((_folder, python)) = with_probe() else { return };
    let mut environments = start(&python, json!({"habit": "print"})).unwrap();
    environments.reset(None).unwrap();
    for _ in 0..4 {
        assert_eq!(environments.step(Actions::Discrete(&[2, 1])).unwrap().rewards, [2.0, 1.0]);
    }
}

#[test]
fn an_end_at_the_time_limit_is_one_of_the_task() {
    let Some((_folder, python)) = with_probe() else { return };
    for (habit, end) in [("terminate", End::Terminated), ("own", End::Truncated)] {
        let mut environments = start(&python, json!({"habit": habit})).unwrap();
        environments.reset(None).unwrap();
        for _ in 0..2 {
            assert_eq!(environments.step(Actions::Discrete(&[1, 1])).unwrap().ends, [None, None]);
        }
        let step = environments.step(Actions::Discrete(&[1, 1])).unwrap();
        assert_eq!(step.ends, [Some(end); 2]);
        assert_eq!(step.episodes[0].map(|episode| episode.length), Some(3));
    }
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let Some((_folder, python)) = with_probe() else { return };
    let arguments = Map::from_iter([("habit".into(), json!("die"))]);
    let options = GymnasiumOptions { python: Some(python), respawn: true, arguments, ..options(1, 1) };
    let mut environments = GymnasiumEnvironments::start(PROBE, &options).unwrap();
    environments.reset(Some(1)).unwrap();
    let ends: Vec<_> = (0..3).map(|_| environments.step(Actions::Discrete(&[0])).unwrap().ends[0]).collect();
    assert_eq!(ends, [None, None, Some(End::Truncated)]);
    assert_eq!(environments.respawns(), 1);
}

#[test]
fn an_interpreter_without_gymnasium_says_how_to_install_it() {
    let Some((_folder, python)) = wrapped("", "-S") else { return };
    let options = GymnasiumOptions { python: Some(python), ..options(1, 1) };
    let error = failure(GymnasiumEnvironments::start("Ant-v4", &options));
    assert!(matches!(&error, GymnasiumError::MissingPackage { .. }), "{error}");
    assert!(error.to_string().contains("pip install 'gymnasium[mujoco"), "{error}");
}

#[test]
fn an_import_that_takes_too_long_is_given_up() {
    let Some((_folder, python)) = wrapped("", "") else { return };
    let hasty = Duration::from_millis(1);
    let options = GymnasiumOptions { python: Some(python), handshake_timeout: hasty, ..options(1, 1) };
    let error = failure(GymnasiumEnvironments::start("CartPole-v1", &options));
    assert!(matches!(error, GymnasiumError::Timeout { .. }), "{error}");
}
