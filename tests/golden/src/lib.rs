//! Reader of the golden fixtures: numbers computed in float64 elsewhere, with a tolerance for each.
//!
//! The data lie in `tests/golden/data`; the environment variable `GOLDEN_DIR` names another folder of the same
//! schema. Tests read shapes, counts and case lists from the files, so that they run on any such folder.

mod case;
mod tolerance;

pub use case::{Case, Fixture, flags, integers, numbers, numbers_f32, shape};
pub use tolerance::Tolerance;

use std::path::PathBuf;

/// The folder of the fixtures: `GOLDEN_DIR`, or the one shipped with the project.
pub fn directory() -> PathBuf {
    match std::env::var_os("GOLDEN_DIR") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data"),
    }
}

/// Reads the fixture `name`, for example `gae.json`.
///
/// # Panics
/// If the file is absent or is not a fixture: a test cannot go on without it.
pub fn load(name: &str) -> Fixture {
    let path = directory().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Fixture::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
