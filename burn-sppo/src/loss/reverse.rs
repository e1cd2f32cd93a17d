use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

use crate::loss::clipped_surrogate::{LOG_RATIO_BOUND, Surrogate, at_most};
use crate::loss::{LossError, PolicySamples, Symmetry};

/// `1 / p_old` counts as this much at most in the *value* of a reverse loss.
const INVERSE_PROBABILITY_BOUND: f64 = 1e6;

/// The reverse term of a symmetric loss: what is done with the probability of the actions not taken.
///
/// `p` is the probability of the action taken, `p_old` the same when it was collected, `other = 1 - p`, `A` the
/// advantage, `Z < 0` the constant that stands for `log 0`, and `flag` is 1 where the clipped surrogate passes
/// gradient. A2C has no ratio: there `p_old` and `flag` are 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReverseForm {
    /// Reverse cross entropy, as in the reference implementation: `-flag A Z other / p_old`.
    ///
    /// With the clipped surrogate its gradient is exactly `-Z` times that of PPO; with A2C it is `-Z p` times that
    /// of the policy gradient, sample by sample.
    #[default]
    Rce,
    /// Mean absolute error, as in the reference implementation: `flag A (other - p) / p_old`. The gradient of
    /// [`Rce`](Self::Rce) with `Z = -2`.
    Mae,
    /// `-flag A Z sum_b pi(b) / pi_old(b)` over the actions `b` not taken: each is divided by *its own* old
    /// probability. Needs all log-probabilities, new and old; A2C takes the new ones for the old ones, which they
    /// are.
    PerActionRatio,
    /// `-flag A Z other`, without the division by `p_old`: the reverse term of A2C under the flag of PPO.
    Unnormalised,
}

impl std::fmt::Display for ReverseForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rce => "rce",
            Self::Mae => "mae",
            Self::PerActionRatio => "per_action_ratio",
            Self::Unnormalised => "unnormalised",
        })
    }
}

impl ReverseForm {
    /// Whether the form needs the log-probabilities of all actions, so that rollouts must keep them.
    pub fn needs_distribution(self) -> bool {
        self == Self::PerActionRatio
    }
}

/// The reverse loss of each sample under A2C.
pub(crate) fn on_policy(samples: &PolicySamples, symmetry: &Symmetry) -> Result<Tensor<1>, LossError> {
    let advantage = samples.advantage.clone();
    // `1 - exp(log p)`, not `-expm1(log p)`: its derivative by automatic differentiation, `expm1 + 1`, cancels.
    let probability = || samples.log_prob.clone().exp();
    let other = || probability().neg() + 1.0;
    Ok(match symmetry.form {
        ReverseForm::Rce | ReverseForm::Unnormalised => advantage * -symmetry.z * other(),
        ReverseForm::Mae => advantage * (other() - probability()),
        ReverseForm::PerActionRatio => {
            let new = require(&samples.full_log_prob, symmetry.form, "the log-probabilities of all actions")?;
            let old = new.clone().without_autodiff();
            advantage * -symmetry.z * other_ratios(samples, new, old, symmetry.form)?
        }
    })
}

/// The reverse loss of each sample under the clipped surrogate, with a bounded value.
///
/// `other / p_old` is computed as `1 / p_old - r`, and the first part is a constant: nothing is divided, nothing
/// overflows, and the gradient is exact however small `p_old` is.
pub(crate) fn clipped(
    samples: &PolicySamples,
    surrogate: &Surrogate,
    symmetry: &Symmetry,
) -> Result<Tensor<1>, LossError> {
    let advantage = samples.advantage.clone();
    let ratio = || surrogate.ratio.clone();
    let inverse = || at_most(samples.old_log_prob.clone().neg().exp(), INVERSE_PROBABILITY_BOUND);
    let reverse = match symmetry.form {
        ReverseForm::Rce => advantage * -symmetry.z * (inverse() - ratio()),
        ReverseForm::Mae => advantage * (inverse() - ratio() * 2.0),
        ReverseForm::Unnormalised => advantage * -symmetry.z * (samples.log_prob.clone().exp().neg() + 1.0),
        ReverseForm::PerActionRatio => {
            let new = require(&samples.full_log_prob, symmetry.form, "the log-probabilities of all actions")?;
            let old = require(&samples.old_full_log_prob, symmetry.form, "the old log-probabilities of all actions")?;
            advantage * -symmetry.z * other_ratios(samples, new, old, symmetry.form)?
        }
    };
    Ok(reverse.mask_fill(surrogate.flag.clone().bool_not(), 0.0))
}

/// `sum over b != a of pi(b) / pi_old(b)`, `[N]`. An action that neither policy can take counts 0.
fn other_ratios(
    samples: &PolicySamples,
    new: Tensor<2>,
    old: Tensor<2>,
    form: ReverseForm,
) -> Result<Tensor<1>, LossError> {
    let actions = require(&samples.actions, form, "the actions taken")?;
    let [count, classes] = new.dims();
    let taken: Tensor<2, Bool> = actions.one_hot(classes).equal_elem(1);
    let impossible = new.clone().without_autodiff().equal_elem(f32::NEG_INFINITY);
    let left_out = taken.bool_or(impossible);
    // Filled before the exponential too: there is no gradient through an infinite difference.
    let log_ratio = (new - old).mask_fill(left_out.clone(), 0.0).reshape([count * classes]);
    let ratio = at_most(log_ratio, LOG_RATIO_BOUND).exp().reshape([count, classes]);
    Ok(ratio.mask_fill(left_out, 0.0).sum_dim(1).reshape([count]))
}

fn require<T: Clone>(value: &Option<T>, form: ReverseForm, missing: &'static str) -> Result<T, LossError> {
    value.clone().ok_or(LossError::DistributionRequired { form, missing })
}
