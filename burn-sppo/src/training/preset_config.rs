use serde::Deserialize;
use toml::{Table, Value};

use super::{ControlConfig, Family, Preset, PresetError, Variation, presets};

/// How a setting that is not used is written.
pub(super) const NONE: &str = "none";

impl ControlConfig {
    /// The settings that come with the crate for an algorithm in an environment, whose actions are numbers (`continuous`)
    /// or choices.
    ///
    /// ```
    /// use burn_sppo::training::{ControlConfig, Family};
    ///
    /// let config = ControlConfig::preset(Family::Zoo, "sppo", "CartPole-v1", false, &[])?;
    /// assert_eq!((config.environment.num_envs, config.algorithm.beta), (8, 1.0));
    /// # Ok::<(), burn_sppo::training::PresetError>(())
    /// ```
    ///
    /// # Errors
    /// If the algorithm or, in the family that was asked for, the environment is unknown, or the algorithm does not take
    /// actions of this kind.
    pub fn preset(
        family: Family,
        algorithm: &str,
        environment: &str,
        continuous: bool,
        variations: &[Variation],
    ) -> Result<Self, PresetError> {
        let mut config = Self::from_presets(presets(family, algorithm, environment, continuous, variations)?);
        config.environment.id = environment.into();
        Ok(config)
    }

    /// Lays presets over each other and over the defaults.
    fn from_presets(presets: Vec<Preset>) -> Self {
        let mut settings = Table::new();
        presets.into_iter().for_each(|preset| lay(&mut settings, preset.settings));
        let mut unused = Vec::new();
        take_unused(&mut settings, "", &mut unused);
        let mut config = Self::deserialize(Value::Table(settings))
            .unwrap_or_else(|error| panic!("the presets that come with the crate are broken: {error}"));
        for key in unused {
            match key.as_str() {
                "environment.max_steps" => config.environment.max_steps = None,
                "environment.arguments" => config.environment.arguments = None,
                "environment.workers" => config.environment.workers = None,
                "policy.sde_sample_freq" => config.policy.sde_sample_freq = None,
                "update.minibatch" => config.update.minibatch = None,
                "update.clip_range_vf" => config.update.clip_range_vf = None,
                "update.max_grad_norm" => config.update.max_grad_norm = None,
                "update.target_kl" => config.update.target_kl = None,
                // The only setting one of whose values has this name.
                "environment.noise" => config.environment.noise = super::NoiseName::None,
                key => panic!("the presets that come with the crate are broken: {key} cannot go unused"),
            }
        }
        config
    }
}

/// Replaces and adds keys, table by table.
fn lay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Takes settings that are not used out of a table, and lists their keys.
fn take_unused(table: &mut Table, path: &str, unused: &mut Vec<String>) {
    table.retain(|key, value| match value {
        Value::String(text) if text == NONE => {
            unused.push(format!("{path}{key}"));
            false
        }
        _ => true,
    });
    for (key, value) in table.iter_mut() {
        if let Value::Table(inner) = value {
            take_unused(inner, &format!("{path}{key}."), unused);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        learner::Schedule,
        loss::Algorithm,
        training::{NoiseName, OptimizerName},
    };

    #[test]
    fn presets_are_laid_over_each_other() {
        let config = ControlConfig::preset(Family::Reference, "sa2c", "Ant-v4", true, &[Variation::Noise]).unwrap();
        assert_eq!((config.algorithm.name, config.environment.id.as_str()), (Algorithm::Sa2c, "Ant-v4"));
        assert_eq!((config.environment.bins, config.algorithm.beta), (11, 20.0));
        assert_eq!((config.environment.noise, config.environment.noise_value), (NoiseName::Normal, 0.05));
        assert_eq!((config.update.minibatch, config.update.epochs), (None, 1));
        let config = ControlConfig::preset(Family::Zoo, "ppo", "CartPole-v1", false, &[]).unwrap();
        assert_eq!((config.update.minibatch, config.update.target_kl), (Some(256), None));
        assert_eq!(config.update.schedule.of(2.0), Schedule::Linear(2.0));
        assert_eq!((config.environment.noise, config.optimizer.kind), (NoiseName::None, OptimizerName::Adam));
        let unknown = ControlConfig::preset(Family::Reference, "ppo", "CartPole-v1", false, &[]);
        assert!(matches!(unknown, Err(PresetError::Environment { .. })), "{unknown:?}");
    }
}
