//! The numbers of a reply, and where they are kept.

use crate::environment::{End, Episode, ObservationKind, storage::Storage};
use std::ops::Range;

const TERMINATED: u8 = 1;
const TRUNCATED: u8 = 2;
const EPISODE: u8 = 4;

/// Bytes of the parts of a reply for `count` environments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    count: usize,
    /// Returns, lengths, rewards and flags, up to a multiple of 8.
    numbers: usize,
    observations: usize,
}

impl Layout {
    pub(super) fn new(count: usize, observation_bytes: usize) -> Self {
        let numbers = (count * (8 + 8 + 4 + 1)).next_multiple_of(8);
        Self { count, numbers, observations: count * observation_bytes }
    }

    /// Bytes of a reply without final observations.
    pub(super) fn short(&self) -> usize {
        self.numbers + self.observations
    }

    /// Bytes of a reply with them.
    pub(super) fn long(&self) -> usize {
        self.short() + self.observations
    }
}

/// Sets `range` to the numbers in `bytes`.
fn read_observations(storage: &mut Storage, range: Range<usize>, bytes: &[u8]) {
    match storage {
        Storage::U8(numbers) => numbers[range].copy_from_slice(bytes),
        Storage::F32(numbers) => read(&mut numbers[range], bytes, f32::from_le_bytes),
        Storage::F64(numbers) => read(&mut numbers[range], bytes, f64::from_le_bytes),
    }
}

fn read<const N: usize, T>(numbers: &mut [T], bytes: &[u8], decode: impl Fn([u8; N]) -> T) {
    let (chunks, _) = bytes.as_chunks::<N>();
    for (number, chunk) in numbers.iter_mut().zip(chunks) {
        *number = decode(*chunk);
    }
}

/// What the last step of all environments has given.
#[derive(Debug)]
pub(super) struct Outcome {
    features: usize,
    pub(super) observations: Storage,
    pub(super) finals: Storage,
    pub(super) rewards: Vec<f32>,
    pub(super) ends: Vec<Option<End>>,
    pub(super) episodes: Vec<Option<Episode>>,
}

impl Outcome {
    pub(super) fn new(num_envs: usize, kind: ObservationKind, features: usize) -> Self {
        let storage = Storage::zeros(kind, num_envs * features);
        Self {
            features,
            finals: storage.clone(),
            observations: storage,
            rewards: vec![0.0; num_envs],
            ends: vec![None; num_envs],
            episodes: vec![None; num_envs],
        }
    }

    /// Takes over the reply for the environments from `first` on.
    pub(super) fn read(&mut self, first: usize, layout: &Layout, reply: &[u8]) {
        let count = layout.count;
        let environments = first..first + count;
        let (numbers, observations) = reply.split_at(layout.numbers);
        let (returns, numbers) = numbers.split_at(8 * count);
        let (lengths, numbers) = numbers.split_at(8 * count);
        let (rewards, flags) = numbers.split_at(4 * count);
        read(&mut self.rewards[environments.clone()], rewards, f32::from_le_bytes);
        let (returns, lengths) = (returns.as_chunks::<8>().0, lengths.as_chunks::<8>().0);
        for (i, (environment, flags)) in environments.clone().zip(flags).enumerate() {
            self.ends[environment] = match flags & (TERMINATED | TRUNCATED) {
                0 => None,
                TRUNCATED => Some(End::Truncated),
                _ => Some(End::Terminated),
            };
            self.episodes[environment] = (flags & EPISODE != 0).then(|| Episode {
                episode_return: f64::from_le_bytes(returns[i]),
                length: u64::from_le_bytes(lengths[i]),
            });
        }
        let (observations, finals) = observations.split_at(layout.observations);
        let range = self.range(environments.clone());
        read_observations(&mut self.observations, range.clone(), observations);
        if !finals.is_empty() {
            read_observations(&mut self.finals, range, finals);
        }
    }

    fn range(&self, environments: Range<usize>) -> Range<usize> {
        environments.start * self.features..environments.end * self.features
    }

    /// Takes over the reply to the reset of environments whose episodes were lost: those end, cut off, where they were
    /// seen last.
    pub(super) fn read_after_loss(&mut self, first: usize, layout: &Layout, reply: &[u8]) {
        let environments = first..first + layout.count;
        self.finals.copy_range(self.range(environments.clone()), self.observations.view());
        self.read(first, layout, reply);
        self.ends[environments.clone()].fill(Some(End::Truncated));
        self.episodes[environments].fill(None);
    }
}
