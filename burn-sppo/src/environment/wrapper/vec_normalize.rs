use super::normalizer::check_features;
use super::{Normalizer, NormalizerConfig, RunningMoments, forward};
use crate::environment::native::check_env;
use crate::environment::{
    Actions, EnvironmentError, EnvironmentSpec, ObservationKind, Observations, StateReader, StateWriter, Step,
    VectorEnvironment,
};

/// Brings observations and rewards to a common scale, with running statistics; see [`Normalizer`].
pub struct VecNormalize<V> {
    inner: V,
    inner_spec: EnvironmentSpec,
    spec: EnvironmentSpec,
    normalizer: Normalizer,
    /// Discounted sum of the rewards so far of each environment.
    discounted: Vec<f64>,
    observations: Vec<f32>,
    finals: Vec<f32>,
    rewards: Vec<f32>,
}

impl<V: VectorEnvironment> VecNormalize<V> {
    /// # Errors
    /// If a setting is out of range.
    pub fn new(inner: V, config: NormalizerConfig) -> Result<Self, EnvironmentError> {
        let normalizer = Normalizer::new(config, inner.spec().features())?;
        Self::with_normalizer(inner, normalizer)
    }

    /// With statistics that were taken before.
    ///
    /// # Errors
    /// If they are of other observations.
    pub fn with_normalizer(inner: V, normalizer: Normalizer) -> Result<Self, EnvironmentError> {
        let spec = EnvironmentSpec { observation_kind: ObservationKind::F32, ..inner.spec().clone() };
        let inner_spec = inner.spec().clone();
        check_features(spec.features(), normalizer.features())?;
        let numbers = spec.num_envs * spec.features();
        Ok(Self {
            inner,
            inner_spec,
            normalizer,
            discounted: vec![0.0; spec.num_envs],
            observations: vec![0.0; numbers],
            finals: vec![0.0; numbers],
            rewards: vec![0.0; spec.num_envs],
            spec,
        })
    }

    /// The discounted sum of the rewards of each environment's episode so far, before the end of one sets it to 0.
    pub fn discounted_returns(&self) -> &[f64] {
        &self.discounted
    }
}

fn normalize(normalizer: &Normalizer, from: Observations<'_>, to: &mut [f32]) {
    let features = normalizer.features();
    for (env, row) in to.chunks_exact_mut(features).enumerate() {
        normalizer.normalize_observation(from, env * features, row);
    }
}

impl<V: VectorEnvironment> VectorEnvironment for VecNormalize<V> {
    forward!(notes, render);

    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        check_features(self.spec.features(), self.normalizer.features())?;
        let raw = self.inner.reset(seed)?;
        raw.check(&self.inner_spec)?;
        self.normalizer.observe(raw);
        normalize(&self.normalizer, raw, &mut self.observations);
        self.discounted.fill(0.0);
        Ok(Observations::F32(&self.observations))
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let features = self.spec.features();
        check_features(features, self.normalizer.features())?;
        let step = self.inner.step(actions)?;
        step.check(&self.inner_spec)?;
        self.normalizer.observe(step.observations);
        normalize(&self.normalizer, step.observations, &mut self.observations);
        if self.normalizer.training {
            for (discounted, reward) in self.discounted.iter_mut().zip(step.rewards) {
                *discounted = *discounted * self.normalizer.config().gamma + f64::from(*reward);
            }
            self.normalizer.observe_returns(&self.discounted);
        }
        for (env, end) in step.ends.iter().enumerate() {
            self.rewards[env] = self.normalizer.normalize_reward(step.rewards[env]);
            if end.is_some() {
                let row = &mut self.finals[env * features..(env + 1) * features];
                self.normalizer.normalize_observation(step.final_observations, env * features, row);
                self.discounted[env] = 0.0;
            }
        }
        Ok(Step {
            observations: Observations::F32(&self.observations),
            rewards: &self.rewards,
            final_observations: Observations::F32(&self.finals),
            ..step
        })
    }

    fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
        check_env(&self.spec, env)?;
        check_features(self.spec.features(), self.normalizer.features())?;
        let raw = self.inner.restart(env)?;
        raw.check(&self.inner_spec)?;
        normalize(&self.normalizer, raw, &mut self.observations);
        self.discounted[env] = 0.0;
        Ok(Observations::F32(&self.observations))
    }

    fn normalizer(&self) -> Option<&Normalizer> {
        Some(&self.normalizer)
    }

    fn normalizer_mut(&mut self) -> Option<&mut Normalizer> {
        Some(&mut self.normalizer)
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = StateWriter::new();
        state.bytes(&self.inner.save()?).f64s(&self.discounted).f32s(&self.observations);
        for moments in [self.normalizer.observation_moments(), self.normalizer.return_moments()] {
            state.f64s(moments.mean()).f64s(moments.variance()).f64(moments.count());
        }
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        let mut reader = StateReader::new(&self.spec.id, state);
        self.inner.restore(reader.bytes()?)?;
        reader.f64s(&mut self.discounted)?;
        reader.f32s(&mut self.observations)?;
        let mut moments = |features: usize| {
            let (mut mean, mut variance) = (vec![0.0; features], vec![0.0; features]);
            reader.f64s(&mut mean)?;
            reader.f64s(&mut variance)?;
            let count = reader.f64()?;
            RunningMoments::from_parts(mean, variance, count).map_err(|reason| reader.error(reason))
        };
        let (observations, returns) = (moments(self.spec.features())?, moments(1)?);
        reader.end()?;
        self.normalizer.set_statistics(observations, returns)?;
        Ok(Observations::F32(&self.observations))
    }
}
