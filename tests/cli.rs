//! The program from outside: usage errors, exit codes, and a whole small run that is stopped and gone on with.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

fn sppo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sppo")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Arguments of a run that takes seconds.
fn small_run<'a>(output: &'a str, run: &'a str) -> Vec<&'a str> {
    vec![
        "train",
        "--output",
        output,
        "--run",
        run,
        "--plain",
        "--set",
        "size=\"tiny\"",
        "--set",
        "iterations=4",
        "--set",
        "checkpoint.every=1",
    ]
}

#[test]
fn wrong_usage_ends_with_two_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    for (arguments, words) in [
        (vec!["train", "--set", "algorithm.betta=1"], vec!["algorithm.betta", "algorithm.beta"]),
        (vec!["train", "--set", "algorithm.beta=\"much\""], vec!["algorithm.beta"]),
        (vec!["train", "imbd"], vec!["imbd", "imdb"]),
        (vec!["train", "--algorithm", "spo"], vec!["spo", "sppo"]),
        (vec!["train", "--backend", "cuda"], vec!["cuda", "cargo xtask"]),
        (vec!["train", "--backend", "abacus"], vec!["abacus", "flex"]),
        (vec!["train", "--set", "update.minibatch=30"], vec!["minibatch", "30"]),
    ] {
        let mut arguments = arguments;
        arguments.extend(["--output", output]);
        let result = sppo(&arguments);
        let message = text(&result.stderr);
        assert_eq!(result.status.code(), Some(2), "{arguments:?}: {message}");
        for word in words {
            assert!(message.contains(word), "{arguments:?} does not mention {word}: {message}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is started");
}

#[test]
fn missing_data_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let result = sppo(&["train", "imdb", "--data", "nowhere.jsonl", "--from-scratch", "--output", output]);
    assert_eq!(result.status.code(), Some(1));
    assert!(text(&result.stderr).contains("nowhere.jsonl"), "{}", text(&result.stderr));
}

#[test]
fn a_killed_run_goes_on_to_the_same_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let whole = folder.path().join("whole");
    let killed = folder.path().join("killed");
    let result = sppo(&small_run(output, whole.to_str().unwrap()));
    assert!(result.status.success(), "{}", text(&result.stderr));
    let said = text(&result.stdout);
    assert!(said.contains("before") && said.contains("run directory"), "{said}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_sppo"))
        .args(small_run(output, killed.to_str().unwrap()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&killed.join("checkpoints").join("step-2"));
    child.kill().unwrap();
    child.wait().unwrap();
    let result = sppo(&["train", "--output", output, "--plain", "--resume", killed.to_str().unwrap()]);
    assert!(result.status.success(), "{}", text(&result.stderr));

    for file in ["metrics.jsonl", "metrics.csv", "evaluation.jsonl", "samples.jsonl"] {
        let read = |run: &Path| std::fs::read(run.join(file)).unwrap();
        assert!(read(&whole) == read(&killed), "{file} differs between an uninterrupted run and one gone on with");
    }

    let run = whole.to_str().unwrap();
    let result = sppo(&["sample", run, "--number", "2", "--prompt", "This film"]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    assert_eq!(text(&result.stdout).matches("This film").count(), 2);
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
