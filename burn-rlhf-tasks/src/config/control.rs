//! Training in environments: the same layers, over the presets that come with `burn-sppo`.

use std::path::PathBuf;

use burn_sppo::training::{ControlConfig, Preset};

use super::{
    ConfigError, Layered, Overrides,
    layer::{Layer, stack},
};

impl Layered for ControlConfig {
    fn seed(&self) -> u64 {
        self.seed
    }
}

/// Lays the settings that come with an algorithm and an environment, and what the user says beyond them, over the
/// defaults.
///
/// # Errors
///
/// A [`ConfigError`] naming the key, where it was given and what it should be.
pub fn resolve_control(presets: Vec<Preset>, overrides: &Overrides) -> Result<ControlConfig, ConfigError> {
    let presets: Vec<Layer> = presets.into_iter().map(|preset| Layer::settings(preset.name, preset.settings)).collect();
    let config = stack(&presets, &overrides.layers()?)?;
    check(&config)?;
    Ok(config)
}

/// Reads the configuration that was saved with a run; presets that have changed since have no part in it.
///
/// # Errors
///
/// A [`ConfigError`] naming the key and what it should be.
pub fn load_control(path: impl Into<PathBuf>) -> Result<ControlConfig, ConfigError> {
    let config = stack(&[], &[Layer::file(path.into())?])?;
    check(&config)?;
    Ok(config)
}

fn check(config: &ControlConfig) -> Result<(), ConfigError> {
    let range =
        |key: &str, value: String, range: &'static str| Err(ConfigError::Range { key: key.into(), value, range });
    for (key, value) in [
        ("environment.num_envs", config.environment.num_envs),
        ("update.rollout_steps", config.update.rollout_steps),
        ("update.epochs", config.update.epochs),
        ("update.minibatch", config.update.minibatch.unwrap_or(1)),
        ("environment.frame_stack", config.environment.frame_stack),
        ("evaluation.num_envs", config.evaluation.num_envs),
    ] {
        if value == 0 {
            return range(key, value.to_string(), "at least 1");
        }
    }
    if config.total_steps == 0 {
        return range("total_steps", "0".into(), "at least 1");
    }
    if config.environment.bins == 1 {
        return range("environment.bins", "1".into(), "0, which leaves actions continuous, or at least 2");
    }
    for (key, value) in [("update.gamma", config.update.gamma), ("update.gae_lambda", config.update.gae_lambda)] {
        if !(0.0..=1.0).contains(&value) {
            return range(key, value.to_string(), "from 0 to 1");
        }
    }
    if !config.algorithm.name.uses_ratio() && config.update.epochs != 1 {
        return Err(ConfigError::EpochsWithoutRatio {
            algorithm: if config.algorithm.name.is_symmetric() { "sa2c" } else { "a2c" },
            epochs: config.update.epochs,
        });
    }
    Ok(())
}
