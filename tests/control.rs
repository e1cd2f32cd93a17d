//! Training in environments through the program: wrong usage, and a run that is killed and gone on with.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

fn sppo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sppo")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Arguments of a run that takes seconds.
fn small_run(run: &str) -> Vec<&str> {
    let mut arguments = vec!["train", "CartPole-v1", "--algorithm", "sppo", "--run", run, "--steps", "4096", "--plain"];
    for set in [
        "evaluation.every=1024",
        "evaluation.episodes=3",
        "checkpoint.every=512",
        "update.epochs=2",
        "environment.normalize=true",
    ] {
        arguments.extend(["--set", set]);
    }
    arguments
}

#[test]
fn wrong_usage_ends_with_two_and_says_what_to_do() {
    for (arguments, expected) in [
        (&["train", "CartPol-v1"][..], "did you mean CartPole-v1"),
        (&["train", "CartPole-v1", "--algorithm", "pppo"], "there are a2c"),
        (&["train", "CartPole-v1", "--algorithm", "dppo"], "choose another algorithm"),
        (&["train", "CartPole-v1", "--family", "reference"], "know no CartPole-v1"),
        (&["train", "CartPole-v1", "--set", "update.epoch=3"], "did you mean `update.epochs`"),
        (&["train", "CartPole-v1", "--set", "update.rollout_steps=0"], "at least 1"),
        (&["train", "CartPole-v1", "--set", "environment.bins=11"], "can be discretised"),
        (&["train", "CartPole-v1", "--algorithm", "a2c", "--set", "update.epochs=3"], "update.epochs=1"),
        (&["train", "Pendulum-v1", "--algorithm", "sppo", "--set", "environment.bins=0"], "discretise"),
        (&["train", "CartPole"], "(CartPole); there are: builtin, imdb. Did you mean the environment CartPole-v1"),
        (&["train", "CartPole-v1", "--set", "update.minibatch=100"], "cannot be divided"),
        (&["train", "CartPole-v1", "--set", "environment.arguments={\"gravity\": 1}"], "it is native"),
        (&["train", "Ant-v4", "--set", "environment.arguments=gravity"], "no JSON object"),
        (&["train", "Ant-v4", "--python", "/nowhere/python"], "/nowhere/python"),
        (&["train", "CartPole-v1", "--data", "reviews"], "--data is for language models"),
        (&["train", "builtin", "--steps", "10"], "--steps is for environments"),
        (&["train", "CartPole-v1", "--resume", "some/run"], "cannot be used with"),
        (&["train", "--resume", "some/run", "--steps", "10"], "some/run is no run"),
        (&["repro", "zoo", "--data", "reviews"], "--data is of no use"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("outputs");
        let result = sppo(&[arguments, &["--output", output.to_str().unwrap()]].concat());
        let said = text(&result.stderr);
        assert_eq!(result.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!output.exists(), "{arguments:?} has started something");
    }
}

#[test]
fn a_plan_is_printed_and_nothing_is_started() {
    let result = sppo(&["train", "Pendulum-v1", "--algorithm", "dsppo", "--dry-run"]);
    let said = text(&result.stdout);
    assert!(result.status.success(), "{}", text(&result.stderr));
    for part in ["id = \"Pendulum-v1\"", "bins = 11", "name = \"sppo\"", "beta = 20.0", "optimiser steps an iteration"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let result = sppo(&small_run(whole.to_str().unwrap()));
    assert!(result.status.success(), "{}", text(&result.stderr));
    assert!(text(&result.stdout).contains("evaluation after 4096 steps"), "{}", text(&result.stdout));

    let mut child = Command::new(env!("CARGO_BIN_EXE_sppo"))
        .args(small_run(killed.to_str().unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_a_checkpoint(&killed.join("checkpoints"));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed on the way");
    let result = sppo(&["train", "--plain", "--resume", killed.to_str().unwrap()]);
    assert!(result.status.success(), "{}", text(&result.stderr));

    for file in ["metrics.jsonl", "metrics.csv", "evaluation.jsonl"] {
        let read = |run: &Path| std::fs::read(run.join(file)).unwrap();
        assert!(read(&whole) == read(&killed), "{file} differs between an uninterrupted run and one gone on with");
    }
    let episodes = |run: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(run.join("monitor.csv")).unwrap();
        text.lines().skip(2).map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect()
    };
    assert!(episodes(&whole).len() > 20, "{:?}", episodes(&whole));
    assert_eq!(episodes(&whole), episodes(&killed), "returns and lengths, without the seconds");
    let progress = std::fs::read_to_string(whole.join("progress.txt")).unwrap();
    assert_eq!(progress.lines().count(), 5, "{progress}");

    let result = sppo(&["eval", whole.to_str().unwrap(), "--episodes", "2"]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    assert!(text(&result.stdout).contains("over 2 episodes"), "{}", text(&result.stdout));

    let result = sppo(&["eval", whole.to_str().unwrap(), "--start"]);
    assert!(text(&result.stdout).contains("after 0 steps"), "{}", text(&result.stderr));

    for wrong in [["--episodes", "0"], ["--rows", "5"]] {
        let result = sppo(&["eval", whole.to_str().unwrap(), wrong[0], wrong[1]]);
        assert_eq!(result.status.code(), Some(2), "{wrong:?}: {}", text(&result.stderr));
    }

    let other = ["--set", "update.learning_rate=1"];
    let result = sppo(&[&["train", "--resume", whole.to_str().unwrap()][..], &other].concat());
    assert_eq!(result.status.code(), Some(2), "{}", text(&result.stderr));
    assert!(text(&result.stderr).contains("update.learning_rate"), "{}", text(&result.stderr));
}

#[test]
fn a_table_of_environments_runs_its_rows_side_by_side_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let mut arguments = vec!["repro", "discrete", "--output", output, "--task", "CartPole-v1"];
    for arm in ["a2c", "sppo-noise"] {
        arguments.extend(["--arm", arm]);
    }
    arguments.extend(["--seed", "1", "--seed", "2", "--set", "total_steps=1024", "--set", "evaluation.every=512"]);
    let first = sppo(&arguments);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let said = text(&first.stdout);
    assert!(said.contains("4 of 4 rows"), "{said}");
    assert!(said.contains("| a2c | 2 | 1040 |") && said.contains("| sppo-noise | 2 | 1024 |"), "{said}");
    let again = text(&sppo(&arguments).stdout);
    assert!(again.contains("0 of 4 rows"), "{again}");
    let table = |said: &str| said.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    assert_eq!(table(&again), table(&said));

    let runs: Vec<String> = std::fs::read_dir(folder.path().join("repro/discrete/CartPole-v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(runs.len(), 4);
    let svg = folder.path().join("all.svg");
    let mut arguments = vec!["curves", "--average", "--smooth", "0.5", "--output", svg.to_str().unwrap()];
    arguments.extend(runs.iter().map(String::as_str));
    let result = sppo(&arguments);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let svg = std::fs::read_to_string(svg).unwrap();
    for part in ["a2c (2)", "sppo-noise (2)", "eval/mean_reward"] {
        assert!(svg.contains(part), "{part}");
    }
}

fn wait_for_a_checkpoint(folder: &Path) {
    let start = Instant::now();
    let found = || {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("step-"))
    };
    while !found() {
        assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint in {}", folder.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}
