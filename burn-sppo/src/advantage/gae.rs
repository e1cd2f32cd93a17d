use serde::{Deserialize, Serialize};

use crate::advantage::AdvantageError;
use crate::advantage::error::{check_length, check_rows};

/// Generalized advantage estimation.
///
/// ```text
/// delta_t = r_t + gamma V_{t+1} - V_t
/// A_t     = delta_t + gamma lambda A_{t+1}
/// R_t     = A_t + V_t
/// ```
///
/// where nothing is carried over the end of an episode. Sums are kept in f64.
///
/// See [High-Dimensional Continuous Control Using Generalized Advantage Estimation](https://arxiv.org/abs/1506.02438).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gae {
    /// Discount of rewards to come.
    pub gamma: f64,
    /// How far ahead rewards count instead of the critic's word: 0 one step, 1 until the end.
    pub lambda: f64,
}

/// Advantages, and the returns that a critic learns.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// Advantage of each sample.
    pub advantages: Vec<f32>,
    /// Return of each sample: advantage plus value.
    pub returns: Vec<f32>,
}

impl Gae {
    /// Checks the settings.
    ///
    /// # Errors
    /// If `gamma` or `lambda` is not in `[0, 1]`.
    pub fn validate(&self) -> Result<(), AdvantageError> {
        for (name, value) in [("gamma", self.gamma), ("lambda", self.lambda)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(AdvantageError::Setting { name, value, must_be: "a number from 0 to 1" });
            }
        }
        Ok(())
    }

    /// Estimates for rollouts of `E` environments side by side.
    ///
    /// `dones` says that an episode ended *with* that step, whatever the reason: the value of the next step belongs
    /// to another episode then. For steps that were cut off rather than finished, call
    /// [`bootstrap_truncated`](Self::bootstrap_truncated) first.
    ///
    /// # Shapes
    /// - rewards, values, dones: `[T, E]`, step by step
    /// - last_values: `[E]`, of the observations after the last step
    ///
    /// # Errors
    /// If the lengths do not fit.
    pub fn control(
        &self,
        rewards: &[f32],
        values: &[f32],
        dones: &[bool],
        last_values: &[f32],
    ) -> Result<Estimates, AdvantageError> {
        let environments = last_values.len();
        check_rows(rewards.len(), environments)?;
        check_length("values", values.len(), rewards.len())?;
        check_length("dones", dones.len(), rewards.len())?;

        let decay = self.gamma * self.lambda;
        let mut estimates = Estimates { advantages: vec![0.0; rewards.len()], returns: vec![0.0; rewards.len()] };
        let mut next_advantage = vec![0.0f64; environments];
        let mut next_values = last_values;
        for step in (0..rewards.len() / environments).rev() {
            let row = step * environments..(step + 1) * environments;
            let (rewards, values, dones) = (&rewards[row.clone()], &values[row.clone()], &dones[row.clone()]);
            let advantages = &mut estimates.advantages[row.clone()];
            let returns = &mut estimates.returns[row];
            for i in 0..environments {
                let (next, carried) =
                    if dones[i] { (0.0, 0.0) } else { (f64::from(next_values[i]), next_advantage[i]) };
                let value = f64::from(values[i]);
                let advantage = f64::from(rewards[i]) + self.gamma * next - value + decay * carried;
                next_advantage[i] = advantage;
                advantages[i] = advantage as f32;
                returns[i] = (advantage + value) as f32;
            }
            next_values = values;
        }
        Ok(estimates)
    }

    /// Adds `gamma V(final observation)` to the rewards of steps at which an episode was cut off by a time limit: it
    /// would have gone on.
    ///
    /// # Shapes
    /// - rewards, truncated, final_values: `[N]`; `final_values` is read where `truncated` is true
    ///
    /// # Errors
    /// If the lengths differ.
    pub fn bootstrap_truncated(
        &self,
        rewards: &mut [f32],
        truncated: &[bool],
        final_values: &[f32],
    ) -> Result<(), AdvantageError> {
        check_length("truncated", truncated.len(), rewards.len())?;
        check_length("final_values", final_values.len(), rewards.len())?;
        for ((reward, &truncated), &value) in rewards.iter_mut().zip(truncated).zip(final_values) {
            if truncated {
                *reward = (f64::from(*reward) + self.gamma * f64::from(value)) as f32;
            }
        }
        Ok(())
    }

    /// Estimates for the tokens of responses, each response a row that ends an episode.
    ///
    /// Rewards and values where `mask` is false count as 0; the recursion goes on over them.
    ///
    /// # Shapes
    /// - rewards, values, mask: `[B, G]`, row by row, `G` being `response_length`
    ///
    /// # Errors
    /// If the lengths do not fit.
    pub fn tokens(
        &self,
        rewards: &[f32],
        values: &[f32],
        mask: &[bool],
        response_length: usize,
    ) -> Result<Estimates, AdvantageError> {
        check_rows(rewards.len(), response_length)?;
        check_length("values", values.len(), rewards.len())?;
        check_length("mask", mask.len(), rewards.len())?;

        let decay = self.gamma * self.lambda;
        let mut estimates = Estimates { advantages: vec![0.0; rewards.len()], returns: vec![0.0; rewards.len()] };
        for row in (0..rewards.len()).step_by(response_length) {
            let (mut next_value, mut next_advantage) = (0.0f64, 0.0f64);
            for i in (row..row + response_length).rev() {
                let (reward, value) = if mask[i] { (f64::from(rewards[i]), f64::from(values[i])) } else { (0.0, 0.0) };
                next_advantage = reward + self.gamma * next_value - value + decay * next_advantage;
                next_value = value;
                estimates.advantages[i] = next_advantage as f32;
                estimates.returns[i] = (next_advantage + value) as f32;
            }
        }
        Ok(estimates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} where {want} was expected");
        }
    }

    #[test]
    fn worked_example_of_two_environments() {
        let rewards = [1.0, 0.0, 0.0, 1.0, 0.5, -1.0, 2.0, 0.25];
        let values = [0.5, 0.1, 0.4, 0.2, 0.3, 0.3, 0.2, 0.4];
        let dones = [false, false, false, true, true, false, false, true];
        let last_values = [0.7, -0.3];
        let estimate = |lambda| Gae { gamma: 0.99, lambda }.control(&rewards, &values, &dones, &last_values).unwrap();

        let with_lambda = estimate(0.95);
        assert_close(&with_lambda.advantages, &[0.97603655, 0.8504, 0.0851, 0.8, 0.2, -1.045075, 2.493, -0.15]);
        assert_close(&with_lambda.returns[..2], &[1.47603655, 0.9504]);
        assert_close(&estimate(1.0).advantages, &[0.99005, 0.89, 0.095, 0.8, 0.2, -1.0525, 2.493, -0.15]);
    }

    #[test]
    fn worked_example_of_two_responses() {
        let rewards = [-0.01, 0.02, 1.0, 0.0, 0.5, 0.3];
        let values = [0.2, 0.3, 0.4, 0.1, 0.2, 0.9];
        let mask = [true, true, true, true, true, false];
        let estimates = Gae { gamma: 0.99, lambda: 0.95 }.tokens(&rewards, &values, &mask, 3).unwrap();
        assert_close(&estimates.advantages, &[0.72682215, 0.6803, 0.6, 0.38015, 0.3, 0.0]);
        assert_close(&estimates.returns, &[0.92682215, 0.9803, 1.0, 0.48015, 0.5, 0.0]);
    }

    #[test]
    fn what_is_masked_may_be_anything() {
        let gae = Gae { gamma: 0.99, lambda: 0.95 };
        let mask = [true, true, false];
        let clean = gae.tokens(&[0.1, 0.2, 0.0], &[0.3, 0.4, 0.0], &mask, 3).unwrap();
        let noisy = gae.tokens(&[0.1, 0.2, f32::NAN], &[0.3, 0.4, f32::INFINITY], &mask, 3).unwrap();
        assert_eq!(clean, noisy);
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        let gae = Gae { gamma: 0.99, lambda: 0.95 };
        let rows = gae.control(&[0.0; 3], &[0.0; 3], &[false; 3], &[0.0; 2]);
        assert_eq!(rows, Err(AdvantageError::Rows { samples: 3, row: 2 }));
        assert_eq!(gae.control(&[], &[], &[], &[]), Err(AdvantageError::Rows { samples: 0, row: 0 }));
        let length = gae.tokens(&[0.0; 4], &[0.0; 3], &[true; 4], 2);
        assert_eq!(length, Err(AdvantageError::Length { name: "values", expected: 4, found: 3 }));
        assert!(Gae { gamma: 1.5, lambda: 0.95 }.validate().is_err());
        assert!(Gae { gamma: 0.9, lambda: f64::NAN }.validate().is_err());
    }
}
