mod animation;
mod screen;
mod viewer;

use std::{
    io::{IsTerminal, stdout},
    time::Duration,
};

use burn_rlhf_tasks::config::load_control;
use burn_sppo::{
    run::Streams,
    training::{ControlError, EpisodeScores, evaluate},
};

use super::{
    control::{load_policy, tell_notes},
    train::interrupter,
};
use crate::{
    arguments::{DeviceArguments, EnjoyArguments},
    console::Console,
    device,
    failure::Failure,
};
use animation::Animation;
use screen::Screen;
use viewer::Viewer;

/// Shows episodes of the newest policy of a run, in the terminal and as a GIF.
pub fn run(arguments: EnjoyArguments, device: &DeviceArguments) -> Result<(), Failure> {
    let console = Console::new(false);
    let mut config = load_control(arguments.run.join("config.toml"))?;
    config.evaluation.num_envs = 1;
    config.evaluation.episodes = arguments.episodes.get();
    config.evaluation.deterministic |= arguments.deterministic;
    let (backend, device) = device::select(device)?;
    let pace = Duration::from_secs_f64(1.0 / f64::from(arguments.fps.get()));
    let animation = arguments.gif.clone().map(|path| Animation::create(path, pace)).transpose();
    let animation = animation.map_err(ControlError::from)?;
    let screen = is_colourful().then(|| Screen::new(pace));

    let python = arguments.python.as_deref();
    let environment = match screen.is_some() || animation.is_some() {
        true => config.rendered_environment(python),
        false => config.evaluation_environment(python),
    };
    let mut environment = environment.map_err(ControlError::from)?;
    tell_notes(console, environment.as_ref());
    let trained = load_policy(&arguments.run, &config, environment.as_mut(), &device)?;
    let steps = trained.steps * config.environment.num_envs as u64;
    console.line(&format!("{} after {steps} steps, with {backend}", config.environment.id));

    let interrupter = interrupter()?;
    let mut viewer = Viewer::new(environment, screen, animation, interrupter.clone());
    let (settings, streams) = (config.evaluation.build(), Streams::new(config.seed));
    let scores = evaluate(&trained.policy, &mut viewer, &settings, streams, 0, &device);
    // What has been seen until then is a whole file, too.
    let animation = viewer.finish().map_err(ControlError::from)?;
    if interrupter.should_stop() {
        return Err(Failure::Interrupted("the episode has not been played to its end".into()));
    }
    summarise(console, &scores?);
    if let Some(animation) = animation {
        console.result(&format!("{} pictures are in {}", animation.pictures, animation.path.display()));
    }
    Ok(())
}

fn summarise(console: Console, scores: &EpisodeScores) {
    for (number, (episode_return, length)) in scores.returns.iter().zip(&scores.lengths).enumerate() {
        console.result(&format!("episode {}: return {episode_return:.2} in {length} steps", number + 1));
    }
    if scores.returns.len() > 1 {
        console.result(&format!("return {:.2} ± {:.2}", scores.mean(), scores.std()));
    }
}

/// Whether pictures can be shown where the output goes.
fn is_colourful() -> bool {
    stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}
