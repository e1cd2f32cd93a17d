//! A trained policy plays, and others watch.

use std::{
    fs::File,
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

fn train(run: &Path) {
    let mut arguments = vec!["train", "CartPole-v1", "--run", run.to_str().unwrap(), "--steps", "1024", "--plain"];
    for set in ["environment.normalize=true", "evaluation.every=0", "evaluation.deterministic=false"] {
        arguments.extend(["--set", set]);
    }
    let result = sppo(&arguments);
    assert!(result.status.success(), "{}", text(&result.stderr));
}

/// Delays, and how many pictures differ from the one before.
fn watch(gif: &Path) -> (Vec<u16>, usize) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(gif).unwrap()).unwrap();
    assert_eq!((decoder.width(), decoder.height()), (600, 400));
    let (mut delays, mut changes, mut last) = (vec![], 0, vec![]);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        changes += usize::from(!last.is_empty() && last != frame.buffer.as_ref());
        delays.push(frame.delay);
        last = frame.buffer.to_vec();
    }
    (delays, changes)
}

#[test]
fn a_policy_plays_into_a_pipe_and_a_gif_as_it_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let (run, gif) = (folder.path().join("run"), folder.path().join("play.gif"));
    train(&run);
    let run = run.to_str().unwrap();
    let arguments = ["enjoy", run, "--episodes", "2", "--deterministic", "--fps", "20"];
    let result = sppo(&[&arguments[..], &["--gif", gif.to_str().unwrap()]].concat());
    let said = text(&result.stdout);
    assert!(result.status.success(), "{}", text(&result.stderr));
    assert!(!said.contains('\x1b'), "nothing but lines goes into a pipe: {said}");
    let steps = |episode: &str| -> usize {
        let line = said.lines().find_map(|line| line.strip_prefix(episode)).expect(&said);
        line.split(" in ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    let pictures = steps("episode 1: return") + steps("episode 2: return");
    assert!(said.contains(&format!("{pictures} pictures are in")), "{said}");
    let (delays, changes) = watch(&gif);
    assert_eq!(delays, vec![5; pictures]);
    assert!(changes >= pictures - 2, "{changes} of {pictures}");

    let evaluated = text(&sppo(&["eval", run, "--episodes", "2", "--deterministic", "true"]).stdout);
    let mean = said.lines().find(|line| line.starts_with("return ")).expect(&said);
    assert!(evaluated.contains(&format!("{mean} over 2 episodes")), "{mean}: {evaluated}");
    let drawn = text(&sppo(&["enjoy", run, "--episodes", "2"]).stdout);
    assert!(!drawn.contains(mean) && !drawn.contains("pictures"), "{drawn}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_play_leaves_a_whole_gif() {
    let folder = tempfile::tempdir().unwrap();
    let (run, gif) = (folder.path().join("run"), folder.path().join("play.gif"));
    train(&run);
    let child = Command::new(env!("CARGO_BIN_EXE_sppo"))
        .args(["enjoy", run.to_str().unwrap(), "--episodes", "100000", "--gif", gif.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while std::fs::metadata(&gif).map_or(0, |file| file.len()) < 20_000 {
        assert!(start.elapsed() < Duration::from_secs(120), "no pictures in {}", gif.display());
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: a signal to a child that has not been waited for yet.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let result = child.wait_with_output().unwrap();
    assert_eq!(result.status.code(), Some(130), "{}", text(&result.stderr));
    assert!(watch(&gif).0.len() > 1);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(&run);
    let arguments = |run: &Path, rest: &[&str]| sppo(&[&["enjoy", run.to_str().unwrap()], rest].concat());
    let refused = |result: Output, code: i32, expected: &str| {
        let said = text(&result.stderr);
        assert_eq!(result.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    };
    refused(arguments(&run, &["--gif", "/nowhere/play.gif"]), 1, "writing /nowhere/play.gif failed");
    refused(arguments(&run, &["--episodes", "0"]), 2, "--episodes");
    refused(arguments(&folder.path().join("other"), &[]), 2, "other");
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    refused(arguments(&run, &[]), 2, "holds no whole checkpoint");
}

/// A worker in the place of Python that introduces its environment, and no more.
#[cfg(unix)]
#[test]
fn what_a_worker_notes_is_told_once() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    let answer = r#"{"id": "Fake-v2", "versions": {}, "notes": ["Fake-v1 is Fake-v2"], "mujoco": false,
        "observation": {"kind": "f32", "shape": [2]}, "action": {"kind": "discrete", "n": 3}}"#;
    let script = format!(
        "#!/bin/sh\nread -r length; head -c \"$length\" > /dev/null\nread -r length; head -c \"$length\" > /dev/null\n\
         printf '%s\\n%s' 'burn-sppo worker 1 {}' '{answer}'\n",
        answer.len()
    );
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = folder.path().join("run");
    let arguments = ["train", "Fake-v1", "--plain", "--algorithm", "ppo", "--set", "evaluation.every=0"];
    let place = ["--python", python.to_str().unwrap(), "--run", run.to_str().unwrap()];
    let result = sppo(&[&arguments[..], &place].concat());
    let said = text(&result.stdout);
    assert_eq!(said.matches("note: Fake-v1 is Fake-v2").count(), 1, "{said}{}", text(&result.stderr));
    assert_eq!(result.status.code(), Some(1), "it ends when the episodes should begin: {}", text(&result.stderr));
}
