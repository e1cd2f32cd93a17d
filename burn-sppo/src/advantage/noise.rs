//! Noise on advantages and rewards, for studies of robustness. Evaluation never sees it.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::advantage::AdvantageError;
use crate::advantage::error::check_length;
use crate::run::standard_normal;

/// Draws which of `count` samples a flip of the given probability hits.
pub fn draw_flips<R: Rng>(count: usize, probability: f64, stream: &mut R) -> Vec<bool> {
    (0..count).map(|_| stream.random::<f64>() < probability).collect()
}

/// Turns the sign of the advantages where `flips` is true. Comes before normalisation.
///
/// # Errors
/// If the lengths differ.
pub fn flip(advantages: &mut [f32], flips: &[bool]) -> Result<(), AdvantageError> {
    check_length("flips", flips.len(), advantages.len())?;
    for (advantage, _) in advantages.iter_mut().zip(flips).filter(|(_, flip)| **flip) {
        *advantage = -*advantage;
    }
    Ok(())
}

/// Noise on the rewards that training sees.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "amount")]
pub enum RewardNoise {
    /// No noise.
    #[default]
    None,
    /// `r + N(0, s)`, where `s` is the standard deviation.
    Normal(f64),
    /// `r + U(-v, v)`.
    Uniform(f64),
    /// With this probability `r` becomes `1 - r`: 0 and 1 change places, and -1 becomes 2.
    RewardFlip(f64),
    /// With this probability `r` becomes `-r`.
    SignFlip(f64),
}

impl RewardNoise {
    /// Checks the amount.
    ///
    /// # Errors
    /// If it is negative or not finite, or a probability above 1.
    pub fn validate(&self) -> Result<(), AdvantageError> {
        let (value, limit, must_be) = match *self {
            Self::None => return Ok(()),
            Self::Normal(value) | Self::Uniform(value) => (value, f64::MAX, "a number, 0 or more"),
            Self::RewardFlip(value) | Self::SignFlip(value) => (value, 1.0, "a probability"),
        };
        if (0.0..=limit).contains(&value) {
            Ok(())
        } else {
            Err(AdvantageError::Setting { name: "reward noise", value, must_be })
        }
    }

    /// A draw for one reward: standard normal for [`Normal`](Self::Normal), else uniform in `[0, 1)`.
    pub fn draw<R: Rng>(&self, stream: &mut R) -> f64 {
        match self {
            Self::Normal(_) => standard_normal(stream),
            _ => stream.random(),
        }
    }

    /// The reward with noise, given its draw.
    pub fn apply(&self, reward: f32, draw: f64) -> f32 {
        let r = f64::from(reward);
        (match *self {
            Self::Normal(deviation) => r + deviation * draw,
            Self::Uniform(range) => r + range * (2.0 * draw - 1.0),
            Self::RewardFlip(probability) if draw < probability => 1.0 - r,
            Self::SignFlip(probability) if draw < probability => -r,
            Self::None | Self::RewardFlip(_) | Self::SignFlip(_) => r,
        }) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};

    #[test]
    fn flips_come_at_their_rate_and_again_from_the_same_stream() {
        let draw = || draw_flips(20_000, 0.3, &mut Streams::new(1).stream(Purpose::Noise, 0, 0));
        let share = draw().iter().filter(|flip| **flip).count() as f64 / 20_000.0;
        assert!((share - 0.3).abs() < 0.015, "{share}");
        assert_eq!(draw(), draw());
        assert!(draw_flips(100, 0.0, &mut Streams::new(1).stream(Purpose::Noise, 0, 0)).iter().all(|flip| !flip));
    }

    #[test]
    fn normal_draws_have_mean_0_and_deviation_1() {
        let mut stream = Streams::new(2).stream(Purpose::Noise, 0, 0);
        let noise = RewardNoise::Normal(1.0);
        let draws: Vec<f64> = (0..20_000).map(|_| noise.draw(&mut stream)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn amounts_out_of_range_are_refused() {
        assert!(RewardNoise::RewardFlip(1.5).validate().is_err());
        assert!(RewardNoise::Normal(f64::NAN).validate().is_err());
        assert!(RewardNoise::Uniform(3.0).validate().is_ok());
    }
}
