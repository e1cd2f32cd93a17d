use burn::tensor::{Device, Int, Tensor, TensorData};

use super::ObservationBuffer;
use crate::{
    learner::{Rollout, Samples},
    policy::ControlBatch,
};

/// Environment steps to train on: a row is one step of one environment, `[T · E]`, step by step.
#[derive(Clone, Debug)]
pub struct ControlRollout {
    pub observations: ObservationBuffer,
    /// Numbers of an observation.
    pub features: usize,
    /// `[T · E, width]`, as the distribution drew them.
    pub actions: Vec<f32>,
    /// Numbers of an action.
    pub action_width: usize,
    pub samples: Samples,
    /// Log-probabilities of all actions, `[T · E, K]`, for reverse forms that need them.
    pub full_log_prob: Option<Vec<f32>>,
}

impl Rollout for ControlRollout {
    type Batch = ControlBatch;

    fn samples(&self) -> &Samples {
        &self.samples
    }

    fn batch(&self, rows: &[usize], _minibatch: &[usize], device: &Device) -> ControlBatch {
        let observations = self.observations.gather(rows, self.features);
        let actions = gather(&self.actions, rows, self.action_width);
        ControlBatch {
            observations: Tensor::from_data(TensorData::new(observations, [rows.len(), self.features]), device),
            actions: Tensor::from_data(TensorData::new(actions, [rows.len(), self.action_width]), device),
        }
    }

    fn old_distribution(&self, rows: &[usize], device: &Device) -> Option<(Tensor<2>, Tensor<1, Int>)> {
        let full = self.full_log_prob.as_ref()?;
        let choices = full.len() / self.samples.rows().max(1);
        let log_prob = TensorData::new(gather(full, rows, choices), [rows.len(), choices]);
        let actions: Vec<i64> = gather(&self.actions, rows, 1).into_iter().map(|action| action as i64).collect();
        let actions = TensorData::new(actions, [rows.len()]);
        Some((Tensor::from_data(log_prob, device), Tensor::from_data(actions, device)))
    }
}

fn gather(values: &[f32], rows: &[usize], width: usize) -> Vec<f32> {
    rows.iter().flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect()
}
