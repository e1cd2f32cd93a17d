//! Training in environments: the same layers, over the presets that come with `burn-sppo`.

use std::path::PathBuf;

use burn_sppo::training::{ControlConfig, Preset};

use super::{
    ConfigError, Layered, Overrides,
    check::{at_least_one, divide, positive, range},
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
    let config = stack(&[], &[Layer::saved(path.into())?])?;
    check(&config)?;
    Ok(config)
}

/// The keyword arguments of the environment that the user asks for: the environment tells which presets suit it.
///
/// # Errors
///
/// A [`ConfigError`] naming the key, where it was given and what it should be.
pub fn keyword_arguments(overrides: &Overrides) -> Result<Option<String>, ConfigError> {
    let config: ControlConfig = stack(&[], &overrides.layers()?)?;
    Ok(config.environment.arguments)
}

fn check(config: &ControlConfig) -> Result<(), ConfigError> {
    let ControlConfig { environment, update, algorithm, evaluation, optimizer, .. } = config;
    at_least_one("total_steps", config.total_steps)?;
    at_least_one("checkpoint.keep", config.checkpoint.keep)?;
    at_least_one("health.max_skipped_in_a_row", config.health.max_skipped_in_a_row)?;
    positive("health.max_log_ratio", config.health.max_log_ratio.unwrap_or(1.0))?;
    positive("health.max_kl", config.health.max_kl.unwrap_or(1.0))?;
    for (key, value) in [
        ("environment.num_envs", environment.num_envs),
        ("environment.frame_stack", environment.frame_stack),
        ("environment.workers", environment.workers.unwrap_or(1)),
        ("environment.max_steps", environment.max_steps.unwrap_or(1)),
        ("update.rollout_steps", update.rollout_steps),
        ("update.epochs", update.epochs),
        ("update.minibatch", update.minibatch.unwrap_or(1)),
        ("evaluation.num_envs", evaluation.num_envs),
    ] {
        at_least_one(key, value)?;
        sensible(key, value)?;
    }
    for (key, width) in config.policy.hidden.iter().map(|&width| ("policy.hidden", width)) {
        at_least_one(key, width)?;
        sensible(key, width)?;
    }
    sensible("environment.bins", environment.bins)?;
    if evaluation.every > 0 {
        at_least_one("evaluation.episodes", evaluation.episodes)?;
    }
    if environment.bins == 1 {
        let (key, value) = ("environment.bins".into(), "1".into());
        return Err(ConfigError::Range { key, value, range: "0, which leaves actions continuous, or at least 2" });
    }
    for (key, value) in [
        ("update.gamma", update.gamma),
        ("update.gae_lambda", update.gae_lambda),
        ("update.adv_flip", update.adv_flip),
        ("optimizer.alpha", optimizer.alpha),
    ] {
        range(key, value, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
    }
    for (key, value) in
        [("algorithm.alpha", algorithm.alpha), ("algorithm.beta", algorithm.beta), ("update.vf_coef", update.vf_coef)]
            .into_iter()
            .chain([("environment.noise_value", environment.noise_value)])
    {
        range(key, value, "0 or more", |x| x >= 0.0)?;
    }
    range("algorithm.z", algorithm.z, "below 0", |x| x < 0.0)?;
    for (key, value) in [
        ("update.learning_rate", update.learning_rate),
        ("update.clip_range", update.clip_range),
        ("update.clip_range_vf", update.clip_range_vf.unwrap_or(1.0)),
        ("update.max_grad_norm", update.max_grad_norm.unwrap_or(1.0)),
        ("update.target_kl", update.target_kl.unwrap_or(1.0)),
        ("optimizer.epsilon", optimizer.epsilon),
    ] {
        positive(key, value)?;
    }
    // A larger minibatch is all of the rollout.
    divide(
        ("update.rollout_steps * environment.num_envs", config.samples()),
        ("update.minibatch", config.minibatch()),
    )?;
    if !algorithm.name.uses_ratio() && update.epochs != 1 {
        return Err(ConfigError::EpochsWithoutRatio {
            algorithm: if algorithm.name.is_symmetric() { "sa2c" } else { "a2c" },
            epochs: update.epochs,
        });
    }
    Ok(())
}

/// Larger sizes are slips of the hand; products of two that are not still fit.
fn sensible(key: &str, size: usize) -> Result<(), ConfigError> {
    range(key, size as f64, "at most 16777216", |size| size <= 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Argument;
    use burn_sppo::{
        environment::{ATARI_GAMES, GYMNASIUM_IDS, NATIVE_IDS},
        training::{Family, Variation, algorithm_names, presets},
    };

    /// Ids of environments, and whether their actions are numbers.
    fn environments() -> impl Iterator<Item = (String, bool)> {
        const CHOICES: [&str; 4] = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "LunarLander-v3"];
        let more = ["LunarLander-v2", "LunarLanderContinuous-v2", "InvertedPendulum-v4", "Reacher-v4"];
        let more = more.into_iter().chain(["BipedalWalkerHardcore-v3", "HumanoidBulletEnv-v0", "MyOwn-v0"]);
        let named = NATIVE_IDS.into_iter().chain(GYMNASIUM_IDS).chain(more).map(str::to_owned);
        let games = ATARI_GAMES.iter().map(|game| format!("{game}NoFrameskip-v4"));
        named.chain(games).map(|id| {
            let choices = CHOICES.contains(&id.as_str()) || id.ends_with("NoFrameskip-v4") || id == "LunarLander-v2";
            (id, !choices)
        })
    }

    #[test]
    fn every_preset_makes_a_configuration_that_can_be_trained() {
        let mut checked = 0;
        for family in [Family::Reference, Family::Zoo, Family::Best, Family::None] {
            for algorithm in algorithm_names() {
                for (id, continuous) in environments() {
                    let variations = [Variation::Noise, Variation::Unnormalized];
                    let Ok(presets) = presets(family, &algorithm, &id, continuous, &variations) else { continue };
                    let arguments = vec![Argument::new("", "environment.id", id.clone())];
                    let config = resolve_control(presets, &Overrides { arguments, ..Overrides::default() });
                    assert!(config.is_ok(), "{algorithm} in {id}: {config:?}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 1500, "{checked}");
    }

    #[test]
    fn without_a_family_an_algorithm_is_still_itself() {
        for (algorithm, continuous, name, bins) in [
            ("sppo", false, "sppo", 0),
            ("a2c", false, "a2c", 0),
            ("dsa2c", true, "sa2c", 11),
            ("dppo", true, "ppo", 11),
        ] {
            let presets = presets(Family::None, algorithm, "MyOwn-v0", continuous, &[]).unwrap();
            let config = resolve_control(presets, &Overrides::default()).unwrap();
            assert_eq!((config.algorithm.name.to_string().as_str(), config.environment.bins), (name, bins));
        }
    }

    fn resolve(set: &str) -> Result<ControlConfig, ConfigError> {
        let set = set.split(' ').map(str::to_owned).collect();
        resolve_control(Vec::new(), &Overrides { set, ..Overrides::default() })
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for set in [
            "update.learning_rate=-1e-3",
            "update.max_grad_norm=-1",
            "update.clip_range=-1",
            "update.clip_range_vf=-1",
            "evaluation.episodes=0",
            "environment.noise_value=-1",
            "update.target_kl=0",
            "update.adv_flip=2",
            "update.gamma=1.5",
            "update.rollout_steps=9000000000000000000",
            "update.epochs=0",
            "optimizer.epsilon=0",
            "optimizer.alpha=-0.5",
            "algorithm.alpha=-1",
            "algorithm.z=1",
            "environment.num_envs=1000000000",
            "environment.workers=0",
            "environment.bins=1",
            "policy.hidden=[64,0]",
            "checkpoint.keep=0",
            "health.max_log_ratio=0",
        ] {
            let error = resolve(set).expect_err(set).to_string();
            let key = set.split('=').next().unwrap();
            assert!(error.contains(key), "{set}: {error}");
        }
    }

    #[test]
    fn a_rollout_is_a_whole_number_of_minibatches_or_one_that_is_smaller() {
        let error = resolve("update.rollout_steps=256 update.minibatch=100").unwrap_err();
        assert!(matches!(error, ConfigError::Divide { whole: 256, part: 100, .. }), "{error}");
        let config = resolve("update.rollout_steps=8 update.minibatch=256").unwrap();
        assert_eq!(config.minibatch(), 8);
        assert!(config.batch_arithmetic().contains("8 samples = 1 x minibatch 8"), "{}", config.batch_arithmetic());
    }

    #[test]
    fn what_is_saved_with_a_run_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let preset = ControlConfig::preset(Family::Zoo, "ppo", "Pendulum-v1", true, &[Variation::Noise]);
        let mut config = preset.unwrap();
        config.environment.arguments = Some(r#"{"g": 9.81}"#.into());
        std::fs::write(&path, config.text().unwrap()).unwrap();
        assert_eq!(load_control(&path).unwrap(), config);
        std::fs::write(&path, "").unwrap();
        assert!(matches!(load_control(&path), Err(ConfigError::Empty { .. })));
    }
}
