//! The way to the workers and back, against shell scripts that take the place of Python.

use super::*;
use crate::advantage::RewardNoise;
use crate::environment::wrapper::{
    ClipReward, Discretize, EpisodeLog, FrameStack, Monitor, NoisyReward, NormalizerConfig, TimeLimit, VecNormalize,
};
use crate::environment::{ActionSpace, End, Episode};
use crate::run::Streams;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

const TWO_FEATURES: &str = r#""observation": {"kind": "f32", "shape": [2]}, "action": {"kind": "discrete", "n": 3}"#;
const PICTURES: &str = r#""observation": {"kind": "u8", "shape": [1, 2, 1]}, "action": {"kind": "discrete", "n": 3}"#;

/// Reads the program and the configuration, and answers; `request N` keeps the next N bytes in `got-COUNT-NUMBER`.
const PRELUDE: &str = r#"
read -r length; head -c "$length" > program
read -r length; config=$(head -c "$length")
case "$config" in *'"count":1'*) count=1 ;; *) count=2 ;; esac
number=0
request() { number=$((number + 1)); head -c "$1" > "got-$count-$number"; }
echo $$ >> pids
cat answer
"#;

struct Fake {
    folder: TempDir,
}

impl Fake {
    /// A worker whose environments have `spaces`, and which goes on with `script`.
    fn new(spaces: &str, script: &str) -> Self {
        let json = format!(r#"{{"id": "Fake-v1", "versions": {{}}, "notes": [], "mujoco": false, {spaces}}}"#);
        Self::answering(&format!("burn-sppo worker 1 {}\n{json}", json.len()), script)
    }

    fn answering(answer: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = format!("cd '{}'\n{PRELUDE}{script}", folder.path().display());
        fs::write(folder.path().join("script"), start).unwrap();
        fs::write(folder.path().join("answer"), answer).unwrap();
        Self { folder }
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn launcher(&self) -> Launcher {
        Launcher { program: "/bin/sh".into(), arguments: vec![self.path("script").into()] }
    }

    fn start(&self, options: &GymnasiumOptions) -> Result<GymnasiumEnvironments, GymnasiumError> {
        GymnasiumEnvironments::launch("Fake-v1", options, self.launcher())
    }

    fn no_process_is_left(&self) -> bool {
        let pids = fs::read_to_string(self.path("pids")).unwrap();
        assert!(!pids.is_empty());
        let lives =
            |pid: &str| Command::new("sh").args(["-c", "kill -0 $0 2>/dev/null", pid]).status().unwrap().success();
        !pids.lines().any(lives)
    }
}

fn options(num_envs: usize, workers: usize) -> GymnasiumOptions {
    GymnasiumOptions { workers: Some(workers), ..GymnasiumOptions::new(num_envs) }
}

fn framed(tag: u8, payload: &[u8]) -> Vec<u8> {
    [&[tag, 0, 0, 0], &(payload.len() as u32).to_le_bytes()[..], payload].concat()
}

/// Of one environment: return, length, reward, flags.
type Numbers = (f64, u64, f32, u8);

fn block(rows: &[Numbers], observations: &[f32], finals: &[f32]) -> Vec<u8> {
    let mut payload: Vec<u8> = rows.iter().flat_map(|row| row.0.to_le_bytes()).collect();
    payload.extend(rows.iter().flat_map(|row| row.1.to_le_bytes()));
    payload.extend(rows.iter().flat_map(|row| row.2.to_le_bytes()));
    payload.extend(rows.iter().map(|row| row.3));
    payload.resize(payload.len().next_multiple_of(8), 0);
    payload.extend(observations.iter().chain(finals).flat_map(|x| x.to_le_bytes()));
    framed(if finals.is_empty() { b'k' } else { b'K' }, &payload)
}

fn f32s<'a>(observations: Observations<'a>) -> &'a [f32] {
    let Observations::F32(numbers) = observations else { panic!("f32") };
    numbers
}

const QUIET: Numbers = (0.0, 0, 0.0, 0);

fn gymnasium(error: EnvironmentError) -> GymnasiumError {
    let EnvironmentError::Gymnasium(error) = error else { panic!("{error}") };
    error
}

/// One environment that has been reset, and goes on with `script`.
fn after_reset(script: &str, files: &[(&str, &[u8])], options: &GymnasiumOptions) -> (Fake, GymnasiumEnvironments) {
    let script = format!("request 10; cat first; {script}");
    let fake = Fake::new(TWO_FEATURES, &script).file("first", &block(&[QUIET], &[1.0, 2.0], &[]));
    let fake = files.iter().fold(fake, |fake, (name, bytes)| fake.file(name, bytes));
    let mut environments = fake.start(options).unwrap();
    environments.reset(Some(7)).unwrap();
    (fake, environments)
}

fn failed_step(environments: &mut GymnasiumEnvironments) -> GymnasiumError {
    gymnasium(environments.step(Actions::Discrete(&[1])).unwrap_err())
}

#[test]
fn requests_and_replies_reach_the_environments_that_they_are_for() {
    let script = "request 10; cat reset-$count; request $((1 + 8 * count)); cat step-$count; head -c 1 > rest-$count";
    let fake = Fake::new(TWO_FEATURES, script)
        .file("reset-1", &block(&[QUIET], &[0.0, 1.0], &[]))
        .file("reset-2", &block(&[QUIET; 2], &[2.0, 3.0, 4.0, 5.0], &[]))
        .file("step-1", &block(&[(0.0, 0, 0.5, 0)], &[10.0, 11.0], &[]))
        .file(
            "step-2",
            &block(&[(9.5, 41, -1.0, 5), (0.0, 0, 2.0, 2)], &[12.0, 13.0, 14.0, 15.0], &[22.0, 23.0, 24.0, 25.0]),
        );
    let mut environments = fake.start(&options(3, 2)).unwrap();
    let spec = environments.spec();
    assert_eq!((spec.id.as_str(), spec.num_envs, &spec.observation_shape[..]), ("Fake-v1", 3, &[2][..]));
    assert_eq!(spec.action_space, ActionSpace::Discrete { n: 3 });
    assert_eq!(f32s(environments.reset(Some(100)).unwrap()), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(fake.bytes("got-1-1"), [&b"R\x01"[..], &100u64.to_le_bytes()].concat());
    assert_eq!(fake.bytes("got-2-1"), [&b"R\x01"[..], &101u64.to_le_bytes()].concat());

    let step = environments.step(Actions::Discrete(&[2, 0, 1])).unwrap();
    assert_eq!(f32s(step.observations), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
    assert_eq!(step.rewards, [0.5, -1.0, 2.0]);
    assert_eq!(step.ends, [None, Some(End::Terminated), Some(End::Truncated)]);
    assert_eq!(f32s(step.final_observations)[2..], [22.0, 23.0, 24.0, 25.0]);
    assert_eq!(step.episodes, [None, Some(Episode { episode_return: 9.5, length: 41 }), None]);
    assert_eq!(fake.bytes("got-1-2"), [&b"S"[..], &2i64.to_le_bytes()].concat());
    assert_eq!(fake.bytes("got-2-2"), [&b"S"[..], &0i64.to_le_bytes(), &1i64.to_le_bytes()].concat());

    drop(environments);
    assert!(fake.no_process_is_left());
    assert!(fake.bytes("rest-1").is_empty() && fake.bytes("rest-2").is_empty(), "the end of the input comes by itself");
}

#[test]
fn a_reset_without_a_seed_says_so() {
    let fake = Fake::new(TWO_FEATURES, "request 10; cat reset").file("reset", &block(&[QUIET], &[0.0, 1.0], &[]));
    fake.start(&options(1, 1)).unwrap().reset(None).unwrap();
    assert_eq!(fake.bytes("got-1-1")[..2], *b"R\x00");
}

#[test]
fn the_death_of_a_worker_names_task_seed_status_and_last_words() {
    let (fake, mut environments) = after_reset("request 9; echo out of memory >&2; kill -9 $$", &[], &options(1, 1));
    let error = failed_step(&mut environments);
    let GymnasiumError::Died { task, environments: whose, seed, status, stderr } = &error else { panic!("{error}") };
    assert_eq!((task.as_str(), whose, *seed, stderr.as_str()), ("Fake-v1", &(0..1), Some(7), "out of memory"));
    assert!(status.contains("signal: 9"), "{status}");
    assert!(error.to_string().contains("Fake-v1 with environment 0, seed 7 died"), "{error}");
    assert!(matches!(failed_step(&mut environments), GymnasiumError::Died { .. }), "it stays dead");
    assert!(fake.no_process_is_left());
}

#[test]
fn the_death_of_one_worker_leaves_the_others_in_step() {
    let script = "request 10; cat reset-$count; request $((1 + 8 * count)); [ $count = 1 ] && exit 3
        cat reset-2; request 10; cat again; request 17";
    let fake = Fake::new(TWO_FEATURES, script)
        .file("reset-1", &block(&[QUIET], &[0.0, 1.0], &[]))
        .file("reset-2", &block(&[QUIET; 2], &[2.0, 3.0, 4.0, 5.0], &[]))
        .file("again", &block(&[QUIET; 2], &[6.0, 7.0, 8.0, 9.0], &[]));
    let mut environments = fake.start(&options(3, 2)).unwrap();
    environments.reset(Some(1)).unwrap();
    let error = gymnasium(environments.step(Actions::Discrete(&[0; 3])).unwrap_err());
    assert!(matches!(&error, GymnasiumError::Died { status, .. } if status.contains("3")), "{error}");
    gymnasium(environments.reset(Some(1)).unwrap_err());
    assert_eq!(f32s(environments.outcome.observations.view())[2..], [6.0, 7.0, 8.0, 9.0]);
}

#[test]
fn a_dead_worker_is_replaced_and_its_episodes_are_cut_off() {
    let script = "request 10; [ -e dead ] && { cat second; request 9; cat step; request 9; exit 1; }
        cat first; request 9; touch dead; exit 1";
    let fake = Fake::new(TWO_FEATURES, script)
        .file("first", &block(&[QUIET], &[1.0, 2.0], &[]))
        .file("second", &block(&[QUIET], &[3.0, 4.0], &[]))
        .file("step", &block(&[(0.0, 0, 1.0, 0)], &[5.0, 6.0], &[]));
    let respawning = GymnasiumOptions { respawn: true, ..options(1, 1) };
    let mut environments = fake.start(&respawning).unwrap();
    environments.reset(Some(7)).unwrap();
    let step = environments.step(Actions::Discrete(&[1])).unwrap();
    assert_eq!((step.ends, step.rewards, step.episodes), (&[Some(End::Truncated)][..], &[0.0][..], &[None][..]));
    assert_eq!((f32s(step.final_observations), f32s(step.observations)), (&[1.0, 2.0][..], &[3.0, 4.0][..]));
    assert_eq!(fake.bytes("got-1-1"), [&b"R\x01"[..], &8u64.to_le_bytes()].concat(), "another seed");
    assert_eq!(environments.respawns(), 1);
    assert_eq!(f32s(environments.step(Actions::Discrete(&[1])).unwrap().observations), [5.0, 6.0]);
    let error = failed_step(&mut environments);
    assert!(matches!(error, GymnasiumError::Died { .. }), "two deaths in a row: {error}");
}

#[test]
fn garbage_is_told_from_a_reply() {
    for garbage in [&b"Segmentation fault"[..], &framed(b'k', &[0; 3]), &framed(b'K', &[0; 32]), &framed(b'z', &[])] {
        let script = "request 9; cat garbage; exec sleep 30";
        let (fake, mut environments) = after_reset(script, &[("garbage", garbage)], &options(1, 1));
        let error = failed_step(&mut environments);
        assert!(matches!(&error, GymnasiumError::Garbled { seed: Some(7), .. }), "{error}");
        assert!(fake.no_process_is_left(), "what cannot be trusted is ended");
    }
}

#[test]
fn an_exception_of_an_environment_names_it() {
    let message = framed(b'E', br#"{"environment": 0, "message": "ValueError: no"}"#);
    let script = "request 9; cat message; request 9; cat step; request 9";
    let step = block(&[QUIET], &[8.0, 9.0], &[]);
    let (_fake, mut environments) = after_reset(script, &[("message", &message), ("step", &step)], &options(1, 1));
    let error = failed_step(&mut environments);
    assert!(matches!(&error, GymnasiumError::Raised { environment: 0, seed: Some(7), .. }), "{error}");
    assert!(error.to_string().contains("ValueError: no"), "{error}");
    assert_eq!(f32s(environments.step(Actions::Discrete(&[1])).unwrap().observations), [8.0, 9.0]);
}

#[test]
fn numbers_that_are_not_finite_are_refused_where_they_count() {
    let cases = [
        (block(&[(0.0, 0, f32::NAN, 0)], &[1.0, 2.0], &[]), Some("reward")),
        (block(&[QUIET], &[1.0, f32::NAN], &[]), Some("observation")),
        (block(&[(0.0, 0, 0.0, 1)], &[1.0, 2.0], &[f32::INFINITY, 0.0]), Some("final observation")),
        (block(&[QUIET], &[1.0, 2.0], &[f32::INFINITY, 0.0]), None),
    ];
    for (reply, expected) in cases {
        let (_fake, mut environments) =
            after_reset("request 9; cat step; request 9", &[("step", &reply)], &options(1, 1));
        let found = match environments.step(Actions::Discrete(&[1])) {
            Ok(_) => None,
            Err(EnvironmentError::NotFinite { what, env: 0, .. }) => Some(what),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn pictures_are_rendered_by_the_worker_that_has_the_environment() {
    let rgb: Vec<u8> = (0..18).collect();
    let picture = framed(b'v', &[&3u32.to_le_bytes()[..], &2u32.to_le_bytes(), &rgb].concat());
    let broken = framed(b'v', &[&3u32.to_le_bytes()[..], &3u32.to_le_bytes(), &rgb].concat());
    let fake = Fake::new(PICTURES, "request 5; cat picture; request 5; cat broken; request 5");
    let fake = fake.file("picture", &picture).file("broken", &broken);
    let mut environments = fake.start(&options(3, 2)).unwrap();
    let frame = environments.render(2).unwrap().unwrap();
    assert_eq!((frame.width, frame.height, frame.rgb), (3, 2, rgb));
    assert_eq!(fake.bytes("got-2-1"), b"V\x01\x00\x00\x00");
    assert!(environments.render(3).unwrap().is_none(), "there is no fourth environment");
    assert!(matches!(gymnasium(environments.render(2).unwrap_err()), GymnasiumError::Garbled { .. }));
}

#[test]
fn actions_that_do_not_fit_are_not_sent() {
    let (fake, mut environments) = after_reset("request 9", &[], &options(1, 1));
    for wrong in [Actions::Discrete(&[0, 1]), Actions::Discrete(&[3]), Actions::Continuous(&[0.5])] {
        environments.step(wrong).unwrap_err();
    }
    drop(environments);
    assert!(fake.bytes("got-1-2").is_empty());
}

#[test]
fn real_actions_are_sent_as_they_are_and_absent_bounds_are_infinite() {
    let spaces = r#""observation": {"kind": "f32", "shape": [2]},
        "action": {"kind": "continuous", "low": [-1, null], "high": [1, null]}"#;
    let reply = block(&[QUIET], &[1.0, 2.0], &[]);
    let fake = Fake::new(spaces, "request 10; cat reply; request 9; cat reply; request 1").file("reply", &reply);
    let mut environments = fake.start(&options(1, 1)).unwrap();
    let unbounded = ActionSpace::Continuous { low: vec![-1.0, f32::NEG_INFINITY], high: vec![1.0, f32::INFINITY] };
    assert_eq!(environments.spec().action_space, unbounded);
    environments.reset(None).unwrap();
    environments.step(Actions::Continuous(&[-3.5, 0.25])).unwrap();
    assert_eq!(fake.bytes("got-1-2"), [&b"S"[..], &(-3.5f32).to_le_bytes(), &0.25f32.to_le_bytes()].concat());
}

#[test]
fn a_step_before_the_first_reset_is_refused() {
    let fake = Fake::new(TWO_FEATURES, "request 1");
    let error = fake.start(&options(1, 1)).unwrap().step(Actions::Discrete(&[1])).unwrap_err();
    assert!(matches!(error, EnvironmentError::NotReset { .. }), "{error}");
}

#[test]
fn a_worker_that_does_not_answer_in_time_is_ended() {
    let fake = Fake::answering("", "echo importing >&2; exec sleep 30");
    let hasty = GymnasiumOptions { handshake_timeout: Duration::from_millis(300), ..options(2, 2) };
    let error = fake.start(&hasty).unwrap_err();
    assert!(matches!(&error, GymnasiumError::Timeout { stderr, .. } if stderr == "importing"), "{error}");
    assert!(fake.no_process_is_left());
}

#[test]
fn an_interpreter_that_is_none_is_named_with_what_to_do() {
    let python = |path: &str| GymnasiumOptions { python: Some(path.into()), ..options(1, 1) };
    let start = |path: &str| gymnasium(GymnasiumEnvironments::start("Ant-v4", &python(path)).unwrap_err());
    let error = start("/nowhere/python3");
    assert!(matches!(&error, GymnasiumError::NoInterpreter { python, .. } if python == Path::new("/nowhere/python3")));
    assert!(error.to_string().contains("pip install"), "{error}");
    assert!(matches!(start("/bin/false"), GymnasiumError::NoAnswer { status, .. } if status.contains('1')));
    assert!(matches!(start("/bin/echo"), GymnasiumError::NotAWorker { .. }));
}

#[test]
fn refusals_and_ends_before_the_answer_are_told_apart() {
    let json = r#"{"error": "package", "message": "No module named 'gymnasium'", "nearest": []}"#;
    let fake = Fake::answering(&format!("burn-sppo worker 1 {}\n{json}", json.len()), "");
    let error = fake.start(&options(1, 1)).unwrap_err();
    assert!(
        matches!(&error, GymnasiumError::MissingPackage { python, .. } if python == Path::new("/bin/sh")),
        "{error}"
    );
    let fake = Fake::answering("", "echo 'SyntaxError: print' >&2; exit 4");
    let error = fake.start(&options(1, 1)).unwrap_err();
    let told = |status: &str, stderr: &str| status.contains('4') && stderr == "SyntaxError: print";
    assert!(matches!(&error, GymnasiumError::NoAnswer { status, stderr, .. } if told(status, stderr)), "{error}");
}

#[test]
fn workers_that_disagree_about_the_spaces_are_refused() {
    let script = "";
    let fake = Fake::new(TWO_FEATURES, script).file("other", b"");
    let text = String::from_utf8(fake.bytes("answer")).unwrap();
    let fake = fake.file("answer", text.replace("[2]", "[3]").as_bytes()).file("answer-2", text.as_bytes());
    let switched = String::from_utf8(fake.bytes("script")).unwrap();
    let switched = switched.replace("cat answer\n", "[ $count = 2 ] && cat answer-2 || cat answer\n");
    let fake = fake.file("script", switched.as_bytes());
    let error = fake.start(&options(3, 2)).unwrap_err();
    assert!(matches!(error, GymnasiumError::SpacesDiffer { .. }), "{error}");
}

#[test]
fn nothing_is_started_for_zero_environments_or_workers() {
    let fake = Fake::new(TWO_FEATURES, "");
    for wrong in [options(0, 1), options(1, 0)] {
        assert!(matches!(fake.start(&wrong), Err(GymnasiumError::ZeroSize { .. })));
    }
    assert!(!fake.path("pids").exists());
}

#[test]
fn a_worker_that_does_not_end_by_itself_is_ended() {
    let fake = Fake::new(TWO_FEATURES, "exec sleep 30");
    let environments = fake.start(&options(1, 1)).unwrap();
    let before = Instant::now();
    drop(environments);
    assert!(before.elapsed() < Duration::from_secs(10));
    sleep(Duration::from_millis(10));
    assert!(fake.no_process_is_left());
}

#[test]
fn notes_are_seen_through_every_wrapper() {
    let json = r#"{"id": "Fake-v1", "versions": {}, "notes": ["an alias"], "mujoco": false,
        "observation": {"kind": "f32", "shape": [2]}, "action": {"kind": "continuous", "low": [-1], "high": [1]}}"#;
    let fake = Fake::answering(&format!("burn-sppo worker 1 {}\n{json}", json.len()), "");
    let inner: Box<dyn VectorEnvironment> = Box::new(fake.start(&options(1, 1)).unwrap());
    let inner = ClipReward::new(TimeLimit::new(inner, 5).unwrap());
    let inner = FrameStack::new(VecNormalize::new(inner, NormalizerConfig::new()).unwrap(), 2).unwrap();
    let inner = NoisyReward::new(inner, RewardNoise::Uniform(0.1), Streams::new(1)).unwrap();
    let tower = Monitor::new(Discretize::new(inner, 3).unwrap(), EpisodeLog::default());
    assert_eq!(tower.notes(), ["an alias"]);
}
