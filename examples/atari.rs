//! Pong, or another Atari game, with the convolutional network and the settings of the reference implementation.
//!
//! `cargo run --release --example atari -- PongNoFrameskip-v4 sppo 1000000`
//!
//! Needs a Python with gymnasium and ale-py (`burn-sppo/python/requirements-paper.txt`), named by `BURN_SPPO_PYTHON` or
//! active. The run goes on where it was stopped when the same command is given again.

use burn::tensor::Device;
use burn_sppo::training::{CheckpointConfig, ControlConfig, ControlEvaluation, ControlObserver, ControlReport, Family};

struct Printer;

impl ControlObserver for Printer {
    fn on_iteration(&mut self, report: &ControlReport) {
        if let (Some(games), true) = (report.episodes, report.iteration.is_multiple_of(10)) {
            let speed = report.steps_per_second();
            println!("after {:8} steps: {:6.1} a game, {speed:.0} steps/s", report.steps, games.mean_return);
        }
    }

    fn on_evaluation(&mut self, evaluation: &ControlEvaluation) {
        println!("evaluation: {:.1} ± {:.1}", evaluation.mean_return, evaluation.std_return);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let game = arguments.next().unwrap_or_else(|| "PongNoFrameskip-v4".into());
    let algorithm = arguments.next().unwrap_or_else(|| "sppo".into());
    let mut config = ControlConfig::preset(Family::Reference, &algorithm, &game, false, &[])?;
    if let Some(steps) = arguments.next() {
        config.total_steps = steps.parse()?;
    }
    config.evaluation.every = 100_000;
    println!("{}", config.batch_arithmetic());
    let (training, learner) = config.init(None, &Device::default())?;
    let folder = format!("outputs/atari-example/{game}-{algorithm}");
    let checkpoints = CheckpointConfig { every: 20_000, keep: 2 };
    let mut training = training.observer(Printer).directory(&folder).with_checkpoints(checkpoints);
    if std::path::Path::new(&folder).exists() {
        training = training.resume();
    }
    training.launch(learner)?;
    println!("the run is in {folder}");
    Ok(())
}
