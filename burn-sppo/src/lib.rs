//! Symmetric PPO and A2C for the Burn deep learning framework.
//!
//! "SPPO" here is *symmetric* PPO (Byun & Perrault, ICML 2025, arXiv 2405.17618), not Self-Play Preference
//! Optimization.
//!
//! The losses work on any module that gives log-probabilities:
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::{module::Module, optim::{AdamWConfig, GradientsParams}, tensor::{Device, Int, Tensor}};
//! use burn_sppo::distribution::{Categorical, Distribution};
//! use burn_sppo::loss::{PolicySamples, Reduction, SymmetricPpoLossConfig};
//! use burn_sppo::run::{Purpose, Streams};
//!
//! #[derive(Module, Debug)]
//! struct Policy { layer: Linear } // any module of yours
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let device = Device::default().autodiff();
//!     let mut policy = Policy { layer: LinearConfig::new(4, 4).init(&device) };
//!     let (mut optimizer, loss) = (AdamWConfig::new().init(), SymmetricPpoLossConfig::new().init()?);
//!     let states = Tensor::<2>::eye(4, &device); // in state i, action i is right
//!     for iteration in 0..50 {
//!         let old = Categorical::new(policy.layer.forward(states.clone()).detach());
//!         let mut streams: Vec<_> = (0..4).map(|row| Streams::new(1).stream(Purpose::Sampling, iteration, row)).collect();
//!         let actions = old.sample(&mut streams)?;
//!         let advantage = actions.clone().equal(Tensor::<1, Int>::arange(0..4, &device)).float() - 0.25;
//!         for _epoch in 0..4 {
//!             let now = Categorical::new(policy.layer.forward(states.clone()));
//!             let [log_prob, old_log_prob] = [&now, &old].map(|policy| policy.log_prob(actions.clone()));
//!             let samples = PolicySamples::new(log_prob, old_log_prob, advantage.clone());
//!             let output = loss.forward(samples, &Reduction::all(4))?;
//!             let gradients = GradientsParams::from_grads(output.loss.backward(), &policy);
//!             policy = optimizer.step(0.02, policy, gradients);
//!         }
//!     }
//!     let chosen = Categorical::new(policy.layer.forward(states)).mode();
//!     assert_eq!(chosen.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1, 2, 3]);
//!     Ok(())
//! }
//! ```
//!
//! [`learner::Update`] does the rest of an iteration (minibatches, gradient accumulation, value and entropy losses,
//! clipping, health checks) for any module that implements [`learner::Evaluate`]; [`advantage`] makes advantages of
//! rewards and values; [`run`] keeps the files of a run.

pub mod advantage;
pub mod distribution;
pub mod environment;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
pub mod kernel;
pub mod learner;
pub mod loss;
pub mod optim;
pub mod policy;
pub mod rollout;
pub mod run;
pub mod strategy;
pub mod training;

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_readme_is_the_tested_one() {
        let of_crate = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//!"));
        let of_crate: Vec<&str> = of_crate.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let of_crate = of_crate.join("\n");
        let example = of_crate.split("```\n").nth(1).unwrap();
        let readme = include_str!("../../README.md");
        assert!(readme.contains(example), "copy the example of the crate's documentation to README.md");
    }
}
