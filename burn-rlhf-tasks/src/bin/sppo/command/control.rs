use std::{
    num::NonZero,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use burn_rlhf_tasks::config::{Argument, Overrides, keyword_arguments, load_control, resolve_control};
use burn_sppo::{
    environment::{ActionSpace, EnvironmentError, MakeOptions, VectorEnvironment, gymnasium::GymnasiumError, make},
    learner::UpdateError,
    policy::ControlPolicy,
    run::{RunDirectory, Streams},
    training::{
        ControlConfig, ControlError, EnvironmentSection, PresetError, TrainedPolicy, Variation, evaluate, presets,
    },
};

use super::{
    curves::draw_run,
    train::{interrupter, refuse_changes},
};
use crate::{
    arguments::{DeviceArguments, EvalArguments, TrainArguments},
    console::Console,
    device,
    failure::Failure,
};

/// Whether a task is an environment: their names end in a version, as gymnasium's do.
pub fn is_environment(task: &str) -> bool {
    task.rsplit_once("-v").is_some_and(|(name, version)| {
        !name.is_empty() && !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether a run was one in an environment, sound or not: its configuration has a section on that.
pub fn is_control_run(run: &Path) -> bool {
    let text = std::fs::read_to_string(run.join("config.toml")).unwrap_or_default();
    text.lines().any(|line| line.trim() == "[environment]")
}

/// Trains a policy in an environment.
pub fn train(arguments: TrainArguments, device: &DeviceArguments) -> Result<(), Failure> {
    let console = Console::new(arguments.quiet);
    arguments.refuse_those_of_texts()?;
    let config = configuration(&arguments)?;
    if arguments.dry_run {
        console.result(&config.text()?);
        console.result(&config.batch_arithmetic());
        return Ok(());
    }
    let (backend, device) = device::select(device)?;
    console.line(&format!("{} in {} with {backend}", config.algorithm.name, config.environment.id));
    console.line(&config.batch_arithmetic());
    let interrupter = interrupter()?;
    let (training, learner) = config.init(arguments.python.as_deref(), &device)?;
    tell_notes(console, training.environment());
    let directory = run_directory(&arguments, &config);
    let mut training = training
        .directory(&directory)
        .with_checkpoints(config.checkpoint)
        .with_interrupter(interrupter)
        .observer(console);
    if arguments.resume.is_some() {
        training = training.resume();
    }
    let result = training.launch(learner)?;
    if result.interrupted {
        return Err(Failure::Interrupted(format!(
            "a checkpoint has been written after {} steps; go on with `sppo train --resume {}`",
            result.steps,
            directory.display()
        )));
    }
    let run = RunDirectory::open(&directory)?;
    draw_run(&run)?;
    if let Some(evaluation) = result.evaluations.last() {
        console.result(&format!(
            "return {:.1} ± {:.1} over {} episodes",
            evaluation.mean_return,
            evaluation.std_return,
            evaluation.scores.returns.len()
        ));
    }
    console.result(&format!("the run is in {}; its curves are in {}", directory.display(), run.curves().display()));
    Ok(())
}

/// Plays episodes with the newest policy of a run.
pub fn eval(arguments: EvalArguments, device: &DeviceArguments) -> Result<(), Failure> {
    let console = Console::new(false);
    arguments.refuse_those_of_texts()?;
    let mut config = load_control(arguments.run.join("config.toml"))?;
    config.evaluation.episodes = arguments.episodes.map_or(config.evaluation.episodes, NonZero::get);
    config.evaluation.deterministic = arguments.deterministic.unwrap_or(config.evaluation.deterministic);
    let (backend, device) = device::select(device)?;
    let mut environment = config.evaluation_environment(arguments.python.as_deref()).map_err(ControlError::from)?;
    tell_notes(console, environment.as_ref());
    let (policy, steps) = if arguments.start {
        (config.policy(environment.as_ref(), &device)?, 0)
    } else {
        let trained = load_policy(&arguments.run, &config, environment.as_mut(), &device)?;
        (trained.policy, trained.steps * config.environment.num_envs as u64)
    };
    console.line(&format!("{} after {steps} steps, with {backend}", config.environment.id));
    let settings = config.evaluation.build();
    let streams = Streams::new(config.seed);
    let scores = evaluate(&policy, environment.as_mut(), &settings, streams, 0, &device)?;
    console.result(&format!(
        "return {:.2} ± {:.2} over {} episodes of {:.0} steps",
        scores.mean(),
        scores.std(),
        scores.returns.len(),
        scores.mean_length()
    ));
    Ok(())
}

/// The newest policy of a run, and in `environment` the statistics by which its observations were normalised.
pub fn load_policy(
    run: &Path,
    config: &ControlConfig,
    environment: &mut dyn VectorEnvironment,
    device: &Device,
) -> Result<TrainedPolicy<ControlPolicy>, ControlError> {
    let trained = TrainedPolicy::load(run, config.policy(environment, device)?)?;
    if let (Some(normalizer), Some(saved)) = (environment.normalizer_mut(), &trained.normalizer) {
        normalizer.copy_statistics(saved)?;
    }
    Ok(trained)
}

/// Prints what a user should know of environments.
pub fn tell_notes(console: Console, environment: &dyn VectorEnvironment) {
    for note in environment.notes() {
        console.line(&format!("note: {note}"));
    }
}

fn run_directory(arguments: &TrainArguments, config: &ControlConfig) -> PathBuf {
    if let Some(run) = arguments.resume.as_ref().or(arguments.run.as_ref()) {
        return run.clone();
    }
    let now = chrono::Local::now().format("%Y-%m-%d_%H-%M-%S").to_string();
    arguments.output.join(&config.environment.id).join(now)
}

pub fn configuration(arguments: &TrainArguments) -> Result<ControlConfig, Failure> {
    let Some(run) = &arguments.resume else { return fresh_configuration(arguments) };
    let file = run.join("config.toml");
    let saved = load_control(&file)?;
    let steps = arguments.steps.map(|steps| Argument::new("--steps", "total_steps", steps.to_string()));
    let wanted = Overrides { file: Some(file), arguments: steps.into_iter().collect(), set: arguments.sets.clone() };
    let config = resolve_control(Vec::new(), &wanted)?;
    refuse_changes(&saved, &config, &MAY_CHANGE)?;
    Ok(config)
}

fn fresh_configuration(arguments: &TrainArguments) -> Result<ControlConfig, Failure> {
    let environment = &arguments.task;
    let section = EnvironmentSection {
        id: environment.clone(),
        arguments: keyword_arguments(&overrides(arguments))?,
        ..EnvironmentSection::default()
    };
    let keywords = section.keyword_arguments().map_err(ControlError::from)?;
    let options = MakeOptions { python: arguments.python.clone(), arguments: keywords, ..MakeOptions::new(1) };
    let space = make(environment, &options).map_err(ControlError::from)?.spec().action_space.clone();
    let continuous = matches!(space, ActionSpace::Continuous { .. });
    let variations = [(arguments.noise, Variation::Noise), (arguments.unnormalized, Variation::Unnormalized)];
    let variations: Vec<Variation> =
        variations.into_iter().filter_map(|(asked, variation)| asked.then_some(variation)).collect();
    let presets = presets(arguments.family.into(), &arguments.algorithm, environment, continuous, &variations)?;
    Ok(resolve_control(presets, &overrides(arguments))?)
}

/// What may change when a run goes on: how long it takes and what is measured, not what it computes.
const MAY_CHANGE: [&str; 5] =
    ["total_steps", "evaluation.", "checkpoint.", "environment.workers", "environment.respawn"];

fn overrides(arguments: &TrainArguments) -> Overrides {
    let mut list = vec![Argument::new("", "environment.id", arguments.task.clone())];
    list.extend(arguments.seed.map(|seed| Argument::new("--seed", "seed", seed.to_string())));
    list.extend(arguments.steps.map(|steps| Argument::new("--steps", "total_steps", steps.to_string())));
    Overrides { file: arguments.config.clone(), arguments: list, set: arguments.sets.clone() }
}

impl From<PresetError> for Failure {
    fn from(error: PresetError) -> Self {
        Self::usage(error)
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Health(error) => Self::Unhealthy(error.to_string()),
            ControlError::Environment(
                error @ (EnvironmentError::UnknownId { .. }
                | EnvironmentError::Setting { .. }
                | EnvironmentError::Arguments { .. }
                | EnvironmentError::ZeroSize { .. }
                | EnvironmentError::Bounds { .. }
                | EnvironmentError::NotContinuous { .. }
                | EnvironmentError::NoPictures { .. }
                | EnvironmentError::Noise(_)
                | EnvironmentError::Gymnasium(
                    GymnasiumError::NoInterpreter { .. }
                    | GymnasiumError::MissingPackage { .. }
                    | GymnasiumError::Make { .. }
                    | GymnasiumError::UnsupportedSpace { .. }
                    | GymnasiumError::ZeroSize { .. },
                )),
            ) => Self::usage(error),
            ControlError::NoSteps
            | ControlError::Zero { .. }
            | ControlError::Minibatch { .. }
            | ControlError::SingleSample
            | ControlError::Policy(_)
            | ControlError::Distribution(_)
            | ControlError::NoCheckpoint { .. }
            | ControlError::OtherEnvironment { .. }
            | ControlError::OtherSetting { .. }
            | ControlError::SeedTooLarge { .. }
            | ControlError::Normalizer { .. }
            | ControlError::Update(UpdateError::Loss(_)) => Self::usage(error),
            error => Self::failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_sppo::training::{Family, algorithm_names};

    use super::*;

    #[test]
    fn the_library_reads_presets_as_the_program_does() {
        let mut compared = 0;
        for family in [Family::Reference, Family::Zoo, Family::Best] {
            for algorithm in algorithm_names() {
                for (id, continuous) in [
                    ("CartPole-v1", false),
                    ("PongNoFrameskip-v4", false),
                    ("Pendulum-v1", true),
                    ("Hopper-v4", true),
                    ("Humanoid-v4", true),
                ] {
                    let variations = [Variation::Noise, Variation::Unnormalized];
                    let Ok(presets) = presets(family, &algorithm, id, continuous, &variations) else { continue };
                    let list = vec![Argument::new("", "environment.id", id)];
                    let overrides = Overrides { arguments: list, ..Overrides::default() };
                    let expected = resolve_control(presets, &overrides).unwrap();
                    let config = ControlConfig::preset(family, &algorithm, id, continuous, &variations).unwrap();
                    assert_eq!(config, expected, "{algorithm} in {id}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 60, "{compared}");
    }

    #[test]
    fn environments_are_told_from_tasks_by_their_version() {
        for name in ["CartPole-v1", "PongNoFrameskip-v4", "HalfCheetah-v4"] {
            assert!(is_environment(name), "{name}");
        }
        for name in ["builtin", "imdb", "-v1", "text-vision", "CartPole-v"] {
            assert!(!is_environment(name), "{name}");
        }
    }
}
