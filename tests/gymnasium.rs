//! Environments in Python worker processes, with a real Python.
//!
//! The tests use the interpreter of `BURN_SPPO_PYTHON` (or the one that is found without it), and skip themselves, saying
//! so, where that lacks a package: see `burn-sppo/python/requirements-paper.txt`. The comparison with the Atari wrappers
//! of Stable-Baselines3 needs that package too.

#[cfg(unix)]
#[path = "gymnasium/probe.rs"]
mod probe;

use std::path::{Path, PathBuf};
use std::process::Command;

use burn_sppo::environment::gymnasium::{GymnasiumEnvironments, GymnasiumError, GymnasiumOptions, find_python};
use burn_sppo::environment::{
    ActionSpace, Actions, End, EnvironmentError, ObservationKind, Observations, VectorEnvironment,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The interpreter, if it has `modules`.
fn python_with(modules: &[&str]) -> Option<PathBuf> {
    let python = find_python(None);
    let output = Command::new(&python).args(["-c", &format!("import {}", modules.join(", "))]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: {} does not have all of {modules:?}", python.display());
    None
}

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference").join(name)
}

fn worker_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/worker.py")
}

fn options(num_envs: usize, workers: usize) -> GymnasiumOptions {
    GymnasiumOptions { workers: Some(workers), ..GymnasiumOptions::new(num_envs) }
}

/// SplitMix64 over counters: the same numbers as in the script.
fn mix(counters: [u64; 3]) -> u64 {
    counters.into_iter().fold(0, |state: u64, counter| {
        let mut state = state.wrapping_add(counter).wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^ (state >> 31)
    })
}

/// Actions of one step.
enum Drawn {
    Indices(Vec<i64>),
    Numbers(Vec<f32>),
}

impl Drawn {
    fn new(space: &ActionSpace, num_envs: usize, step: u64) -> Self {
        let places = (0..num_envs as u64).flat_map(|env| (0..space.width() as u64).map(move |i| (env, i)));
        match space {
            ActionSpace::Continuous { low, high } => Self::Numbers(
                places
                    .map(|(env, i)| {
                        let unit = (mix([step, env, i]) >> 40) as f64 / f64::from(1 << 24);
                        let (low, high) = (f64::from(low[i as usize]), f64::from(high[i as usize]));
                        (low + (high - low) * unit) as f32
                    })
                    .collect(),
            ),
            space => Self::Indices(
                places
                    .map(|(env, i)| (mix([step, env, i]) % space.choices(i as usize).unwrap() as u64) as i64)
                    .collect(),
            ),
        }
    }

    fn view(&self) -> Actions<'_> {
        match self {
            Self::Indices(indices) => Actions::Discrete(indices),
            Self::Numbers(numbers) => Actions::Continuous(numbers),
        }
    }
}

fn add(digest: &mut Sha256, observations: Observations<'_>, env: usize, num_envs: usize) {
    let range = |len: usize| env * len / num_envs..(env + 1) * len / num_envs;
    match observations {
        Observations::U8(all) => digest.update(&all[range(all.len())]),
        Observations::F32(all) => all[range(all.len())].iter().for_each(|x| digest.update(x.to_le_bytes())),
        Observations::F64(all) => all[range(all.len())].iter().for_each(|x| digest.update(x.to_le_bytes())),
    }
}

/// What `gymnasium_loop.py` prints, of worker processes.
fn digest_of(environments: &mut GymnasiumEnvironments, steps: u64, seed: u64) -> Value {
    let spec = environments.spec().clone();
    let (mut digest, mut digests, mut ends, mut episodes) = (Sha256::new(), Vec::new(), 0, 0);
    let first = environments.reset(Some(seed)).unwrap();
    (0..spec.num_envs).for_each(|env| add(&mut digest, first, env, spec.num_envs));
    for step_number in 0..steps {
        let actions = Drawn::new(&spec.action_space, spec.num_envs, step_number);
        let step = environments.step(actions.view()).unwrap();
        for env in 0..spec.num_envs {
            add(&mut digest, step.observations, env, spec.num_envs);
            digest.update(step.rewards[env].to_le_bytes());
            let end = step.ends[env];
            digest.update([end.map_or(0, |end| if end == End::Terminated { 1 } else { 2 })]);
            if end.is_some() {
                add(&mut digest, step.final_observations, env, spec.num_envs);
                ends += 1;
            }
            if let Some(episode) = step.episodes[env] {
                digest.update(episode.episode_return.to_le_bytes());
                digest.update(episode.length.to_le_bytes());
                episodes += 1;
            }
        }
        if (step_number + 1) % 100 == 0 {
            let hex = digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            digests.push(hex);
        }
    }
    json!({"digests": digests, "ends": ends, "episodes": episodes})
}

/// Runs a script of `tests/reference`, and reads the JSON that it prints.
fn script(python: &Path, name: &str, arguments: &[&str]) -> Value {
    let output = Command::new(python).arg(reference(name)).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name} {arguments:?}: {error}; {complaint}"))
}

/// Compares workers with a loop in one Python process.
fn compare(python: &Path, kind: &str, id: &str, num_envs: usize, steps: u64) {
    let mut environments = GymnasiumEnvironments::start(id, &options(num_envs, 2)).unwrap();
    let name = environments.spec().id.clone();
    let found = digest_of(&mut environments, steps, 10_000);
    let expected =
        script(python, "gymnasium_loop.py", &[kind, &name, &num_envs.to_string(), &steps.to_string(), "10000"]);
    assert_eq!(found, expected, "{id}: each digest covers all steps up to it, 100 more than the one before");
    println!("{id}: {steps} steps of {num_envs}, {} ends, {} episodes", found["ends"], found["episodes"]);
    assert!(found["ends"].as_u64() > Some(0), "{id}: some episode must end for the comparison to cover that");
}

#[test]
fn mujoco_tasks_equal_a_direct_loop_bit_for_bit() {
    let Some(python) = python_with(&["gymnasium", "mujoco"]) else { return };
    for id in [
        "Ant-v4",
        "HalfCheetah-v4",
        "Hopper-v4",
        "Humanoid-v4",
        "HumanoidStandup-v4",
        "InvertedDoublePendulum-v4",
        "Swimmer-v4",
        "Walker2d-v4",
    ] {
        compare(&python, "direct", id, 4, 1100);
    }
}

#[test]
fn box2d_tasks_equal_a_direct_loop_bit_for_bit() {
    let Some(python) = python_with(&["gymnasium", "Box2D"]) else { return };
    for id in ["BipedalWalker-v3", "LunarLanderContinuous-v2", "LunarLander-v3"] {
        compare(&python, "direct", id, 4, 1500);
    }
}

#[test]
fn classic_tasks_equal_a_direct_loop_bit_for_bit() {
    let Some(python) = python_with(&["gymnasium"]) else { return };
    for id in ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"] {
        compare(&python, "direct", id, 4, 1500);
    }
}

#[test]
fn atari_games_equal_the_wrappers_of_stable_baselines() {
    let Some(python) = python_with(&["gymnasium", "ale_py", "cv2", "stable_baselines3"]) else { return };
    for game in [
        "Alien",
        "BeamRider",
        "Breakout",
        "Freeway",
        "MsPacman",
        "Pong",
        "Qbert",
        "Seaquest",
        "SpaceInvaders",
        "WizardOfWor",
    ] {
        compare(&python, "stable_baselines", &format!("{game}NoFrameskip-v4"), 2, 2500);
    }
}

#[test]
fn atari_oddities_equal_the_wrappers_of_stable_baselines() {
    let Some(python) = python_with(&["gymnasium", "cv2", "stable_baselines3"]) else { return };
    let compared = script(&python, "atari_oddities.py", &["compare", worker_source().to_str().unwrap(), "3000"]);
    assert_eq!(compared["steps"], 18_000);
    assert!(compared["ends"].as_u64() > Some(1000) && compared["games"].as_u64() > Some(1000), "{compared}");
}

#[test]
fn golden_atari_wrappers_are_those_of_stable_baselines_without_that_package() {
    let Some(python) = python_with(&["gymnasium", "cv2"]) else { return };
    let fixture = reference("atari_wrappers.json");
    let arguments = ["check", worker_source().to_str().unwrap(), fixture.to_str().unwrap()].map(str::to_owned);
    let checked = script(&python, "atari_oddities.py", &arguments.each_ref().map(String::as_str));
    let fixture: Value = serde_json::from_slice(&std::fs::read(&fixture).unwrap()).unwrap();
    let steps = fixture["games"].as_array().unwrap().iter().map(|game| game["rows"].as_array().unwrap().len() - 1);
    assert_eq!(checked["steps"], steps.sum::<usize>());
}

/// The picture of the fixture, 210 × 160 pixels of three bytes, as the script makes it.
fn picture() -> Vec<u8> {
    let places = (0..210u32).flat_map(|y| (0..160u32).flat_map(move |x| (0..3u32).map(move |channel| (y, x, channel))));
    places.map(|(y, x, channel)| ((y * y * 7 + x * 31 + channel * 85 + x * y / 5) % 256) as u8).collect()
}

#[test]
fn golden_atari_picture_is_the_grey_area_average() {
    let fixture: Value = serde_json::from_slice(&std::fs::read(reference("atari_wrappers.json")).unwrap()).unwrap();
    let hex = fixture["grey"].as_str().unwrap();
    let frame: Vec<u8> =
        (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect();
    check_grey_average(&picture(), &frame);
}

#[test]
fn every_atari_game_resets_and_steps() {
    let Some(python) = python_with(&["gymnasium", "ale_py", "cv2"]) else { return };
    let list = "import gymnasium as g, ale_py, json; g.register_envs(ale_py)
print(json.dumps([i for i in g.registry if i.endswith('NoFrameskip-v4')]))";
    let output = Command::new(python).args(["-c", list]).output().unwrap();
    let ids: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ids.len(), 62);
    for id in &ids {
        let mut environments = GymnasiumEnvironments::start(id, &options(1, 1)).unwrap();
        let spec = environments.spec().clone();
        assert_eq!((&spec.observation_shape[..], spec.observation_kind), (&[1, 84, 84][..], ObservationKind::U8));
        let Observations::U8(first) = environments.reset(Some(1)).unwrap() else { panic!("{id}") };
        let (first, mut moved, mut step_number) = (first.to_vec(), false, 0);
        // Some games begin with a still picture.
        while step_number < 40 || (!moved && step_number < 1000) {
            let actions = Drawn::new(&spec.action_space, 1, step_number);
            let step = environments.step(actions.view()).unwrap();
            let Observations::U8(frame) = step.observations else { panic!("{id}") };
            moved |= frame != first;
            assert!([-1.0, 0.0, 1.0].contains(&step.rewards[0]), "{id}");
            step_number += 1;
        }
        assert!(moved, "{id}: the picture must change");
    }
}

#[test]
fn frames_are_the_grey_area_average_of_the_screen() {
    let Some(_) = python_with(&["gymnasium", "ale_py", "cv2"]) else { return };
    // A game without a fire button shows the plain screen first.
    let mut environments = GymnasiumEnvironments::start("MsPacmanNoFrameskip-v4", &options(1, 1)).unwrap();
    let Observations::U8(frame) = environments.reset(Some(3)).unwrap() else { panic!("u8") };
    let frame = frame.to_vec();
    let screen = environments.render(0).unwrap().unwrap();
    assert_eq!((screen.width, screen.height), (160, 210));
    check_grey_average(&screen.rgb, &frame);
}

/// Checks that `frame`, 84 × 84, is the area average of 210 × 160 pixels in grey, to a level.
fn check_grey_average(rgb: &[u8], frame: &[u8]) {
    assert_eq!((rgb.len(), frame.len()), (210 * 160 * 3, 84 * 84));
    let gray: Vec<f64> = rgb
        .chunks_exact(3)
        .map(|rgb| (0.299 * f64::from(rgb[0]) + 0.587 * f64::from(rgb[1]) + 0.114 * f64::from(rgb[2])).round())
        .collect();
    // The share of each source row or column in the target one `to`.
    let shares = |to: usize, from_len: usize| {
        let scale = from_len as f64 / 84.0;
        let (low, high) = (to as f64 * scale, (to + 1) as f64 * scale);
        (low as usize..(high.ceil() as usize).min(from_len))
            .map(move |i| (i, ((i + 1) as f64).min(high) - (i as f64).max(low)))
    };
    for (place, &shown) in frame.iter().enumerate() {
        let (mut sum, mut area) = (0.0, 0.0);
        for (y, height) in shares(place / 84, 210) {
            for (x, width) in shares(place % 84, 160) {
                sum += gray[y * 160 + x] * height * width;
                area += height * width;
            }
        }
        assert!((sum / area - f64::from(shown)).abs() <= 1.0, "pixel {place}: {} is shown as {shown}", sum / area);
    }
    assert!(frame.iter().any(|&pixel| pixel != frame[0]));
}

#[test]
fn a_seed_makes_a_new_game_whatever_was_before() {
    let Some(_) = python_with(&["gymnasium", "ale_py", "cv2"]) else { return };
    let mut environments = GymnasiumEnvironments::start("SpaceInvadersNoFrameskip-v4", &options(2, 1)).unwrap();
    let first = digest_of(&mut environments, 100, 4);
    assert_eq!(digest_of(&mut environments, 100, 4), first);
    assert_ne!(digest_of(&mut environments, 100, 5), first);
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let Some(_) = python_with(&["gymnasium"]) else { return };
    let [one, three] = [1, 3].map(|workers| {
        let mut environments = GymnasiumEnvironments::start("CartPole-v1", &options(5, workers)).unwrap();
        digest_of(&mut environments, 300, 9)
    });
    assert_eq!(one, three);
}

#[test]
fn another_time_limit_and_arguments_reach_the_task() {
    let Some(_) = python_with(&["gymnasium"]) else { return };
    let mut arguments = Map::new();
    arguments.insert("g".into(), json!(0.0));
    let limited = GymnasiumOptions { max_episode_steps: Some(7), arguments, ..options(1, 1) };
    let mut environments = GymnasiumEnvironments::start("Pendulum-v1", &limited).unwrap();
    environments.reset(Some(1)).unwrap();
    for step_number in 1..=7 {
        let step = environments.step(Actions::Continuous(&[0.0])).unwrap();
        assert_eq!(step.ends[0].is_some(), step_number == 7);
    }
    let wrong = GymnasiumOptions { arguments: Map::from_iter([("wheels".into(), json!(4))]), ..options(1, 1) };
    let error = failure(GymnasiumEnvironments::start("Pendulum-v1", &wrong));
    assert!(matches!(&error, GymnasiumError::Make { message, .. } if message.contains("wheels")), "{error}");
}

#[test]
fn versions_aliases_and_nearest_names_are_told() {
    let Some(_) = python_with(&["gymnasium", "Box2D"]) else { return };
    let environments = GymnasiumEnvironments::start("LunarLanderContinuous-v2", &options(1, 1)).unwrap();
    let versions = environments.versions();
    assert!(versions.python.starts_with("3.") && versions.gymnasium.is_some() && versions.box2d.is_some());
    if environments.spec().id != "LunarLanderContinuous-v2" {
        assert_eq!(environments.spec().id, "LunarLanderContinuous-v3");
        assert!(environments.notes()[0].contains(&versions.python), "{:?}", environments.notes());
        assert!(environments.notes()[1].contains("LunarLanderContinuous-v2 is"), "{:?}", environments.notes());
    }
    let error = failure(GymnasiumEnvironments::start("Pendlum-v1", &options(1, 1)));
    assert!(matches!(&error, GymnasiumError::UnknownTask { nearest, .. } if nearest[0] == "Pendulum-v1"), "{error}");
}

/// Says in the process that is to be killed that it is that one.
#[cfg(target_os = "linux")]
const PARENT: &str = "BURN_SPPO_TEST_PARENT";

#[cfg(target_os = "linux")]
#[test]
fn workers_do_not_outlive_their_parent() {
    use std::{
        process::Stdio,
        time::{Duration, Instant},
    };

    if std::env::var_os(PARENT).is_some() {
        let _environments = GymnasiumEnvironments::start("CartPole-v1", &options(4, 2)).unwrap();
        std::thread::sleep(Duration::from_secs(120));
        return;
    }
    if python_with(&["gymnasium"]).is_none() {
        return;
    }
    let wait_for = |what: &str, mut ready: Box<dyn FnMut() -> bool>| {
        let start = Instant::now();
        while !ready() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "workers_do_not_outlive_their_parent"])
        .env(PARENT, "yes")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // A test runs in a thread of its own, whose children are those of the process.
    let tasks = PathBuf::from(format!("/proc/{}/task", parent.id()));
    let children = move || -> Vec<String> {
        let threads = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
        let lists = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
        lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let there = children.clone();
    wait_for("two workers must start", Box::new(move || there().len() == 2));
    let workers = children();
    parent.kill().unwrap();
    parent.wait().unwrap();
    // A process that has ended and that nobody has asked about yet is a zombie, without a command line.
    let ends = move |worker: &String| {
        std::fs::read(format!("/proc/{worker}/cmdline")).map_or(true, |command| command.is_empty())
    };
    wait_for("workers must end with their parent", Box::new(move || workers.iter().all(&ends)));
}

#[test]
fn pictures_come_on_demand() {
    let Some(_) = python_with(&["gymnasium", "pygame"]) else { return };
    let rendering = GymnasiumOptions { render: true, ..options(2, 1) };
    let mut environments = GymnasiumEnvironments::start("CartPole-v1", &rendering).unwrap();
    environments.reset(Some(1)).unwrap();
    let frame = environments.render(1).unwrap().unwrap();
    assert_eq!((frame.width, frame.height, frame.rgb.len()), (600, 400, 600 * 400 * 3));
    assert!(frame.rgb.iter().any(|&value| value != frame.rgb[0]));
    let mut environments = GymnasiumEnvironments::start("CartPole-v1", &options(1, 1)).unwrap();
    environments.reset(Some(1)).unwrap();
    assert!(environments.render(0).unwrap().is_none());
}

fn failure(result: Result<GymnasiumEnvironments, EnvironmentError>) -> GymnasiumError {
    match result.map(|environments| environments.spec().clone()) {
        Err(EnvironmentError::Gymnasium(error)) => error,
        other => panic!("{other:?}"),
    }
}
