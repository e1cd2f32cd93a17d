use std::time::Instant;

use burn_sppo::{
    environment::{Actions, EnvironmentError, MakeOptions, VectorEnvironment, make},
    run::{Purpose, Streams},
    training::ControlError,
};
use rand::RngExt;
use serde::Serialize;

use crate::{arguments::BenchArguments, console::Console, failure::Failure};

/// Rounds of actions that are drawn beforehand, and repeated.
const ROUNDS: usize = 1024;

/// The line of JSON.
#[derive(Serialize)]
struct Summary {
    task: &'static str,
    num_envs: usize,
    /// CartPole steps a second, native, on one core.
    cartpole_steps_s: f64,
    /// Pong steps a second (of four frames each) with one worker and with one for each core.
    pong_steps_s: Option<f64>,
    pong_workers: Option<usize>,
    pong_workers_steps_s: Option<f64>,
    pong_scaling: Option<f64>,
}

/// Steps environments with random actions and without a policy.
pub fn run(arguments: &BenchArguments, console: Console) -> Result<(), Failure> {
    let num_envs = arguments.num_envs.unwrap_or(8);
    if num_envs == 0 || arguments.steps == Some(0) {
        return Err(Failure::usage("--steps and --num-envs must be at least 1"));
    }
    let options = MakeOptions { python: arguments.python.clone(), ..MakeOptions::new(num_envs) };
    let mut cart_pole = make("CartPole-v1", &options).map_err(ControlError::from)?;
    let cartpole_steps_s =
        rate(cart_pole.as_mut(), 2, arguments.steps.unwrap_or(20_000_000)).map_err(ControlError::from)?;
    console.line(&format!("CartPole-v1: {cartpole_steps_s:.0} steps/s on one core"));
    let workers = arguments.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let pong = |workers: usize| -> Result<f64, EnvironmentError> {
        let options = MakeOptions { workers: Some(workers), ..options.clone() };
        rate(make("PongNoFrameskip-v4", &options)?.as_mut(), 6, arguments.steps.unwrap_or(16_384))
    };
    let pong = pong(1).and_then(|one| Ok((one, pong(workers)?)));
    if let Err(error) = &pong {
        console.line(&format!("Pong is not measured: {error}"));
    }
    let (one, several) = pong.ok().unzip();
    let summary = Summary {
        task: "stepping",
        num_envs,
        cartpole_steps_s: cartpole_steps_s.round(),
        pong_steps_s: one.map(f64::round),
        pong_workers: several.map(|_| workers),
        pong_workers_steps_s: several.map(f64::round),
        pong_scaling: one.zip(several).map(|(one, several)| super::rounded(several / one)),
    };
    console.result(&serde_json::to_string(&summary).map_err(Failure::failed)?);
    Ok(())
}

/// Steps a second over all environments, with `choices` actions.
fn rate(environment: &mut dyn VectorEnvironment, choices: i64, steps: u64) -> Result<f64, EnvironmentError> {
    let num_envs = environment.spec().num_envs;
    let mut stream = Streams::new(0).stream(Purpose::Data, 0, 0);
    let actions: Vec<i64> = (0..ROUNDS * num_envs).map(|_| stream.random_range(0..choices)).collect();
    environment.reset(Some(0))?;
    let rounds = steps.div_ceil(num_envs as u64);
    let start = Instant::now();
    for actions in actions.chunks_exact(num_envs).cycle().take(rounds as usize) {
        environment.step(Actions::Discrete(actions))?;
    }
    Ok((rounds * num_envs as u64) as f64 / start.elapsed().as_secs_f64())
}
