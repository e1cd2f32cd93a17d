use std::process::ExitCode;

use burn_rlhf_tasks::{
    algorithm::SupervisedError,
    config::ConfigError,
    model::{ModelError, hub::HubError, tokenizer::TokenizerError},
    reward::ClassifierError,
    rollout::PromptError,
    task::DataError,
    training::TrainError,
};
use burn_sppo::{learner::UpdateError, run::RunError};

/// Why the program ends without having done what it was asked: what its exit code says.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration; nothing has been started.
    Usage(String),
    /// Something failed on the way.
    Failed(String),
    /// A health check stopped the run.
    Unhealthy(String),
    /// The user stopped the run; a checkpoint has been written.
    Interrupted(String),
}

impl Failure {
    pub fn usage(message: impl ToString) -> Self {
        Self::Usage(message.to_string())
    }

    pub fn failed(message: impl ToString) -> Self {
        Self::Failed(message.to_string())
    }

    /// Prints the reason and gives the exit code: 1, 2, 3 or 130.
    pub fn report(self) -> ExitCode {
        let (code, message) = match self {
            Self::Failed(message) => (1, message),
            Self::Usage(message) => (2, message),
            Self::Unhealthy(message) => (3, message),
            Self::Interrupted(message) => (130, message),
        };
        eprintln!("{}: {message}", if code == 130 { "stopped" } else { "error" });
        ExitCode::from(code)
    }
}

macro_rules! failed {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        })+
    };
}

failed!(ModelError, HubError, TokenizerError, DataError, SupervisedError, RunError, std::io::Error);

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<ClassifierError> for Failure {
    fn from(error: ClassifierError) -> Self {
        Self::usage(error)
    }
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        Self::usage(error)
    }
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Health(error) => Self::Unhealthy(error.to_string()),
            UpdateError::ZeroSize { .. } | UpdateError::Microbatch { .. } | UpdateError::Loss(_) => Self::usage(error),
            error => Self::failed(error),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Health(error) => Self::Unhealthy(error.to_string()),
            TrainError::Minibatch { .. }
            | TrainError::DistributionMemory { .. }
            | TrainError::Prompts(_)
            | TrainError::Kl(_) => Self::usage(error),
            error => Self::failed(error),
        }
    }
}
