//! Processes that are killed, and disks that are full, for real.

use super::*;
use serde::Serialize;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FOLDER: &str = "BURN_SPPO_CRASH_TEST_FOLDER";

/// The folder to work in, if this process is one that a test has started.
fn folder_of_child() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// A command that runs one of these tests in a process of its own, in which no file may exceed `limit` KiB.
fn child(test: &str, folder: &Path, limit: u32) -> Command {
    // Without the trap, a process that writes beyond the limit is killed instead of told.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * limit);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(env::current_exe().unwrap());
    command.args(["--exact", &format!("run::crash_tests::{test}"), "--nocapture"]).env(FOLDER, folder);
    command
}

fn save(checkpoints: &Checkpoints, step: u64, bytes: usize) -> Result<PathBuf, RunError> {
    checkpoints.save(step, |folder| {
        for file in ["weights", "optimizer"] {
            let path = folder.join(file);
            fs::write(&path, vec![step as u8; bytes]).map_err(|source| RunError::io("writing", &path, source))?;
        }
        Ok(())
    })
}

#[test]
fn a_process_that_is_killed_while_saving_loses_at_most_that_checkpoint() {
    if let Some(folder) = folder_of_child() {
        let checkpoints = Checkpoints::new(folder, 2);
        let first = checkpoints.latest().unwrap().map_or(1, |found| found.step + 1);
        for step in first.. {
            save(&checkpoints, step, 1 << 18).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path(), 2);
    save(&checkpoints, 1, 1 << 18).unwrap();
    let mut last = 1;
    for delay in [60, 95, 130, 165, 200, 235, 270, 305] {
        let name = "a_process_that_is_killed_while_saving_loses_at_most_that_checkpoint";
        let mut child = child(name, folder.path(), 1 << 20).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = checkpoints.latest().unwrap().unwrap();
        assert_eq!(found.damaged, []);
        assert!(found.step >= last, "step {last} was lost");
        assert!(fs::read(found.path.join("weights")).unwrap() == vec![found.step as u8; 1 << 18]);
        last = found.step;
    }
    assert!(last > 1, "no child has come to save anything");
}

#[test]
fn a_full_disk_is_reported_by_name_and_loses_nothing_that_was_saved() {
    let Some(folder) = folder_of_child() else {
        let folder = tempfile::tempdir().unwrap();
        let name = "a_full_disk_is_reported_by_name_and_loses_nothing_that_was_saved";
        let output = child(name, folder.path(), 16).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_to_string(folder.path().join("run/log.txt")).unwrap(), "the child was here\n");
        return;
    };
    let directory = RunDirectory::create(folder.join("run"), "seed = 1\n").unwrap();
    directory.append_log("the child was here").unwrap();

    let checkpoints = Checkpoints::new(directory.checkpoints(), 1);
    save(&checkpoints, 1, 8 << 10).unwrap();
    let error = save(&checkpoints, 2, 32 << 10).unwrap_err();
    assert!(matches!(&error, RunError::DiskFull { path, .. } if path.ends_with("weights")), "{error}");
    let found = checkpoints.latest().unwrap().unwrap();
    assert_eq!((found.step, found.damaged), (1, vec![]));
    assert_eq!(fs::read_dir(directory.checkpoints()).unwrap().count(), 1);

    let error = write_file(&directory.config(), &[b'x'; 32 << 10]).unwrap_err();
    assert!(matches!(&error, RunError::DiskFull { path, .. } if *path == directory.config()), "{error}");
    assert_eq!(fs::read_to_string(directory.config()).unwrap(), "seed = 1\n");

    let mut lines = JsonLines::open(directory.samples(), None).unwrap();
    let error = (1..).find_map(|iteration| lines.append(iteration, &Sample { text: "x".repeat(99) }).err()).unwrap();
    assert!(matches!(&error, RunError::DiskFull { path, .. } if *path == directory.samples()), "{error}");
    let text = fs::read_to_string(directory.samples()).unwrap();
    assert!(text.len() > 15 << 10 && text.ends_with("\"}\n"), "the torn line is still there");
}

#[derive(Serialize)]
struct Sample {
    text: String,
}
