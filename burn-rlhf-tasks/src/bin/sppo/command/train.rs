use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    train::{Interrupter, renderer::default_renderer},
};
use burn_rlhf_tasks::{
    config::{AlgorithmName, Argument, Layered, Overrides, Reference, RunConfig, TaskName, changes, to_toml},
    model::{export::export_gpt2, gpt2::Gpt2Config, load::read_gpt2_config, tokenizer::Tokenizer},
    policy::LanguageActorCritic,
    training::{CheckpointConfig, ReportMetric, RlhfLearner, RlhfTraining},
};
use burn_sppo::{
    environment::nearest_ids,
    run::{Purpose, RunDirectory, Streams},
};

use super::{control, curves::draw_run};

use crate::{
    arguments::{DeviceArguments, TrainArguments},
    console::Console,
    device,
    failure::Failure,
    stage::{Data, Stages},
    table, text,
};

/// Folder of the exported model in a run directory.
pub const MODEL: &str = "model";
/// Folder of finished stages in the output folder.
pub const STAGES: &str = "stages";

pub fn run(arguments: TrainArguments, device: &DeviceArguments) -> Result<(), Failure> {
    let control = match &arguments.resume {
        Some(run) => control::is_control_run(run),
        None => control::is_environment(&arguments.task),
    };
    if control {
        return control::train(arguments, device);
    }
    let console = Console::new(arguments.quiet);
    let config = configuration(&arguments).map_err(|failure| with_nearest(failure, &arguments.task))?;
    arguments.refuse_those_of_environments()?;
    if arguments.dry_run {
        return print_plan(&config, &console);
    }
    let (backend, device) = device::select(device)?;
    console.line(&format!("{} on {} with {backend}", config.algorithm.name.as_str(), config.task.name.as_str()));
    let interrupter = interrupter()?;
    let stages = Stages {
        config: &config,
        folder: arguments.output.join(STAGES),
        device: device.clone(),
        console,
        interrupter: interrupter.clone(),
    };
    let data = stages.data()?;
    match config.algorithm.name {
        AlgorithmName::Bc => {
            let policy = stages.policy(&data)?;
            console.result(&format!("the language model is in {}", policy.folder.display()));
            Ok(())
        }
        AlgorithmName::RewardModel => {
            let (tokenizer, _) = stages.tokenizer(&data)?;
            let reward = stages.reward_model(&data, &tokenizer)?;
            console.result(&format!("the reward model is in {}", reward.folder.display()));
            Ok(())
        }
        _ => from_rewards(&arguments, &config, &stages, &data, interrupter),
    }
}

fn from_rewards(
    arguments: &TrainArguments,
    config: &RunConfig,
    stages: &Stages,
    data: &Data,
    interrupter: Interrupter,
) -> Result<(), Failure> {
    let console = stages.console;
    let stored = stages.policy(data)?;
    let shape = read_gpt2_config(&stored.folder)?;
    let tokenizer = stored.tokenizer;
    let judges = stages.judges(data, &tokenizer)?;
    let streams = Streams::new(config.seed);
    let mut policy = config
        .model
        .actor_critic()
        .init(stored.model, &mut streams.stream(Purpose::Initialization, 2, 0), &stages.device)
        .train();
    if config.model.reference == Reference::SharedTrunk {
        policy = policy.with_frozen_trunk(config.model.shared_layers.unwrap_or(shape.n_layer / 2));
    }
    let update = config.update().ok_or_else(|| Failure::usage("this algorithm has no update step"))?.init()?;
    let learner = RlhfLearner {
        policy,
        reference: config.model.reference != Reference::None,
        optimizer: config.optimizer.build(),
        learning_rate: config.optimizer.learning_rate,
        schedule: config.scheduler.build(config.iterations),
        rollout: config.rollout(),
        update,
        kl: config.kl.clone(),
        health: config.health.clone(),
        exactness: config.model.precision.exactness(),
        seed: config.seed,
    };
    let directory = run_directory(arguments, config)?;
    let prompts = text::prompts(config, data.splits.train.clone(), &tokenizer)?;
    let mut training = RlhfTraining::new(&directory, prompts, text::decoder(&tokenizer))
        .reward(stages.as_reward(&judges.reward)?)
        .with_checkpoints(CheckpointConfig { every: config.checkpoint.every, keep: config.checkpoint.keep })
        .with_interrupter(interrupter)
        .num_iterations(config.iterations)
        .config_text(to_toml(config)?);
    for &split in &config.evaluation.splits {
        training = training.evaluation(stages.evaluation(data, split, config.evaluation.rows, &tokenizer, &judges)?);
    }
    training = match dashboard(arguments) {
        true => training
            .metrics_train(ReportMetric::headline())
            .renderer(default_renderer(stages.interrupter.clone(), None)),
        false => training.observer(console),
    };
    if arguments.resume.is_some() {
        training = training.resume();
    }
    let result = training.launch(learner)?;
    if result.interrupted {
        return Err(Failure::Interrupted(format!(
            "a checkpoint has been written after iteration {}; go on with `sppo train --resume {}`",
            result.iterations,
            directory.display()
        )));
    }
    export(&result.model, &shape, &tokenizer, &directory)?;
    let directory = RunDirectory::open(&directory)?;
    draw_run(&directory)?;
    table::print(&console, &directory)
}

/// Whether Burn's dashboard shows the training: in a terminal that can.
fn dashboard(arguments: &TrainArguments) -> bool {
    cfg!(feature = "tui") && std::io::stdout().is_terminal() && !arguments.plain && !arguments.quiet
}

fn export(
    model: &LanguageActorCritic,
    shape: &Gpt2Config,
    tokenizer: &Tokenizer,
    directory: &Path,
) -> Result<(), Failure> {
    Ok(export_gpt2(&model.valid().into_actor(), shape, tokenizer, directory.join(MODEL))?)
}

/// Adds the environments whose names are like that of a task that there is not.
fn with_nearest(failure: Failure, task: &str) -> Failure {
    let nearest = nearest_ids(task);
    match failure {
        Failure::Usage(message) if !nearest.is_empty() && TaskName::ALL.iter().all(|known| known.as_str() != task) => {
            Failure::Usage(format!("{message}. Did you mean the environment {}?", nearest.join(" or ")))
        }
        failure => failure,
    }
}

fn run_directory(arguments: &TrainArguments, config: &RunConfig) -> Result<PathBuf, Failure> {
    if let Some(run) = arguments.resume.as_ref().or(arguments.run.as_ref()) {
        return Ok(run.clone());
    }
    let now = chrono::Local::now().format("%Y-%m-%d_%H-%M-%S").to_string();
    Ok(arguments.output.join(config.task.name.as_str()).join(now))
}

/// The configuration that the arguments ask for, or that of the run that goes on.
pub fn configuration(arguments: &TrainArguments) -> Result<RunConfig, Failure> {
    match &arguments.resume {
        None => Ok(RunConfig::resolve(&overrides(arguments))?),
        Some(run) => resumed_configuration(arguments, run),
    }
}

fn overrides(arguments: &TrainArguments) -> Overrides {
    let mut list = vec![
        Argument::new("", "task.name", arguments.task.clone()),
        Argument::new("--algorithm", "algorithm.name", arguments.algorithm.clone()),
    ];
    let paths = [("--data", "task.data", arguments.data.as_ref().map(|path| path.display().to_string()))];
    let names = [
        ("--text-column", "task.text_column", arguments.text_column.clone()),
        ("--label-column", "task.label_column", arguments.label_column.clone()),
        ("--seed", "seed", arguments.seed.map(|seed| seed.to_string())),
    ];
    for (name, key, value) in paths.into_iter().chain(names) {
        list.extend(value.map(|value| Argument::new(name, key, value)));
    }
    if arguments.from_scratch {
        list.push(Argument::new("--from-scratch", "model.from_scratch", "true"));
    }
    Overrides { file: arguments.config.clone(), arguments: list, set: arguments.sets.clone() }
}

/// What may change when a run goes on: how long it takes and what is measured, not what it computes.
const MAY_CHANGE: [&str; 3] = ["iterations", "evaluation.", "checkpoint."];

fn resumed_configuration(arguments: &TrainArguments, run: &Path) -> Result<RunConfig, Failure> {
    let file = run.join("config.toml");
    if !file.is_file() {
        return Err(Failure::usage(format!("{} is no run: it holds no config.toml", run.display())));
    }
    let saved = RunConfig::load(&file)?;
    if arguments.sets.is_empty() {
        return Ok(saved);
    }
    let wanted = Overrides { file: Some(file), set: arguments.sets.clone(), ..Overrides::default() };
    let config = RunConfig::resolve(&wanted)?;
    refuse_changes(&saved, &config, &MAY_CHANGE)?;
    Ok(config)
}

/// Checks that a run goes on with the configuration it began with, but for keys that begin like one of `may_change`.
pub fn refuse_changes<T: Layered>(saved: &T, wanted: &T, may_change: &[&str]) -> Result<(), Failure> {
    let forbidden: Vec<String> = changes(saved, wanted)?
        .into_iter()
        .filter(|change| !may_change.iter().any(|key| change.key.starts_with(key)))
        .map(|change| change.to_string())
        .collect();
    match forbidden.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "a run cannot go on with another configuration ({}): start a new one without --resume",
            forbidden.join("; ")
        ))),
    }
}

/// Prints the resolved configuration, the batch arithmetic and an estimate of memory.
fn print_plan(config: &RunConfig, console: &Console) -> Result<(), Failure> {
    console.result(&to_toml(config)?);
    console.result(&config.batch_arithmetic());
    let model = config.model.gpt2(config.model.vocab_size);
    let block = 12 * model.n_embd * model.n_embd;
    let trunk = (model.vocab_size + model.n_positions) * model.n_embd + model.n_layer * block;
    let length = config.task.max_prompt_length + config.sampling.max_new_tokens;
    let tokens = config.update.microbatch * length;
    // Policy and critic with gradients and two moments each, the reference, and what backward needs of each token.
    let weights = (2 * 4 + 1) * trunk;
    let activations = 2 * tokens * model.n_layer * 18 * model.n_embd
        + config.update.microbatch * config.sampling.max_new_tokens * model.vocab_size;
    if config.model.from_scratch {
        console.result(&format!(
            "about {:.0} MB for weights, gradients and optimiser, {:.0} MB for one forward and backward pass",
            4.0 * weights as f64 / 1e6,
            4.0 * activations as f64 / 1e6
        ));
    } else {
        console.result("memory: about nine times the policy's file, and the activations of one microbatch");
    }
    Ok(())
}

/// Stops training between two steps at the first Ctrl-C; at the second the program ends at once.
pub fn interrupter() -> Result<Interrupter, Failure> {
    let interrupter = Interrupter::new();
    let stop = interrupter.clone();
    ctrlc::set_handler(move || {
        if stop.should_stop() {
            std::process::exit(130);
        }
        eprintln!("stopping after this step; press Ctrl-C again to stop at once");
        stop.stop(Some("interrupted"));
    })
    .map_err(Failure::failed)?;
    Ok(interrupter)
}
