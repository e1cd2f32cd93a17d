//! Symmetric PPO learns to balance a pole, with settings that come with the crate.
//!
//! `cargo run --release --example cartpole`: seconds on two CPU cores; nothing is written.

use burn::tensor::Device;
use burn_sppo::training::{ControlConfig, ControlEvaluation, ControlObserver, Family};

struct Printer;

impl ControlObserver for Printer {
    fn on_evaluation(&mut self, evaluation: &ControlEvaluation) {
        println!(
            "after {:6} steps: return {:5.1} ± {:.1}",
            evaluation.steps, evaluation.mean_return, evaluation.std_return
        );
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = ControlConfig::preset(Family::Zoo, "sppo", "CartPole-v1", false, &[])?;
    config.evaluation.every = 20_000;
    config.seed = 1;
    println!("{}", config.batch_arithmetic());
    let (training, learner) = config.init(None, &Device::default())?;
    let result = training.observer(Printer).launch(learner)?;
    println!("{} steps; the best possible return is 500", result.steps);
    Ok(())
}
