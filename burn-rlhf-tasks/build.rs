//! Tells the program what it was built of and for, which `sppo doctor` reports.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| "unknown".into());
    println!("cargo::rustc-env=SPPO_TARGET={}", variable("TARGET"));
    println!("cargo::rustc-env=SPPO_RUSTC={}", rustc(&variable("RUSTC")));
    println!("cargo::rustc-env=SPPO_BURN={}", burn(Path::new(&variable("CARGO_MANIFEST_DIR"))));
}

fn rustc(program: &str) -> String {
    let version = Command::new(program).arg("--version").output().ok();
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    version.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown").to_owned()
}

/// The version of burn in the nearest lock file.
fn burn(folder: &Path) -> String {
    let lock = folder.ancestors().map(|folder| folder.join("Cargo.lock")).find(|path| path.is_file());
    let Some(lock) = lock else { return "unknown".into() };
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = fs::read_to_string(lock).unwrap_or_default();
    let version = text.split_once("name = \"burn\"\nversion = \"").and_then(|(_, rest)| rest.split('"').next());
    version.unwrap_or("unknown").to_owned()
}
