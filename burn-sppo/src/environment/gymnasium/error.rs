use std::io;
use std::ops::Range;
use std::path::PathBuf;
use thiserror::Error;

/// What can go wrong with environments in Python processes.
#[derive(Debug, Error)]
pub enum GymnasiumError {
    #[error("{name} is 0: give at least 1")]
    ZeroSize { name: &'static str },
    #[error(
        "{task} needs Python, but {} cannot be started ({source}); name another interpreter with --python or \
         BURN_SPPO_PYTHON, or install one and then the packages: {hint}",
        .python.display()
    )]
    NoInterpreter { task: String, python: PathBuf, source: io::Error, hint: String },
    #[error(
        "{task} needs a package that {} does not have ({message}); install it, or all of them: {hint}",
        .python.display()
    )]
    MissingPackage { task: String, python: PathBuf, message: String, hint: String },
    #[error("{} ended ({status}) before it had made {task}; is it a Python 3?{}", .python.display(), said(.stderr))]
    NoAnswer { task: String, python: PathBuf, status: String, stderr: String },
    #[error("{} answered {found:?} instead of making {task}; name a Python 3 interpreter", .python.display())]
    NotAWorker { task: String, python: PathBuf, found: String },
    #[error(
        "{} has not made {task} within {seconds} seconds; raise the handshake timeout if the machine is busy{}",
        .python.display(),
        said(.stderr)
    )]
    Timeout { task: String, python: PathBuf, seconds: f64, stderr: String },
    #[error("there is no task {task:?}{}: {message}", did_you_mean(.nearest))]
    UnknownTask { task: String, nearest: Vec<String>, message: String },
    #[error("{task} cannot be trained on: {message}")]
    UnsupportedSpace { task: String, message: String },
    #[error("making {task} failed: {message}; check its arguments")]
    Make { task: String, message: String },
    #[error("the environments of {task} have different spaces; give all of them the same")]
    SpacesDiffer { task: String },
    #[error(
        "the worker of {task} with {} died ({status}); set environment.respawn (`MakeOptions::respawn`) to go on without \
         its episodes{}",
        environments_and_seeds(.environments, .seed),
        said(.stderr)
    )]
    Died { task: String, environments: Range<usize>, seed: Option<u64>, status: String, stderr: String },
    #[error(
        "the worker of {task} with {} sent {found}, which is no reply; the environment must not write to the file \
         descriptors of its process",
        environments_and_seeds(.environments, .seed)
    )]
    Garbled { task: String, environments: Range<usize>, seed: Option<u64>, found: String },
    #[error("environment {environment} of {task}{} failed: {message}", seeded(.seed))]
    Raised { task: String, environment: usize, seed: Option<u64>, message: String },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; its last lines:\n{stderr}") }
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!(" (did you mean {}?)", nearest.join(" or ")) }
}

fn seeded(seed: &Option<u64>) -> String {
    seed.map_or(String::new(), |seed| format!(" (seed {seed})"))
}

fn environments_and_seeds(environments: &Range<usize>, seed: &Option<u64>) -> String {
    let list = |from: u64, count: usize| {
        if count == 1 { format!(" {from}") } else { format!("s {from} to {}", from.wrapping_add(count as u64 - 1)) }
    };
    let environment = list(environments.start as u64, environments.len());
    let seeds = seed.map_or(", without a seed".to_string(), |seed| {
        format!(", seed{}", list(seed.wrapping_add(environments.start as u64), environments.len()))
    });
    format!("environment{environment}{seeds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_names_task_environments_seeds_status_and_last_words() {
        let died = |environments, seed| GymnasiumError::Died {
            task: "Ant-v4".into(),
            environments,
            seed,
            status: "signal: 9 (SIGKILL)".into(),
            stderr: "Traceback".into(),
        };
        let text = died(2..4, Some(10)).to_string();
        assert!(text.contains("Ant-v4 with environments 2 to 3, seeds 12 to 13 died (signal: 9"), "{text}");
        assert!(text.ends_with("last lines:\nTraceback"), "{text}");
        assert!(died(2..3, None).to_string().contains("environment 2, without a seed"));
    }

    #[test]
    fn an_unknown_task_comes_with_the_nearest_names() {
        let nearest = vec!["CartPole-v1".to_string(), "CartPole-v0".to_string()];
        let error = GymnasiumError::UnknownTask { task: "CartPole-v9".into(), nearest, message: "no version".into() };
        assert!(error.to_string().contains("(did you mean CartPole-v1 or CartPole-v0?)"), "{error}");
    }
}
