use burn::tensor::{Int, Tensor, activation::log_softmax};
use rand::Rng;

use crate::distribution::base::{entropy_of, gumbel};
use crate::distribution::{Distribution, DistributionError};
#[cfg(feature = "flex")]
use crate::kernel::{log_softmax::LogSoftmax, operation};
use crate::loss::samples::at_least_f32;

/// One choice out of `K`.
#[derive(Clone, Debug)]
pub struct Categorical {
    log_prob: Tensor<2>,
}

impl Categorical {
    /// Makes the distribution. A logit of negative infinity is an impossible action.
    ///
    /// # Shapes
    /// - logits: `[N, K]`
    pub fn new(logits: Tensor<2>) -> Self {
        let logits = at_least_f32(logits);
        #[cfg(feature = "flex")]
        if operation::is_f32_on_flex(&logits) {
            return Self { log_prob: operation::run(LogSoftmax, [logits.into_dispatch()]) };
        }
        Self { log_prob: log_softmax(logits, 1) }
    }

    /// Log-probability of the actions, `[N, 1]`, as `[N]`.
    pub(crate) fn log_prob_of_column(&self, actions: Tensor<2, Int>) -> Tensor<1> {
        let [rows, _] = self.log_prob.dims();
        self.log_prob.clone().gather(1, actions).reshape([rows])
    }

    /// [`mode`](Distribution::mode) as `[N, 1]`.
    pub(crate) fn mode_column(&self) -> Tensor<2, Int> {
        self.log_prob.clone().argmax(1)
    }

    /// [`sample`](Distribution::sample) as `[N, 1]`.
    pub(crate) fn sample_column<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<2, Int>, DistributionError> {
        let [rows, choices] = self.log_prob.dims();
        let noise = gumbel(streams, rows, choices, &self.log_prob.device())?;
        Ok((self.log_prob.clone() + noise).argmax(1))
    }
}

impl Distribution for Categorical {
    /// `[N]`
    type Actions = Tensor<1, Int>;

    const NAME: &'static str = "categorical";
    const HAS_OTHER: bool = true;

    fn log_prob(&self, actions: Tensor<1, Int>) -> Tensor<1> {
        self.log_prob_of_column(actions.unsqueeze_dim(1))
    }

    fn entropy(&self) -> Option<Tensor<1>> {
        let [rows, _] = self.log_prob.dims();
        Some(entropy_of(self.log_prob.clone()).reshape([rows]))
    }

    fn mode(&self) -> Tensor<1, Int> {
        let [rows, _] = self.log_prob.dims();
        self.mode_column().reshape([rows])
    }

    fn sample<R: Rng>(&self, streams: &mut [R]) -> Result<Tensor<1, Int>, DistributionError> {
        let [rows, _] = self.log_prob.dims();
        Ok(self.sample_column(streams)?.reshape([rows]))
    }

    fn full_log_prob(&self) -> Result<Tensor<2>, DistributionError> {
        Ok(self.log_prob.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Purpose, Streams};
    use burn::tensor::Device;

    fn worked_example() -> (Categorical, Tensor<1, Int>) {
        let device = Device::flex();
        let logits = [[0.2, -0.4, 1.0], [0.0, 0.5, -0.5], [1.5, 0.3, -0.2], [-0.7, 0.1, 0.4]];
        (Categorical::new(Tensor::from_data(logits, &device)), Tensor::from_data([2, 0, 1, 1], &device))
    }

    fn assert_close(got: Tensor<1>, want: &[f64]) {
        let got: Vec<f32> = got.into_data().try_into_vec().unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} where {want} was expected");
        }
    }

    #[test]
    fn worked_values() {
        let (distribution, actions) = worked_example();
        assert_close(distribution.log_prob(actions.clone()), &[-0.52822886, -1.18026967, -1.59465875, -1.02932929]);
        assert_close(distribution.entropy().unwrap(), &[0.94375345, 1.02019134, 0.84752291, 1.01307655]);
        assert_close(distribution.other_prob(actions).unwrap(), &[0.41035160, 0.69280411, 0.79702222, 0.64275351]);
        let mode: Vec<i32> = distribution.mode().into_data().convert::<i32>().try_into_vec().unwrap();
        assert_eq!(mode, [2, 1, 0, 2]);
    }

    #[test]
    fn an_impossible_action_is_never_drawn_and_leaves_everything_finite() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data([[f32::NEG_INFINITY, 0.3, 0.1]], &device).require_grad();
        let distribution = Categorical::new(logits.clone());
        let entropy = distribution.entropy().unwrap();
        let gradients = entropy.backward();
        let gradient: Vec<f32> = logits.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
        let streams = Streams::new(3);
        for lane in 0..200 {
            let drawn = distribution.sample(&mut [streams.stream(Purpose::Sampling, 0, lane)]).unwrap();
            let drawn: Vec<i32> = drawn.into_data().convert::<i32>().try_into_vec().unwrap();
            assert_ne!(drawn[0], 0);
        }
    }

    #[test]
    fn draws_come_at_their_probability() {
        let device = Device::flex();
        let (rows, probabilities) = (20_000, [0.1f32, 0.6, 0.3]);
        let logits = probabilities.map(f32::ln);
        let logits = Tensor::<2>::from_data([logits], &device).expand([rows as usize, 3]);
        let mut streams: Vec<_> = (0..rows).map(|lane| Streams::new(5).stream(Purpose::Sampling, 1, lane)).collect();
        let drawn = Categorical::new(logits).sample(&mut streams).unwrap();
        let drawn: Vec<i32> = drawn.into_data().convert::<i32>().try_into_vec().unwrap();
        for (action, probability) in probabilities.iter().enumerate() {
            let share = drawn.iter().filter(|a| **a == action as i32).count() as f32 / rows as f32;
            assert!((share - probability).abs() < 0.015, "action {action} came with {share}, not {probability}");
        }
    }

    #[test]
    fn a_row_draws_the_same_whatever_is_beside_it() {
        let (distribution, _) = worked_example();
        let stream = |lane| Streams::new(7).stream(Purpose::Sampling, 0, lane);
        let together = distribution.sample(&mut [stream(0), stream(1), stream(2), stream(3)]).unwrap();
        let alone = Categorical::new(Tensor::from_data([[-0.7, 0.1, 0.4]], &Device::flex()));
        let alone = alone.sample(&mut [stream(3)]).unwrap();
        assert_eq!(together.narrow(0, 3, 1).into_data(), alone.into_data());
        let missing = distribution.sample(&mut [stream(0)]).unwrap_err();
        assert_eq!(missing, DistributionError::Streams { rows: 4, found: 1 });
    }
}
