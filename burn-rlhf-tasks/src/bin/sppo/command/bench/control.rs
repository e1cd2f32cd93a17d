use std::{cell::Cell, rc::Rc, time::Instant};

use burn_sppo::{
    policy::PolicyKind,
    training::{ControlConfig, ControlObserver, ControlReport, EvaluationSection, Family, ScheduleName},
};
use serde::Serialize;

use super::{convolution, rounded};
use crate::{
    arguments::{BenchArguments, DeviceArguments},
    console::Console,
    device,
    failure::Failure,
    system,
};

/// The line of JSON.
#[derive(Debug, Serialize)]
struct Summary {
    task: String,
    algorithm: String,
    backend: String,
    num_envs: usize,
    steps: u64,
    seconds: f64,
    /// Environment steps a second of the whole training.
    steps_s: f64,
    collect_s: f64,
    update_s: f64,
    /// Memory after the first iteration, at the end and at most.
    first_rss_mb: Option<u64>,
    last_rss_mb: Option<u64>,
    peak_rss_mb: Option<u64>,
    #[serde(flatten)]
    convolution: Option<Share>,
}

/// What convolutions take, timed by themselves.
#[derive(Debug, Serialize)]
struct Share {
    /// Of the whole training.
    convolution_share: f64,
    convolution_gflop_s: f64,
    /// Of matrix products of the same sizes.
    matmul_gflop_s: f64,
}

/// Seconds and memory of a training.
#[derive(Clone, Copy, Default)]
struct Clock {
    collect: f64,
    update: f64,
    first: Option<u64>,
    last: Option<u64>,
}

struct Watch(Rc<Cell<Clock>>);

impl ControlObserver for Watch {
    fn on_iteration(&mut self, report: &ControlReport) {
        let mut clock = self.0.get();
        clock.collect += report.collect_seconds;
        clock.update += report.update_seconds;
        clock.last = system::resident();
        clock.first = clock.first.or(clock.last);
        self.0.set(clock);
    }
}

/// A whole training that writes nothing, timed from its first step to its last update.
pub fn run(arguments: &BenchArguments, device: &DeviceArguments, console: Console) -> Result<(), Failure> {
    let config = config(arguments)?;
    let (backend, device) = device::select(device)?;
    console.line(&format!("{} in {} on {backend}", config.algorithm.name, config.environment.id));
    console.line(&config.batch_arithmetic());
    let (training, learner) = config.init(arguments.python.as_deref(), &device)?;
    let clock = Rc::new(Cell::new(Clock::default()));
    let training = training.observer(Watch(clock.clone()));
    let start = Instant::now();
    let result = training.launch(learner)?;
    let seconds = start.elapsed().as_secs_f64();
    let clock = clock.get();
    let convolution = match config.policy.kind {
        PolicyKind::Cnn => Some(share(&config, &device, result.steps, seconds)?),
        PolicyKind::Mlp => None,
    };
    let megabytes = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 20);
    let summary = Summary {
        task: config.environment.id,
        algorithm: config.algorithm.name.to_string(),
        backend,
        num_envs: config.environment.num_envs,
        steps: result.steps,
        seconds: rounded(seconds),
        steps_s: (result.steps as f64 / seconds).round(),
        collect_s: rounded(clock.collect),
        update_s: rounded(clock.update),
        first_rss_mb: megabytes(clock.first),
        last_rss_mb: megabytes(clock.last),
        peak_rss_mb: megabytes(system::peak_resident()),
        convolution,
    };
    console.result(&serde_json::to_string(&summary).map_err(Failure::failed)?);
    Ok(())
}

fn share(config: &ControlConfig, device: &burn::tensor::Device, steps: u64, seconds: f64) -> Result<Share, Failure> {
    let (minibatch, environments) = (config.minibatch(), config.environment.num_envs);
    let measured = convolution::measure(minibatch, environments, device)?;
    let forward = steps as f64 / environments as f64;
    let trained = steps as f64 / minibatch as f64 * config.update.epochs as f64;
    Ok(Share {
        convolution_share: rounded((forward * measured.collect_s + trained * measured.update_s) / seconds),
        convolution_gflop_s: measured.gflop_s.round(),
        matmul_gflop_s: measured.matmul_gflop_s.round(),
    })
}

/// The settings of the comparison with Stable-Baselines3: the zoo's for CartPole and Pong, the reference's for
/// HalfCheetah.
fn config(arguments: &BenchArguments) -> Result<ControlConfig, Failure> {
    let (family, environment, steps) = match (arguments.what.as_str(), arguments.algorithm.as_str()) {
        ("cartpole", "ppo" | "a2c") => (Family::Zoo, "CartPole-v1", 40_000),
        ("halfcheetah", "ppo") => (Family::Reference, "HalfCheetah-v4", 20_480),
        ("pong", "ppo") => (Family::Zoo, "PongNoFrameskip-v4", 4096),
        ("halfcheetah" | "pong", "a2c") => {
            return Err(Failure::usage(format!("{} is measured with ppo alone", arguments.what)));
        }
        (_, other) => return Err(Failure::usage(format!("there is no measurement of {other}: it is ppo or a2c"))),
    };
    let continuous = environment == "HalfCheetah-v4";
    let mut config = ControlConfig::preset(family, &arguments.algorithm, environment, continuous, &[])?;
    // The runs are too short for a schedule.
    (config.update.schedule, config.update.clip_schedule) = (ScheduleName::Constant, ScheduleName::Constant);
    config.total_steps = arguments.steps.unwrap_or(steps);
    config.environment.num_envs = arguments.num_envs.unwrap_or(config.environment.num_envs);
    config.environment.workers = arguments.workers;
    config.evaluation = EvaluationSection { every: 0, ..EvaluationSection::default() };
    if config.total_steps == 0 || config.environment.num_envs == 0 {
        return Err(Failure::usage("--steps and --num-envs must be at least 1"));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(what: &str) -> BenchArguments {
        BenchArguments { what: what.into(), ..BenchArguments::default() }
    }

    #[test]
    fn every_training_has_settings_that_fit_together() {
        for (what, algorithm, samples) in
            [("cartpole", "ppo", 256), ("cartpole", "a2c", 40), ("halfcheetah", "ppo", 2048), ("pong", "ppo", 1024)]
        {
            let config = config(&BenchArguments { algorithm: algorithm.into(), ..arguments(what) }).unwrap();
            assert_eq!((config.samples(), config.evaluation.every), (samples, 0), "{what}");
            assert!(config.update().init().is_ok(), "{what}");
        }
        let config = config(&BenchArguments { steps: Some(512), num_envs: Some(2), ..arguments("cartpole") }).unwrap();
        assert_eq!((config.total_steps, config.environment.num_envs), (512, 2));
    }

    #[test]
    fn what_cannot_be_measured_is_wrong_usage() {
        for arguments in [
            BenchArguments { algorithm: "sppo".into(), ..arguments("cartpole") },
            BenchArguments { algorithm: "a2c".into(), ..arguments("pong") },
            BenchArguments { steps: Some(0), ..arguments("cartpole") },
            BenchArguments { num_envs: Some(0), ..arguments("cartpole") },
        ] {
            assert!(matches!(config(&arguments), Err(Failure::Usage(_))));
        }
    }
}
