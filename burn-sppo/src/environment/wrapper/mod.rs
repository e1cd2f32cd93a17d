//! What can be put around environments: each wrapper takes a [`VectorEnvironment`](super::VectorEnvironment) and is one.
//!
//! From the inside out the usual order is [`TimeLimit`], [`ClipReward`], [`VecNormalize`], [`FrameStack`],
//! [`NoisyReward`], [`Discretize`]; [`Monitor`] may be anywhere.

mod clip_reward;
mod discretize;
mod episode_log;
mod frame_stack;
#[cfg(test)]
mod golden_tests;
mod moments;
mod monitor;
mod noisy_reward;
mod normalizer;
#[cfg(test)]
pub(crate) mod scripted;
mod time_limit;
mod vec_normalize;
#[cfg(test)]
mod wrapper_tests;

pub use clip_reward::ClipReward;
pub use discretize::{DEFAULT_BINS, Discretize};
pub use episode_log::EpisodeLog;
pub use frame_stack::FrameStack;
pub use moments::RunningMoments;
pub use monitor::Monitor;
pub use noisy_reward::NoisyReward;
pub use normalizer::{Normalizer, NormalizerConfig};
pub use time_limit::TimeLimit;
pub use vec_normalize::VecNormalize;

/// Methods that a wrapper leaves to what it wraps.
macro_rules! forward {
    ($($method:ident),*) => { $(forward!(@ $method);)* };
    (@ spec) => {
        fn spec(&self) -> &crate::environment::EnvironmentSpec {
            self.inner.spec()
        }
    };
    (@ reset) => {
        fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
            self.inner.reset(seed)
        }
    };
    (@ restart) => {
        fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
            self.inner.restart(env)
        }
    };
    (@ notes) => {
        fn notes(&self) -> &[String] {
            self.inner.notes()
        }
    };
    (@ render) => {
        fn render(&mut self, env: usize) -> Result<Option<crate::environment::Frame>, EnvironmentError> {
            self.inner.render(env)
        }
    };
    (@ normalizer) => {
        fn normalizer(&self) -> Option<&crate::environment::wrapper::Normalizer> {
            self.inner.normalizer()
        }

        fn normalizer_mut(&mut self) -> Option<&mut crate::environment::wrapper::Normalizer> {
            self.inner.normalizer_mut()
        }
    };
    (@ save) => {
        fn save(&self) -> Option<Vec<u8>> {
            self.inner.save()
        }

        fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
            self.inner.restore(state)
        }
    };
}
use forward;
