use super::*;
use std::fs;
use tempfile::TempDir;

fn filled(folder: &Path, text: &str) -> Result<(), RunError> {
    fs::create_dir(folder.join("policy")).unwrap();
    fs::write(folder.join("policy/weights"), text).unwrap();
    fs::write(folder.join("state.json"), "{}").unwrap();
    Ok(())
}

fn checkpoints(keep: usize) -> (TempDir, Checkpoints) {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path().join("checkpoints"), keep);
    (folder, checkpoints)
}

fn save(checkpoints: &Checkpoints, step: u64) -> PathBuf {
    checkpoints.save(step, |folder| filled(folder, &format!("weights of {step}"))).unwrap()
}

fn names(checkpoints: &Checkpoints) -> Vec<String> {
    let mut names = checkpoints.names().unwrap();
    names.sort();
    names
}

/// The newest checkpoint when that of step 2 is spoilt.
fn found_after(spoil: impl FnOnce(&Path)) -> Found {
    let (_folder, checkpoints) = checkpoints(3);
    save(&checkpoints, 1);
    spoil(&save(&checkpoints, 2));
    let found = checkpoints.latest().unwrap().unwrap();
    assert_eq!(found.step, 1);
    assert_eq!(found.damaged[0].step, 2);
    found
}

#[test]
fn a_checkpoint_is_found_again_with_what_was_written() {
    let (_folder, checkpoints) = checkpoints(2);
    assert_eq!(checkpoints.latest().unwrap(), None);
    let path = save(&checkpoints, 10);
    let found = checkpoints.latest().unwrap().unwrap();
    assert_eq!(found, Found { step: 10, path: path.clone(), damaged: vec![] });
    assert_eq!(fs::read_to_string(found.path.join("policy/weights")).unwrap(), "weights of 10");
    assert_eq!(Checkpoints::open(&path).unwrap(), found);
}

#[test]
fn steps_are_ordered_as_numbers_and_only_the_newest_are_kept() {
    let (_folder, checkpoints) = checkpoints(2);
    for step in [8, 9, 10] {
        save(&checkpoints, step);
    }
    assert_eq!(names(&checkpoints), ["step-10", "step-9"]);
    assert_eq!(checkpoints.latest().unwrap().unwrap().step, 10);
}

#[test]
fn foreign_folders_are_neither_used_nor_removed() {
    let (_folder, checkpoints) = checkpoints(1);
    save(&checkpoints, 1);
    for name in ["step-09", "step-x", "best"] {
        fs::create_dir(checkpoints.folder().join(name)).unwrap();
    }
    save(&checkpoints, 2);
    assert_eq!(names(&checkpoints), ["best", "step-09", "step-2", "step-x"]);
    assert_eq!(checkpoints.latest().unwrap().unwrap().step, 2);
}

#[test]
fn an_unfinished_checkpoint_is_not_found_and_is_cleared_away() {
    let (_folder, checkpoints) = checkpoints(2);
    save(&checkpoints, 1);
    let unfinished = checkpoints.folder().join(".tmp-step-2-99");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("weights"), "half").unwrap();
    assert_eq!(checkpoints.latest().unwrap().unwrap().step, 1);
    save(&checkpoints, 2);
    assert_eq!(names(&checkpoints), ["step-1", "step-2"]);
}

#[test]
fn a_failed_write_loses_nothing() {
    let (_folder, checkpoints) = checkpoints(1);
    save(&checkpoints, 1);
    for step in [1, 2] {
        let failed = checkpoints.save(step, |folder| {
            filled(folder, "new")?;
            Err(RunError::io("writing", &folder.join("policy/weights"), std::io::ErrorKind::StorageFull.into()))
        });
        assert!(matches!(failed, Err(RunError::DiskFull { .. })));
        assert_eq!(names(&checkpoints), ["step-1"]);
    }
    assert_eq!(
        fs::read_to_string(checkpoints.latest().unwrap().unwrap().path.join("policy/weights")).unwrap(),
        "weights of 1"
    );
}

#[test]
fn a_checkpoint_of_the_same_step_is_replaced() {
    let (_folder, checkpoints) = checkpoints(1);
    save(&checkpoints, 1);
    let path = checkpoints.save(1, |folder| filled(folder, "again")).unwrap();
    assert_eq!(fs::read_to_string(path.join("policy/weights")).unwrap(), "again");
    assert_eq!(names(&checkpoints), ["step-1"]);
    assert!(checkpoints.latest().unwrap().is_some());
}

#[test]
fn a_crash_between_the_two_renames_of_a_replacement_loses_nothing() {
    let (_folder, checkpoints) = checkpoints(2);
    let path = save(&checkpoints, 1);
    fs::rename(&path, checkpoints.folder().join(".replaced-step-1")).unwrap();
    assert_eq!(checkpoints.latest().unwrap().unwrap().step, 1);
    save(&checkpoints, 2);
    assert_eq!(names(&checkpoints), ["step-1", "step-2"]);
}

#[test]
fn a_run_that_goes_on_from_an_earlier_step_drops_the_later_ones() {
    let (_folder, checkpoints) = checkpoints(5);
    for step in [1, 2, 3, 4] {
        save(&checkpoints, step);
    }
    checkpoints.rewind(3).unwrap();
    assert_eq!(names(&checkpoints), ["step-1", "step-2", "step-3"]);
    save(&checkpoints, 2);
    assert_eq!(names(&checkpoints), ["step-1", "step-2"]);
}

#[test]
fn a_flipped_byte_is_noticed() {
    let found = found_after(|path| {
        let weights = path.join("policy/weights");
        let mut bytes = fs::read(&weights).unwrap();
        bytes[3] ^= 1;
        fs::write(&weights, bytes).unwrap();
    });
    assert_eq!(found.damaged[0].reason, Reason::Hash { file: "policy/weights".into() });
    assert!(found.damaged[0].to_string().contains("policy/weights"));
}

#[test]
fn a_truncated_file_is_noticed() {
    let found = found_after(|path| fs::write(path.join("policy/weights"), "wei").unwrap());
    assert_eq!(found.damaged[0].reason, Reason::Size { file: "policy/weights".into(), expected: 12, found: 3 });
}

#[test]
fn a_missing_file_is_noticed() {
    let found = found_after(|path| fs::remove_file(path.join("state.json")).unwrap());
    assert_eq!(found.damaged[0].reason, Reason::MissingFile { file: "state.json".into() });
}

#[test]
fn a_truncated_manifest_is_noticed_wherever_it_ends() {
    let (_folder, checkpoints) = checkpoints(3);
    save(&checkpoints, 1);
    let manifest = save(&checkpoints, 2).join("manifest.json");
    let text = fs::read(&manifest).unwrap();
    let end = text.trim_ascii_end().len();
    for length in 0..end {
        fs::write(&manifest, &text[..length]).unwrap();
        let found = checkpoints.latest().unwrap().unwrap();
        assert_eq!(found.step, 1, "{length} bytes of {end}");
        assert!(matches!(found.damaged[0].reason, Reason::Manifest { .. }));
    }
}

#[test]
fn a_missing_manifest_is_noticed() {
    let found = found_after(|path| fs::remove_file(path.join("manifest.json")).unwrap());
    assert_eq!(found.damaged[0].reason, Reason::NoManifest);
}

#[test]
fn a_manifest_of_another_step_is_noticed() {
    let found = found_after(|path| {
        let other = path.with_file_name("step-1").join("manifest.json");
        fs::copy(other, path.join("manifest.json")).unwrap();
    });
    assert_eq!(found.damaged[0].reason, Reason::Step { found: 1 });
}

#[test]
fn a_manifest_cannot_lead_out_of_its_folder() {
    let found = found_after(|path| {
        let manifest = path.join("manifest.json");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("policy/weights", "../step-1/state.json")).unwrap();
    });
    assert!(matches!(&found.damaged[0].reason, Reason::Manifest { message } if message.contains("..")));
}

#[test]
fn all_damaged_is_an_error_that_lists_every_one() {
    let (_folder, checkpoints) = checkpoints(3);
    for step in [1, 2] {
        fs::remove_file(save(&checkpoints, step).join("state.json")).unwrap();
    }
    let error = checkpoints.latest().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, RunError::AllDamaged { .. }));
    assert!(text.contains("step-1") && text.contains("step-2"), "{text}");
}

#[test]
fn a_newer_format_is_refused_with_the_version_that_reads_it() {
    let (_folder, checkpoints) = checkpoints(3);
    save(&checkpoints, 1);
    let manifest = save(&checkpoints, 2).join("manifest.json");
    fs::write(&manifest, r#"{"format": 7, "version": "9.1.0", "contents": []}"#).unwrap();
    let text = checkpoints.latest().unwrap_err().to_string();
    assert!(text.contains("format 7") && text.contains("9.1.0"), "{text}");
}

#[test]
fn a_folder_below_a_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Checkpoints::new(file.join("checkpoints"), 1).save(1, |folder| filled(folder, "")).unwrap_err();
    assert!(matches!(&error, RunError::BelowAFile { file: found, .. } if *found == file), "{error}");
}
