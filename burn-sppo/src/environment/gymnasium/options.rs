use crate::environment::MakeOptions;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

/// How [`GymnasiumEnvironments`](super::GymnasiumEnvironments) are made and run.
#[derive(Clone, Debug)]
pub struct GymnasiumOptions {
    /// How many environments step together.
    pub num_envs: usize,
    /// How many processes share them; by default one for each core, but one alone for tasks so cheap that the way to
    /// the process costs more than the step. The numbers do not depend on it.
    pub workers: Option<usize>,
    /// The interpreter; by default `BURN_SPPO_PYTHON`, the active virtual environment, `./.venv`, `python3`.
    pub python: Option<PathBuf>,
    /// Start a worker anew when it dies, instead of failing: the episodes it was in are cut off as truncated.
    pub respawn: bool,
    /// How long the workers may take to import their packages and to make their environments.
    pub handshake_timeout: Duration,
    /// Keyword arguments of `gymnasium.make`.
    pub arguments: Map<String, Value>,
    /// Another time limit than the registered one; counts steps of the agent.
    pub max_episode_steps: Option<usize>,
    /// Make pictures available. Atari games always have some.
    pub render: bool,
}

impl GymnasiumOptions {
    pub fn new(num_envs: usize) -> Self {
        Self {
            num_envs,
            workers: None,
            python: None,
            respawn: false,
            handshake_timeout: Duration::from_secs(120),
            arguments: Map::new(),
            max_episode_steps: None,
            render: false,
        }
    }

    /// The number of processes for the task `id`: never more than there are environments.
    pub(super) fn worker_count(&self, id: &str) -> usize {
        let wanted = match self.workers {
            Some(workers) => workers,
            None if CHEAP.iter().any(|name| id.starts_with(name)) => 1,
            None => available_parallelism().map_or(1, usize::from),
        };
        wanted.min(self.num_envs)
    }
}

impl From<&MakeOptions> for GymnasiumOptions {
    fn from(options: &MakeOptions) -> Self {
        let MakeOptions { num_envs, workers, python, arguments, max_episode_steps, render, respawn } = options.clone();
        Self { workers, python, arguments, max_episode_steps, render, respawn, ..Self::new(num_envs) }
    }
}

/// Tasks whose step takes a few microseconds.
const CHEAP: [&str; 8] =
    ["CartPole-", "Pendulum-", "Acrobot-", "MountainCar", "FrozenLake", "CliffWalking", "Taxi-", "Blackjack-"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_of_make_asks_for_arrives() {
        let asked = MakeOptions {
            workers: Some(2),
            python: Some("python".into()),
            max_episode_steps: Some(7),
            render: true,
            respawn: true,
            ..MakeOptions::new(3)
        };
        let options = GymnasiumOptions::from(&asked);
        assert_eq!((options.num_envs, options.workers, options.max_episode_steps), (3, Some(2), Some(7)));
        assert_eq!(options.python, asked.python);
        assert!(options.render && options.respawn);
        assert!(!GymnasiumOptions::from(&MakeOptions::new(1)).respawn);
    }

    #[test]
    fn there_are_as_many_workers_as_cores_unless_that_is_too_many() {
        let cores = available_parallelism().map_or(1, usize::from);
        assert_eq!(GymnasiumOptions::new(64).worker_count("HalfCheetah-v4"), cores.min(64));
        assert_eq!(GymnasiumOptions::new(1).worker_count("HalfCheetah-v4"), 1);
        assert_eq!(GymnasiumOptions::new(64).worker_count("CartPole-v1"), 1);
        let asked = GymnasiumOptions { workers: Some(3), ..GymnasiumOptions::new(64) };
        assert_eq!(asked.worker_count("CartPole-v1"), 3);
        assert_eq!(GymnasiumOptions { workers: Some(3), ..GymnasiumOptions::new(2) }.worker_count("Ant-v4"), 2);
    }
}
