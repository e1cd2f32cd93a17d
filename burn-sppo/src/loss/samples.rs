use burn::tensor::{Bool, DType, Int, Tensor};

use crate::loss::{LossError, Reduction, error::check_length};

/// The samples of a policy loss: environment steps, or tokens of responses row by row.
///
/// Everything but `log_prob` and `full_log_prob` is a constant of the loss: no gradient flows into it.
#[derive(Clone, Debug)]
pub struct PolicySamples {
    /// Log-probability of each action taken under the policy that is trained, `[N]`.
    pub log_prob: Tensor<1>,
    /// The same under the policy that collected the samples, `[N]`. A2C does not read it.
    pub old_log_prob: Tensor<1>,
    /// Advantage of each action taken, `[N]`.
    pub advantage: Tensor<1>,
    /// Log-probabilities of all `K` actions under the policy that is trained, `[N, K]`.
    pub full_log_prob: Option<Tensor<2>>,
    /// The same under the policy that collected the samples, `[N, K]`.
    pub old_full_log_prob: Option<Tensor<2>>,
    /// The actions taken, `[N]`.
    pub actions: Option<Tensor<1, Int>>,
}

impl PolicySamples {
    /// Samples that know the action taken only: enough for every loss but the reverse form
    /// [`PerActionRatio`](crate::loss::ReverseForm::PerActionRatio).
    ///
    /// # Shapes
    /// - log_prob, old_log_prob, advantage: `[N]`
    pub fn new(log_prob: Tensor<1>, old_log_prob: Tensor<1>, advantage: Tensor<1>) -> Self {
        Self { log_prob, old_log_prob, advantage, full_log_prob: None, old_full_log_prob: None, actions: None }
    }

    /// Adds the log-probabilities of all actions, now and when the samples were collected.
    ///
    /// # Shapes
    /// - full_log_prob, old_full_log_prob: `[N, K]`
    /// - actions: `[N]`
    pub fn with_distribution(
        mut self,
        full_log_prob: Tensor<2>,
        old_full_log_prob: Tensor<2>,
        actions: Tensor<1, Int>,
    ) -> Self {
        self.full_log_prob = Some(full_log_prob);
        self.old_full_log_prob = Some(old_full_log_prob);
        self.actions = Some(actions);
        self
    }

    /// Checks the lengths, brings 16-bit floats to f32, cuts the constants from the graph and puts 0 in the place of
    /// samples that do not count.
    pub(crate) fn prepare(mut self, reduction: &Reduction) -> Result<Self, LossError> {
        let [count] = self.log_prob.dims();
        check_length("old_log_prob", self.old_log_prob.dims()[0], count)?;
        check_length("advantage", self.advantage.dims()[0], count)?;
        let lengths = [
            ("the mask", reduction.mask_length()),
            ("full_log_prob", self.full_log_prob.as_ref().map(|x| x.dims()[0])),
            ("old_full_log_prob", self.old_full_log_prob.as_ref().map(|x| x.dims()[0])),
            ("actions", self.actions.as_ref().map(|x| x.dims()[0])),
        ];
        for (name, length) in lengths {
            check_length(name, length.unwrap_or(count), count)?;
        }
        self.log_prob = reduction.keep(at_least_f32(self.log_prob));
        self.old_log_prob = reduction.keep(at_least_f32(self.old_log_prob.without_autodiff()));
        self.advantage = reduction.keep(at_least_f32(self.advantage.without_autodiff()));
        self.full_log_prob = self.full_log_prob.map(|x| reduction.keep_rows(at_least_f32(x)));
        self.old_full_log_prob =
            self.old_full_log_prob.map(|x| reduction.keep_rows(at_least_f32(x.without_autodiff())));
        Ok(self)
    }
}

/// What a policy loss gives back. Only `loss` is part of the graph.
#[derive(Clone, Debug)]
pub struct PolicyLossOutput {
    /// The loss to minimise, all coefficients applied, `[1]`.
    pub loss: Tensor<1>,
    /// The ordinary policy loss, without its coefficient, `[1]`.
    pub policy: Tensor<1>,
    /// The reverse loss without its coefficient, `[1]`, where there is one. With a ratio its value (not its gradient)
    /// is bounded: `1 / p_old` counts as one million at most. It is for the log; its size says nothing.
    pub reverse: Option<Tensor<1>>,
    /// Probability ratio of the new to the old policy, `[N]`; 1 for A2C and for samples that do not count.
    pub ratio: Tensor<1>,
    /// Log of that ratio, `[N]`, before the [guard](crate::loss::LOG_RATIO_BOUND); 0 where the ratio is set to 1.
    pub log_ratio: Tensor<1>,
    /// Whether a sample passes gradient through the clipped surrogate, `[N]`; `false` for samples that do not count.
    pub flag: Tensor<1, Bool>,
}

/// Losses are computed in f32 whatever the module computes in; f64 stays f64.
pub(crate) fn at_least_f32<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F32 | DType::F64 => tensor,
        _ => tensor.cast(DType::F32),
    }
}
