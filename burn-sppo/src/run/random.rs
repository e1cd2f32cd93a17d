use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator of one purpose, iteration and lane. Take numbers through [`rand::Rng`].
pub type Stream = ChaCha8Rng;

/// What a stream's numbers are for. Numbers of one purpose never depend on how many another one has drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Weights of a new module.
    Initialization = 1,
    /// Making or splitting a data set.
    Data = 2,
    /// Which prompts an iteration takes, and which reference of a prompt.
    Prompts = 3,
    /// Sampling of actions or tokens during rollouts.
    Sampling = 4,
    /// Order of the rows in an epoch.
    Shuffle = 5,
    /// Noise on rewards or advantages.
    Noise = 6,
    /// Sampling during evaluation.
    Evaluation = 7,
    /// Environments.
    Environment = 8,
}

/// Every random number of a run, from one seed.
///
/// Counter-based: a stream is found from `(seed, purpose, iteration, lane)` alone, so nothing has to be stored to
/// resume a run, and a row's numbers do not depend on the rows beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The stream of `lane` (a row, an environment, an epoch) in `iteration`.
    pub fn stream(&self, purpose: Purpose, iteration: u64, lane: u64) -> Stream {
        let mut key = [0u8; 32];
        for (part, word) in key.chunks_exact_mut(8).zip([self.seed, purpose as u64, iteration, lane]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        Stream::from_seed(key)
    }
}

/// A draw from the normal distribution of mean 0 and deviation 1, after Box and Muller.
pub fn standard_normal<R: Rng>(stream: &mut R) -> f64 {
    // `1 - u` lies in (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * stream.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_found_again_and_differs_from_its_neighbours() {
        let first =
            |seed, purpose, iteration, lane| -> u64 { Streams::new(seed).stream(purpose, iteration, lane).random() };
        let here = first(42, Purpose::Sampling, 3, 7);
        assert_eq!(here, first(42, Purpose::Sampling, 3, 7));
        for other in [
            first(43, Purpose::Sampling, 3, 7),
            first(42, Purpose::Shuffle, 3, 7),
            first(42, Purpose::Sampling, 4, 7),
            first(42, Purpose::Sampling, 3, 8),
        ] {
            assert_ne!(here, other);
        }
    }
}
