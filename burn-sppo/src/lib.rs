//! Symmetric PPO and A2C for the Burn deep learning framework.
//!
//! "SPPO" here is *symmetric* PPO (Byun & Perrault, ICML 2025, arXiv 2405.17618), not Self-Play Preference
//! Optimization.

pub mod advantage;
pub mod distribution;
pub mod learner;
pub mod loss;
pub mod optim;
pub mod run;
