use burn::config::Config;
use serde::{Deserialize, Serialize};

use super::RunningMoments;
use crate::environment::{EnvironmentError, Observations};

/// How observations and rewards are brought to a common scale.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct NormalizerConfig {
    /// Discount of the returns whose variance scales the rewards; that of the algorithm.
    #[config(default = 0.99)]
    pub gamma: f64,
    /// Added to variances.
    #[config(default = 1e-8)]
    pub epsilon: f64,
    /// Observations are cut off at this size.
    #[config(default = 10.0)]
    pub clip_observation: f64,
    /// Rewards are cut off at this size.
    #[config(default = 10.0)]
    pub clip_reward: f64,
    #[config(default = true)]
    pub normalize_observation: bool,
    #[config(default = true)]
    pub normalize_reward: bool,
}

impl NormalizerConfig {
    fn validate(&self) -> Result<(), EnvironmentError> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        for (name, value, right, must_be) in [
            ("gamma", self.gamma, (0.0..=1.0).contains(&self.gamma), "from 0 to 1"),
            ("epsilon", self.epsilon, positive(self.epsilon), "above 0"),
            ("clip_observation", self.clip_observation, positive(self.clip_observation), "above 0"),
            ("clip_reward", self.clip_reward, positive(self.clip_reward), "above 0"),
        ] {
            if !right {
                return Err(EnvironmentError::Setting { name, value, must_be });
            }
        }
        Ok(())
    }
}

/// The statistics of [`VecNormalize`](super::VecNormalize) and what it does with them.
///
/// Observations become `(o - mean) / sqrt(variance + epsilon)`; rewards are divided by the standard deviation of the
/// discounted return. It belongs in every checkpoint: a policy knows only numbers of this scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalizer {
    config: NormalizerConfig,
    /// Whether the statistics go on changing; off in evaluation.
    pub training: bool,
    observations: RunningMoments,
    returns: RunningMoments,
}

impl Normalizer {
    /// For observations of `features` numbers.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(config: NormalizerConfig, features: usize) -> Result<Self, EnvironmentError> {
        config.validate()?;
        let (observations, returns) = (RunningMoments::new(features), RunningMoments::new(1));
        Ok(Self { config, training: true, observations, returns })
    }

    /// The same statistics for evaluation: they no longer change, and rewards are left as they are.
    pub fn for_evaluation(&self) -> Self {
        let config = NormalizerConfig { normalize_reward: false, ..self.config };
        Self { config, training: false, ..self.clone() }
    }

    /// Takes over the statistics of another one, of training for example, and nothing else of it.
    ///
    /// # Errors
    /// If that one is of other observations.
    pub fn copy_statistics(&mut self, other: &Self) -> Result<(), EnvironmentError> {
        self.set_statistics(other.observations.clone(), other.returns.clone())
    }

    /// Sets the statistics of observations and of discounted returns.
    ///
    /// # Errors
    /// If they are of another number of features.
    pub fn set_statistics(
        &mut self,
        observations: RunningMoments,
        returns: RunningMoments,
    ) -> Result<(), EnvironmentError> {
        check_features(self.features(), observations.features())?;
        check_features(1, returns.features())?;
        (self.observations, self.returns) = (observations, returns);
        Ok(())
    }

    pub fn config(&self) -> &NormalizerConfig {
        &self.config
    }

    pub fn features(&self) -> usize {
        self.observations.features()
    }

    pub fn observation_moments(&self) -> &RunningMoments {
        &self.observations
    }

    pub fn return_moments(&self) -> &RunningMoments {
        &self.returns
    }

    /// Takes the observations of all environments into the statistics, if these are to change.
    pub fn observe(&mut self, observations: Observations<'_>) {
        if !self.training || !self.config.normalize_observation || self.features() == 0 {
            return;
        }
        let rows = observations.len() / self.features();
        match observations {
            Observations::U8(numbers) => self.observations.update(rows, |entry| f64::from(numbers[entry])),
            Observations::F32(numbers) => self.observations.update(rows, |entry| f64::from(numbers[entry])),
            Observations::F64(numbers) => self.observations.update(rows, |entry| numbers[entry]),
        }
    }

    /// Takes the discounted returns of all environments into the statistics, if these are to change.
    pub(super) fn observe_returns(&mut self, returns: &[f64]) {
        if self.training {
            self.returns.update(returns.len(), |row| returns[row]);
        }
    }

    /// Writes an observation, the one whose numbers begin at `first`, on the common scale.
    ///
    /// # Panics
    /// If there are fewer numbers.
    pub fn normalize_observation(&self, observations: Observations<'_>, first: usize, output: &mut [f32]) {
        if !self.config.normalize_observation {
            return observations.write_f32(first, output);
        }
        match observations {
            Observations::U8(numbers) => self.scale(&numbers[first..], output),
            Observations::F32(numbers) => self.scale(&numbers[first..], output),
            Observations::F64(numbers) => self.scale(&numbers[first..], output),
        }
    }

    fn scale<T: Copy + Into<f64>>(&self, numbers: &[T], output: &mut [f32]) {
        let clip = self.config.clip_observation;
        let moments = self.observations.mean().iter().zip(self.observations.variance());
        for ((to, from), (mean, variance)) in output.iter_mut().zip(numbers).zip(moments) {
            let from: f64 = (*from).into();
            *to = ((from - mean) / (variance + self.config.epsilon).sqrt()).clamp(-clip, clip) as f32;
        }
    }

    /// A reward on the common scale.
    pub fn normalize_reward(&self, reward: f32) -> f32 {
        if !self.config.normalize_reward {
            return reward;
        }
        let clip = self.config.clip_reward;
        (f64::from(reward) / (self.returns.variance()[0] + self.config.epsilon).sqrt()).clamp(-clip, clip) as f32
    }
}

pub(super) fn check_features(expected: usize, found: usize) -> Result<(), EnvironmentError> {
    if expected == found { Ok(()) } else { Err(EnvironmentError::Statistics { expected, found }) }
}
