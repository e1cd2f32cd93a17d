use std::io;
use std::path::PathBuf;
use thiserror::Error;

use super::gymnasium::GymnasiumError;
use super::{ActionSpace, ObservationKind};
use crate::advantage::AdvantageError;

/// What can go wrong with environments.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    #[error("there is no environment {id:?}{}", did_you_mean(.nearest))]
    UnknownId { id: String, nearest: Vec<String> },
    #[error("{name} is {value}: it must be {must_be}")]
    Setting { name: &'static str, value: f64, must_be: &'static str },
    #[error("{id} cannot be given these arguments: {reason}")]
    Arguments { id: String, reason: String },
    #[error("{id}: its {what} is of size 0; give it at least one entry")]
    ZeroSize { id: String, what: &'static str },
    #[error("{id}: dimension {dimension} of its actions has {reason}; mend the bounds of the action space")]
    Bounds { id: String, dimension: usize, reason: String },
    #[error("{id} declares {declared} actions, but its step takes {taken}; let both be the same")]
    DeclaredActions { id: String, declared: &'static str, taken: &'static str },
    #[error("{id} has not been reset; call reset before the first step")]
    NotReset { id: String },
    #[error("{id} takes {} actions, but was given {found} ones", .expected.name())]
    ActionKind { id: String, expected: ActionSpace, found: &'static str },
    #[error("{id} takes {expected} numbers of actions ({num_envs} environments times {width}), but was given {found}")]
    ActionCount { id: String, num_envs: usize, width: usize, expected: usize, found: usize },
    #[error(
        "{id}, environment {env}: dimension {dimension} of the action is {action}, but its choices are 0 to {}",
        .choices.saturating_sub(1)
    )]
    ActionRange { id: String, env: usize, dimension: usize, action: i64, choices: usize },
    #[error(
        "{id}, environment {env}: dimension {dimension} of the action is {action}; a policy that gives such numbers \
         has diverged: lower its learning rate"
    )]
    ActionNotFinite { id: String, env: usize, dimension: usize, action: f32 },
    #[error(
        "{id}, environment {env}: entry {entry} of the {what} is {value}; the simulation has diverged, or the \
         environment is wrong"
    )]
    NotFinite { id: String, env: usize, what: &'static str, entry: usize, value: f64 },
    #[error("{id}: its {what} has {found} numbers, where {expected} were expected by its specification")]
    Count { id: String, what: &'static str, expected: usize, found: usize },
    #[error("{id}: its observations are {found:?}, but it declares {expected:?}; let both be the same")]
    Kind { id: String, expected: ObservationKind, found: ObservationKind },
    #[error("{id} has {num_envs} environments, numbered from 0: there is no environment {env}")]
    NoSuchEnvironment { id: String, num_envs: usize, env: usize },
    #[error("{id} has {num_envs} environments, but {needed}")]
    NumEnvs { id: String, num_envs: usize, needed: &'static str },
    #[error("the state of {id} cannot be saved and restored, so a run in it cannot go on bit for bit; start it anew")]
    RestoreUnsupported { id: String },
    #[error("what was saved cannot be restored in {id}: {reason}; give it the state that this environment saved")]
    State { id: String, reason: String },
    #[error(
        "{id} cannot start a new episode in one environment alone; give the time limit where the environment is made \
         (max_episode_steps)"
    )]
    RestartUnsupported { id: String },
    #[error("{id} has no pictures to show: a task in Rust draws them in `render`, one of gymnasium in \"rgb_array\"")]
    NoPictures { id: String },
    #[error("the actions of {id} are {}; only continuous ones can be discretised", .found.name())]
    NotContinuous { id: String, found: ActionSpace },
    #[error("the normaliser has statistics of {found} features, but the observations have {expected}")]
    Statistics { expected: usize, found: usize },
    #[error(transparent)]
    Gymnasium(#[from] GymnasiumError),
    #[error(transparent)]
    Noise(#[from] AdvantageError),
    #[error("{doing} {} failed: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_where_and_what_to_do() {
        let nearest = vec!["CartPole-v1".to_string(), "CartPole-v0".to_string()];
        let unknown = EnvironmentError::UnknownId { id: "CartPol-v1".into(), nearest };
        assert_eq!(
            unknown.to_string(),
            "there is no environment \"CartPol-v1\"; did you mean CartPole-v1 or CartPole-v0?"
        );
        let range =
            EnvironmentError::ActionRange { id: "CartPole-v1".into(), env: 3, dimension: 0, action: 2, choices: 2 };
        assert_eq!(
            range.to_string(),
            "CartPole-v1, environment 3: dimension 0 of the action is 2, but its choices are 0 to 1"
        );
    }
}
