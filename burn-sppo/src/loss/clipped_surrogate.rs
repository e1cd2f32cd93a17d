use burn::{config::Config, module::Module, tensor::Bool, tensor::Tensor};

use crate::loss::{LossError, PolicyLossOutput, PolicySamples, Reduction, error::check_coefficient};

/// The largest log-ratio that a loss computes with: beyond it the ratio is held at `e^40`, about `2.4e17`, and passes
/// no gradient.
///
/// `e^88` overflows f32, and an infinite ratio turns gradients into NaN even where the clipped branch is taken
/// (`inf * 0`). At 40 the square of the ratio is still finite, so that the global norm of the gradients is too. Only
/// a sample of negative advantage whose probability grew by that factor since it was collected is affected.
pub const LOG_RATIO_BOUND: f64 = 40.0;

/// Configuration of the [clipped surrogate loss](ClippedSurrogateLoss).
#[derive(Config, Debug)]
pub struct ClippedSurrogateLossConfig {
    /// How far the ratio may go from 1 before the objective is cut.
    #[config(default = 0.2)]
    pub clip_range: f64,
    /// Weight of the loss.
    #[config(default = 1.0)]
    pub coefficient: f64,
}

impl ClippedSurrogateLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If the clip range or the coefficient is negative or not finite.
    pub fn init(&self) -> Result<ClippedSurrogateLoss, LossError> {
        check_clip_range(self.clip_range)?;
        check_coefficient("coefficient", self.coefficient, self.coefficient >= 0.0, "a number, 0 or more")?;
        Ok(ClippedSurrogateLoss { clip_range: self.clip_range, coefficient: self.coefficient })
    }
}

/// The clipped surrogate loss of PPO.
///
/// ```text
/// r = exp( log p - log p_old )
/// L = coefficient * mean( -min( A * r,  A * clip(r, 1 - clip_range, 1 + clip_range) ) )
/// ```
///
/// with the log-probabilities of the action taken under the policy that is trained and under the one that collected
/// the samples, and the advantage `A`, a constant. Very large ratios are [guarded](LOG_RATIO_BOUND).
///
/// See [Proximal Policy Optimization Algorithms](https://arxiv.org/abs/1707.06347), equation 7.
#[derive(Module, Debug)]
pub struct ClippedSurrogateLoss {
    /// How far the ratio may go from 1 before the objective is cut.
    pub clip_range: f64,
    /// Weight of the loss.
    pub coefficient: f64,
}

impl ClippedSurrogateLoss {
    /// Computes the loss.
    ///
    /// # Shapes
    /// - samples: `[N]` each
    /// - output: loss `[1]`
    ///
    /// # Errors
    /// If the tensors differ in length.
    pub fn forward(&self, samples: PolicySamples, reduction: &Reduction) -> Result<PolicyLossOutput, LossError> {
        let samples = samples.prepare(reduction)?;
        let surrogate = Surrogate::new(&samples, self.clip_range);
        let policy = reduction.mean(surrogate.objective.clone().neg());
        Ok(surrogate.output(policy.clone() * self.coefficient, policy, None, reduction))
    }
}

pub(crate) fn check_clip_range(clip_range: f64) -> Result<(), LossError> {
    check_coefficient("clip_range", clip_range, clip_range >= 0.0, "a number, 0 or more")
}

/// The clipped surrogate of each sample.
pub(crate) struct Surrogate {
    /// Guarded ratio, differentiable.
    pub ratio: Tensor<1>,
    /// Unguarded log-ratio.
    pub log_ratio: Tensor<1>,
    /// Whether `objective` passes gradient.
    pub flag: Tensor<1, Bool>,
    /// The objective to maximise, differentiable.
    pub objective: Tensor<1>,
}

impl Surrogate {
    pub fn new(samples: &PolicySamples, clip_range: f64) -> Self {
        let log_ratio = samples.log_prob.clone() - samples.old_log_prob.clone();
        let ratio = at_most(log_ratio.clone(), LOG_RATIO_BOUND).exp();
        let (objective, flag) = clip_objective(ratio.clone(), samples.advantage.clone(), clip_range);
        Self { ratio, log_ratio, flag, objective }
    }

    pub fn output(
        self,
        loss: Tensor<1>,
        policy: Tensor<1>,
        reverse: Option<Tensor<1>>,
        reduction: &Reduction,
    ) -> PolicyLossOutput {
        PolicyLossOutput {
            loss,
            policy: policy.without_autodiff(),
            reverse: reverse.map(Tensor::without_autodiff),
            ratio: self.ratio.without_autodiff(),
            log_ratio: self.log_ratio.without_autodiff(),
            flag: reduction.keep_flags(self.flag),
        }
    }
}

/// `min(A r, A clip(r))` and the flag "this passes gradient": the ratio is inside the (closed) interval, or the
/// unclipped branch is the smaller one.
///
/// The gradient is switched by that same flag, so that the flag means what it says, on the edges too.
pub(super) fn clip_objective(ratio: Tensor<1>, advantage: Tensor<1>, clip_range: f64) -> (Tensor<1>, Tensor<1, Bool>) {
    let (low, high) = (1.0 - clip_range, 1.0 + clip_range);
    let constant = ratio.clone().without_autodiff();
    let inside = constant.clone().greater_equal_scalar(low).bool_and(constant.clone().lower_equal_scalar(high));
    let clipped = advantage.clone() * at_least(at_most(constant.clone(), high), low);
    let takes_unclipped = (advantage.clone() * constant).lower_equal(clipped.clone());
    let flag = inside.bool_or(takes_unclipped);
    (clipped.mask_where(flag.clone(), advantage * ratio), flag)
}

/// `min(x, bound)`, where NaN stays NaN: a clamp of some backends turns NaN into the bound and hides it.
pub(crate) fn at_most(x: Tensor<1>, bound: f64) -> Tensor<1> {
    let above = x.clone().greater_scalar(bound);
    x.mask_fill(above, bound)
}

/// `max(x, bound)`, where NaN stays NaN.
pub(crate) fn at_least(x: Tensor<1>, bound: f64) -> Tensor<1> {
    let below = x.clone().lower_scalar(bound);
    x.mask_fill(below, bound)
}

/// Share of the samples whose ratio is further than `clip_range` from 1.
///
/// # Shapes
/// - ratio: `[N]`
/// - output: `[1]`
pub fn clip_fraction(ratio: Tensor<1>, clip_range: f64, reduction: &Reduction) -> Tensor<1> {
    reduction.mean((ratio.without_autodiff() - 1.0).abs().greater_scalar(clip_range).float())
}
