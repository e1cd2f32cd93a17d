use super::forward;
use crate::advantage::RewardNoise;
use crate::environment::{Actions, EnvironmentError, Observations, StateReader, StateWriter, Step, VectorEnvironment};
use crate::run::{Purpose, Stream, Streams};

/// Puts noise on the rewards, as training sees them; [`Step::episodes`] stay without.
///
/// Each environment has a stream of its own, which only a reset with a seed begins anew.
pub struct NoisyReward<V> {
    inner: V,
    noise: RewardNoise,
    all: Streams,
    streams: Vec<Stream>,
    rewards: Vec<f32>,
}

/// Noise on advantages takes its streams from the iterations that there are.
const ITERATION: u64 = u64::MAX;

impl<V: VectorEnvironment> NoisyReward<V> {
    /// # Errors
    /// If the amount of noise is out of range.
    pub fn new(inner: V, noise: RewardNoise, streams: Streams) -> Result<Self, EnvironmentError> {
        noise.validate()?;
        let num_envs = inner.spec().num_envs;
        let mut noisy = Self { inner, noise, all: streams, streams: Vec::new(), rewards: Vec::with_capacity(num_envs) };
        noisy.seed(streams.seed());
        Ok(noisy)
    }

    /// A training that goes on in environments that cannot save their state resets them with another seed, and must
    /// not meet its first noise again.
    fn seed(&mut self, seed: u64) {
        let iteration = ITERATION.wrapping_sub(seed.wrapping_sub(self.all.seed()));
        let environments = 0..self.inner.spec().num_envs as u64;
        self.streams = environments.map(|env| self.all.stream(Purpose::Noise, iteration, env)).collect();
    }
}

impl<V: VectorEnvironment> VectorEnvironment for NoisyReward<V> {
    forward!(spec, restart, notes, render, normalizer);

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        if let Some(seed) = seed {
            self.seed(seed);
        }
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        if self.noise == RewardNoise::None {
            return Ok(step);
        }
        let noisy = |(reward, stream): (&f32, &mut Stream)| self.noise.apply(*reward, self.noise.draw(stream));
        self.rewards.clear();
        self.rewards.extend(step.rewards.iter().zip(&mut self.streams).map(noisy));
        Ok(Step { rewards: &self.rewards, ..step })
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = StateWriter::new();
        state.bytes(&self.inner.save()?).u64(self.streams.len() as u64);
        self.streams.iter().for_each(|stream| _ = state.stream(stream));
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        let id = self.inner.spec().id.clone();
        let mut reader = StateReader::new(&id, state);
        let inner = reader.bytes()?;
        reader.expect("number of noise streams", self.streams.len() as u64)?;
        for stream in &mut self.streams {
            *stream = reader.stream()?;
        }
        reader.end()?;
        self.inner.restore(inner)
    }
}
