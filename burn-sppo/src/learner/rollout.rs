use burn::tensor::{Device, Int, Tensor};

/// The numbers of a rollout that every trainer needs, on the host, row by row.
///
/// A row is what is shuffled: an environment step (one sample a row) or a response (one sample a token). All arrays
/// hold `rows * per_row` entries in row-major order.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Samples a row.
    pub per_row: usize,
    /// Log-probability of each action under the policy that took it.
    pub old_log_prob: Vec<f32>,
    /// Advantages before any normalisation.
    pub advantage: Vec<f32>,
    /// Targets of the critic.
    pub returns: Vec<f32>,
    /// Predictions of the critic at rollout time; empty without a critic.
    pub old_value: Vec<f32>,
    /// Which samples the policy loss counts; all of them if absent.
    pub policy_mask: Option<Vec<bool>>,
    /// Which samples the value loss counts; those of the policy if absent.
    pub value_mask: Option<Vec<bool>>,
}

impl Samples {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.advantage.len().checked_div(self.per_row).unwrap_or(0)
    }

    /// The entries of `array` that belong to `rows`, in their order.
    pub fn gather<T: Copy>(&self, array: &[T], rows: &[usize]) -> Vec<T> {
        let mut out = Vec::with_capacity(rows.len() * self.per_row);
        for &row in rows {
            out.extend_from_slice(&array[row * self.per_row..(row + 1) * self.per_row]);
        }
        out
    }
}

/// What the update step trains on: numbers on the host, and batches that a module can read.
pub trait Rollout {
    /// What [`Evaluate`](crate::learner::Evaluate) takes.
    type Batch;

    fn samples(&self) -> &Samples;

    /// The inputs of `rows` on `device`.
    ///
    /// `minibatch` lists all rows that share one optimiser step with them, for sums that are divided by a number of
    /// the whole minibatch.
    fn batch(&self, rows: &[usize], minibatch: &[usize], device: &Device) -> Self::Batch;

    /// What reverse forms over the whole distribution need of `rows`: old log-probabilities `[N, K]` and the actions
    /// taken `[N]`. `None` if the rollout did not keep them.
    fn old_distribution(&self, _rows: &[usize], _device: &Device) -> Option<(Tensor<2>, Tensor<1, Int>)> {
        None
    }
}
