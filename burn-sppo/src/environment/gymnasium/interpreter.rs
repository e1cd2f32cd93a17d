//! Which Python runs the workers, and what to install in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The packages with the paper's physics, as a requirements file of pip.
pub const PAPER_REQUIREMENTS: &str = include_str!("../../../python/requirements-paper.txt");

/// The newest packages that the worker was tried with, as a requirements file of pip.
pub const LATEST_REQUIREMENTS: &str = include_str!("../../../python/requirements-latest.txt");

/// The environment variable that names the interpreter.
pub const PYTHON_VARIABLE: &str = "BURN_SPPO_PYTHON";

/// The interpreter that is used if `asked` names none: that of `BURN_SPPO_PYTHON`, of the active virtual environment,
/// of `./.venv`, or `python3`.
pub fn find_python(asked: Option<&Path>) -> PathBuf {
    search(asked, |name| std::env::var_os(name), Path::is_file)
}

fn search(
    asked: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
    is_file: impl Fn(&Path) -> bool,
) -> PathBuf {
    if let Some(path) = asked {
        return path.to_path_buf();
    }
    let variable = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable(PYTHON_VARIABLE) {
        return path;
    }
    let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let folders = [variable("VIRTUAL_ENV"), Some(PathBuf::from(".venv"))];
    let found = folders.into_iter().flatten().map(|folder| folder.join(inside)).find(|path| is_file(path));
    found.unwrap_or_else(|| PathBuf::from(if cfg!(windows) { "python" } else { "python3" }))
}

/// The commands that make a virtual environment with the paper's packages, where it is found.
pub fn install_hint() -> String {
    let lines = PAPER_REQUIREMENTS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let packages: Vec<String> = lines.map(|line| format!("'{line}'")).collect();
    format!("python3.11 -m venv .venv && .venv/bin/pip install {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(asked: Option<&str>, variables: &[(&str, &str)], files: &[&str]) -> PathBuf {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        search(asked.map(Path::new), variable, |path| files.iter().any(|file| Path::new(file) == path))
    }

    #[cfg(unix)]
    #[test]
    fn the_most_explicit_interpreter_wins() {
        let variables = [(PYTHON_VARIABLE, "/opt/python"), ("VIRTUAL_ENV", "/venv")];
        let files = ["/venv/bin/python", ".venv/bin/python"];
        assert_eq!(found(Some("mine"), &variables, &files), Path::new("mine"));
        assert_eq!(found(None, &variables, &files), Path::new("/opt/python"));
        assert_eq!(found(None, &variables[1..], &files), Path::new("/venv/bin/python"));
        assert_eq!(found(None, &variables[1..], &files[1..]), Path::new(".venv/bin/python"));
        assert_eq!(found(None, &[], &files), Path::new(".venv/bin/python"));
        assert_eq!(found(None, &[(PYTHON_VARIABLE, "")], &[]), Path::new("python3"));
    }

    #[test]
    fn the_hint_installs_what_the_requirements_list() {
        let hint = install_hint();
        assert!(hint.contains("'mujoco==2.3.7'") && hint.contains("'gymnasium[mujoco,"), "{hint}");
        assert!(!hint.contains('#'), "{hint}");
    }
}
