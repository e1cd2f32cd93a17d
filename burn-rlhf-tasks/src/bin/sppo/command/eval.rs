use burn::train::Interrupter;
use burn_rlhf_tasks::{config::RunConfig, policy::LanguageActorCritic, task::Split};
use burn_sppo::run::Streams;

use super::{control, train::STAGES};
use crate::{
    arguments::{DeviceArguments, EvalArguments},
    console::Console,
    device,
    failure::Failure,
    run_model,
    stage::Stages,
    text,
};

/// Measures the policy of a run, or the one it started from, on a split of its data.
pub fn run(arguments: EvalArguments, device: &DeviceArguments) -> Result<(), Failure> {
    if control::is_control_run(&arguments.run) {
        return control::eval(arguments, device);
    }
    arguments.refuse_those_of_environments()?;
    let console = Console::new(false);
    let split: Split = arguments.split.as_deref().unwrap_or("validation").parse().map_err(Failure::usage)?;
    let config = RunConfig::load(arguments.run.join("config.toml"))?;
    let (_, device) = device::select(device)?;
    let stages = Stages {
        config: &config,
        folder: arguments.output.join(STAGES),
        device: device.clone(),
        console,
        interrupter: Interrupter::new(),
    };
    let data = stages.data()?;
    let start = stages.policy(&data)?;
    let tokenizer = start.tokenizer;
    let judges = stages.judges(&data, &tokenizer)?;
    let reference = LanguageActorCritic::from(start.model);
    let policy = match arguments.start {
        true => reference.clone(),
        false => run_model::load(&arguments.run, &device)?.0.with_compute(stages.compute()).into(),
    };
    let decoder = text::decoder(&tokenizer);
    let mut evaluation = stages.evaluation(&data, split, arguments.rows, &tokenizer, &judges)?;
    let (report, _) = evaluation.run(&policy, Some(&reference), &decoder, Streams::new(config.seed), 0, &device)?;
    for (key, value) in &report.metrics {
        console.result(&format!("{key:<40} {value:>10.4}"));
    }
    Ok(())
}
