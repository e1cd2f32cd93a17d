//! The program from outside: usage errors, exit codes, and a whole small run that is stopped and gone on with.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use burn_rlhf_tasks::task::builtin::BuiltinConfig;

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
    for word in ["before", "after", "semantic/judge", "  after   ", "run directory", "sppo sample", "sppo curves"] {
        assert!(said.contains(word), "{word}: {said}");
    }

    let mut child = Command::new(env!("CARGO_BIN_EXE_sppo"))
        .args(small_run(output, killed.to_str().unwrap()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&killed.join("checkpoints").join("step-2"));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed on the way");
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

#[test]
fn a_table_runs_its_rows_once_and_skips_them_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let reviews = folder.path().join("reviews.jsonl");
    let samples = BuiltinConfig::new().with_train(400).with_validation(2).with_test(2).generate().train;
    let lines: Vec<String> = samples
        .iter()
        .map(|sample| format!("{}\n", serde_json::json!({ "text": sample.text, "label": sample.label })))
        .collect();
    std::fs::write(&reviews, lines.concat()).unwrap();
    let reviews = reviews.to_str().unwrap();
    let mut arguments = vec!["repro", "imdb", "--data", reviews, "--output", output, "--jobs", "2"];
    arguments.extend(["--arm", "ppo", "--arm", "sa2c", "--seed", "1"]);
    for set in [
        "size=tiny",
        "iterations=1",
        "update.rollouts=8",
        "update.minibatch=4",
        "update.microbatch=4",
        "task.max_prompt_length=16",
        "sampling.min_length=0",
        "sampling.max_new_tokens=8",
        "evaluation.sampling.min_length=0",
        "evaluation.sampling.max_new_tokens=8",
        "evaluation.rows=8",
        "bc.rows=64",
        "reward_model.rows=64",
        "model.n_positions=64",
        "bc.max_length=64",
        "model.n_embd=16",
        "model.n_layer=1",
        "model.n_head=2",
        "model.vocab_size=300",
        "reward_model.n_layers=1",
        "reward_model.dim=16",
        "reward_model.n_heads=2",
        "reward_model.epochs=1",
    ] {
        arguments.extend(["--set", set]);
    }
    let first = sppo(&arguments);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let said = text(&first.stdout);
    assert!(said.contains("2 of 2 rows"), "{said}");
    assert!(said.contains("| ppo | 1 | 1 |") && said.contains("| sa2c | 1 | 1 |"), "{said}");
    let again = text(&sppo(&arguments).stdout);
    assert!(again.contains("0 of 2 rows"), "{again}");
    let table = |said: &str| said.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    assert_eq!(table(&again), table(&said));
}

#[cfg(unix)]
#[test]
fn a_full_disk_or_an_unwritable_folder_ends_with_one_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let run = folder.path().join("run");
    let mut arguments = small_run(output, run.to_str().unwrap());
    let result = sppo(&arguments);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let checkpoint = run.join("checkpoints").join("step-4");
    assert!(checkpoint.is_dir());

    // Files may grow to 64 KiB: less than a checkpoint.
    let full = folder.path().join("full");
    let limited = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_sppo");
        let limit = ["-c", "ulimit -f 128; exec \"$0\" \"$@\"", program];
        Command::new("sh").args(limit).args(arguments).output().unwrap()
    };
    let result = limited(&small_run(output, full.to_str().unwrap()));
    assert_eq!(result.status.code(), Some(1), "{}", text(&result.stderr));
    assert!(text(&result.stderr).contains("checkpoints"), "{}", text(&result.stderr));
    let left: Vec<_> = std::fs::read_dir(full.join("checkpoints")).into_iter().flatten().collect();
    assert!(left.iter().flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with("step-")), "{left:?}");

    // What was saved before is not lost by it.
    let resume = ["train", "--output", output, "--plain", "--set", "iterations=5", "--resume", run.to_str().unwrap()];
    assert_eq!(limited(&resume).status.code(), Some(1));
    assert!(checkpoint.is_dir());
    assert!(sppo(&resume).status.success());

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("run");
    arguments = small_run(output, below.to_str().unwrap());
    let result = sppo(&arguments);
    assert_eq!(result.status.code(), Some(1), "{}", text(&result.stderr));
    assert!(text(&result.stderr).contains("file"), "{}", text(&result.stderr));
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
