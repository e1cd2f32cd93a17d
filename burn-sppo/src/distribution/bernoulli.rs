use burn::tensor::activation::{log_sigmoid, sigmoid, softplus};
use burn::tensor::{Int, Tensor};
use rand::{Rng, RngExt};

use crate::distribution::base::{noise, sum_columns};
use crate::distribution::{Distribution, DistributionError};
use crate::loss::samples::at_least_f32;

/// Yes or no, 1 or 0, in each of `D` dimensions, independent of each other.
#[derive(Clone, Debug)]
pub struct Bernoulli {
    logits: Tensor<2>,
}

impl Bernoulli {
    /// Makes the distribution; a logit is the log of the odds of 1.
    ///
    /// # Shapes
    /// - logits: `[N, D]`
    pub fn new(logits: Tensor<2>) -> Self {
        Self { logits: at_least_f32(logits) }
    }
}

impl Distribution for Bernoulli {
    /// 0 or 1, `[N, D]`.
    type Actions = Tensor<2, Int>;

    const NAME: &'static str = "Bernoulli";
    const HAS_OTHER: bool = false;

    fn log_prob(&self, actions: Tensor<2, Int>) -> Tensor<1> {
        sum_columns(log_sigmoid((actions.float() * 2.0 - 1.0) * self.logits.clone()))
    }

    fn entropy(&self) -> Option<Tensor<1>> {
        let expected = sigmoid(self.logits.clone()) * self.logits.clone();
        Some(sum_columns(softplus(self.logits.clone(), 1.0) - expected))
    }

    fn mode(&self) -> Tensor<2, Int> {
        self.logits.clone().greater_scalar(0.0).int()
    }

    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2, Int>, DistributionError> {
        let [rows, width] = self.logits.dims();
        let draws = noise(streams, rows, width, &self.logits.device(), |stream| f64::from(stream.random::<f32>()))?;
        Ok(draws.lower(sigmoid(self.logits.clone())).int())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};
    use burn::tensor::Device;

    #[test]
    fn draws_come_at_their_probability() {
        let (rows, probabilities) = (20_000, [0.1f32, 0.5, 0.9]);
        let logits = probabilities.map(|p| (p / (1.0 - p)).ln());
        let logits = Tensor::<2>::from_data([logits], &Device::flex()).expand([rows, 3]);
        let mut streams: Vec<_> =
            (0..rows).map(|lane| Streams::new(5).stream(Purpose::Sampling, 1, lane as u64)).collect();
        let drawn = Bernoulli::new(logits).sample(&mut streams).unwrap();
        let drawn: Vec<i64> = drawn.into_data().iter::<i64>().collect();
        for (column, probability) in probabilities.iter().enumerate() {
            let share = drawn.iter().skip(column).step_by(3).sum::<i64>() as f32 / rows as f32;
            assert!((share - probability).abs() < 0.015, "{column} came with {share}, not {probability}");
        }
    }
}
