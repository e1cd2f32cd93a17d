use burn::{config::Config, module::Module};
use serde::{Deserialize, Serialize};

use crate::loss::clipped_surrogate::{Surrogate, check_clip_range};
use crate::loss::policy_gradient::{on_policy_output, policy_gradient};
use crate::loss::{
    LossError, PolicyLossOutput, PolicySamples, Reduction, ReverseForm, error::check_coefficient, reverse,
};

/// The coefficients of a symmetric loss: `alpha` times the ordinary policy loss plus `beta` times the reverse one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Symmetry {
    /// Weight of the ordinary policy loss.
    pub alpha: f64,
    /// Weight of the reverse loss. At 0 the reverse loss is not computed at all.
    pub beta: f64,
    /// The negative number that stands for `log 0` in reverse cross entropy. The form `mae` does not read it.
    pub z: f64,
    /// The reverse loss.
    pub form: ReverseForm,
}

impl Default for Symmetry {
    /// Half of the ordinary loss, the whole reverse cross entropy, `z = -1`.
    fn default() -> Self {
        Self { alpha: 0.5, beta: 1.0, z: -1.0, form: ReverseForm::Rce }
    }
}

impl Symmetry {
    /// Checks the coefficients.
    ///
    /// # Errors
    /// If one is not finite, `alpha` or `beta` is negative, or `z` is positive.
    pub fn validate(&self) -> Result<(), LossError> {
        check_coefficient("alpha", self.alpha, self.alpha >= 0.0, "a number, 0 or more")?;
        check_coefficient("beta", self.beta, self.beta >= 0.0, "a number, 0 or more")?;
        check_coefficient("z", self.z, self.z <= 0.0, "a negative number, since it stands for log 0")
    }

    /// The coefficient `c` with which the gradient of symmetric PPO equals `c` times that of PPO, at every sample and
    /// parameter: `alpha - beta z` (rce), `alpha + 2 beta` (mae). `None` for the forms that have another direction.
    pub fn effective_policy_coefficient(&self) -> Option<f64> {
        match self.form {
            _ if self.beta == 0.0 => Some(self.alpha),
            ReverseForm::Rce => Some(self.alpha - self.beta * self.z),
            ReverseForm::Mae => Some(self.alpha + 2.0 * self.beta),
            ReverseForm::PerActionRatio | ReverseForm::Unnormalised => None,
        }
    }

    /// The weight `w` with which the gradient of symmetric A2C equals `w` times that of A2C at a sample whose action
    /// has probability `p`: `alpha - beta z p` (rce), `alpha + 2 beta p` (mae). `None` for
    /// [`ReverseForm::PerActionRatio`], which has another direction.
    pub fn effective_sample_weight(&self, p: f64) -> Option<f64> {
        match self.form {
            _ if self.beta == 0.0 => Some(self.alpha),
            ReverseForm::Rce | ReverseForm::Unnormalised => Some(self.alpha - self.beta * self.z * p),
            ReverseForm::Mae => Some(self.alpha + 2.0 * self.beta * p),
            ReverseForm::PerActionRatio => None,
        }
    }

    /// Whether samples must carry the log-probabilities of all actions.
    pub fn needs_distribution(&self) -> bool {
        self.beta != 0.0 && self.form.needs_distribution()
    }
}

/// Configuration of the [symmetric policy-gradient loss](SymmetricA2cLoss).
#[derive(Config, Debug)]
pub struct SymmetricA2cLossConfig {
    /// Weight of the ordinary policy loss.
    #[config(default = 0.5)]
    pub alpha: f64,
    /// Weight of the reverse loss. At 0 it is not computed at all.
    #[config(default = 1.0)]
    pub beta: f64,
    /// The negative number that stands for `log 0`.
    #[config(default = -1.0)]
    pub z: f64,
    /// The reverse loss.
    #[config(default = "ReverseForm::Rce")]
    pub form: ReverseForm,
}

impl SymmetricA2cLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If a coefficient is not finite, `alpha` or `beta` is negative, or `z` is positive.
    pub fn init(&self) -> Result<SymmetricA2cLoss, LossError> {
        SymmetricA2cLoss::new(Symmetry { alpha: self.alpha, beta: self.beta, z: self.z, form: self.form })
    }
}

/// The symmetric loss of advantage actor-critic (SA2C).
///
/// ```text
/// L = alpha * mean( -A log p ) + beta * mean( R )
/// R = -A Z (1 - p)     (rce)
/// R =  A (1 - 2 p)     (mae)
/// ```
///
/// with the probability `p` of the action taken and its advantage `A`, a constant. The reverse term `R` treats the
/// action taken as a label and holds the other actions' probability against it, as reverse cross entropy does for
/// noisy labels. Its gradient weighs each sample: the whole loss has `alpha - beta Z p` times the gradient of A2C, so
/// likely actions count more.
///
/// See [Symmetric Reinforcement Learning Loss](https://arxiv.org/abs/2405.17618).
///
/// # Example
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, activation::log_softmax};
/// use burn_sppo::loss::{PolicySamples, Reduction, SymmetricA2cLossConfig};
///
/// let device = Device::flex().autodiff();
/// let logits = Tensor::<2>::from_data([[0.2, -0.4, 1.0], [0.0, 0.5, -0.5]], &device).require_grad();
/// let actions = Tensor::<2, burn::tensor::Int>::from_data([[2], [0]], &device);
/// let log_prob = log_softmax(logits.clone(), 1).gather(1, actions).reshape([2]);
/// let advantage = Tensor::<1>::from_data([0.8, -1.2], &device);
///
/// let loss = SymmetricA2cLossConfig::new().with_beta(2.0).init()?;
/// let samples = PolicySamples::new(log_prob.clone(), log_prob, advantage);
/// let output = loss.forward(samples, &Reduction::all(2))?;
/// let gradients = output.loss.backward();
/// assert!(logits.grad(&gradients).is_some());
/// # }
/// # Ok::<(), burn_sppo::loss::LossError>(())
/// ```
#[derive(Module, Debug)]
pub struct SymmetricA2cLoss {
    /// The coefficients.
    #[module(skip)]
    pub symmetry: Symmetry,
}

impl SymmetricA2cLoss {
    pub(crate) fn new(symmetry: Symmetry) -> Result<Self, LossError> {
        symmetry.validate()?;
        Ok(Self { symmetry })
    }

    /// Computes the loss.
    ///
    /// # Shapes
    /// - samples: `[N]` each, the whole distributions `[N, K]`
    /// - output: loss `[1]`
    ///
    /// # Errors
    /// If the tensors differ in length, or the reverse form needs the whole distribution and the samples lack it.
    pub fn forward(&self, samples: PolicySamples, reduction: &Reduction) -> Result<PolicyLossOutput, LossError> {
        let samples = samples.prepare(reduction)?;
        let policy = reduction.mean(policy_gradient(&samples));
        let mut loss = policy.clone() * self.symmetry.alpha;
        let mut logged = None;
        if self.symmetry.beta != 0.0 {
            let reverse = reduction.mean(reverse::on_policy(&samples, &self.symmetry)?);
            loss = loss + reverse.clone() * self.symmetry.beta;
            logged = Some(reverse);
        }
        Ok(on_policy_output(loss, policy, logged, &samples, reduction))
    }
}

/// Configuration of the [symmetric PPO loss](SymmetricPpoLoss).
#[derive(Config, Debug)]
pub struct SymmetricPpoLossConfig {
    /// Weight of the ordinary policy loss.
    #[config(default = 0.5)]
    pub alpha: f64,
    /// Weight of the reverse loss. At 0 it is not computed at all.
    #[config(default = 1.0)]
    pub beta: f64,
    /// The negative number that stands for `log 0`.
    #[config(default = -1.0)]
    pub z: f64,
    /// The reverse loss.
    #[config(default = "ReverseForm::Rce")]
    pub form: ReverseForm,
    /// How far the ratio may go from 1 before the objective is cut.
    #[config(default = 0.2)]
    pub clip_range: f64,
}

impl SymmetricPpoLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If a coefficient is not finite, `alpha`, `beta` or the clip range is negative, or `z` is positive.
    pub fn init(&self) -> Result<SymmetricPpoLoss, LossError> {
        let symmetry = Symmetry { alpha: self.alpha, beta: self.beta, z: self.z, form: self.form };
        SymmetricPpoLoss::new(symmetry, self.clip_range)
    }
}

/// The symmetric PPO loss (SPPO).
///
/// ```text
/// r    = exp( log p - log p_old )
/// l1   = A r,   l2 = A clip(r, 1 - clip_range, 1 + clip_range)
/// flag = 1 where 1 - clip_range <= r <= 1 + clip_range, or l1 <= l2; else 0
/// L    = alpha * mean( -min(l1, l2) ) + beta * mean( R )
/// R    = -flag A Z (1 - p) / p_old         (rce)
/// R    =  flag A ((1 - p) - p) / p_old     (mae)
/// ```
///
/// with the probabilities `p` and `p_old` of the action taken under the policy that is trained and under the one that
/// collected the samples, and the advantage `A`, a constant. The other two forms are described at [`ReverseForm`].
///
/// Computed without a second forward pass, without a division and without `1 / p_old` in the gradient: see
/// [`PolicyLossOutput::reverse`] for what is logged. Very large ratios are
/// [guarded](crate::loss::LOG_RATIO_BOUND).
///
/// # What it is equal to
/// Since `d((1 - p) / p_old) = -dr`, the gradient with `rce` is *exactly* `alpha - beta Z` times that of PPO at every
/// sample, and with `mae` `alpha + 2 beta` times. Compare it with PPO of that coefficient
/// ([`Symmetry::effective_policy_coefficient`]): what differs from plain PPO is the weight of the policy loss against
/// the value and entropy losses. The forms `per_action_ratio` and `unnormalised` have a direction of their own.
///
/// See [Symmetric Reinforcement Learning Loss](https://arxiv.org/abs/2405.17618) and
/// [Proximal Policy Optimization Algorithms](https://arxiv.org/abs/1707.06347).
///
/// # Example
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::optim::{AdamConfig, GradientsParams};
/// use burn::tensor::{Device, Int, Tensor, activation::log_softmax};
/// use burn_sppo::loss::{PolicySamples, Reduction, SymmetricPpoLossConfig};
///
/// let device = Device::flex().autodiff();
/// let mut policy: Linear = LinearConfig::new(3, 2).init(&device);
/// let mut optimizer = AdamConfig::new().init();
/// let loss = SymmetricPpoLossConfig::new().with_alpha(0.5).with_beta(0.4).init()?;
///
/// // What a rollout gives: observations, actions, their log-probabilities at that time, and advantages.
/// let observations = Tensor::<2>::from_data([[1.0, 0.0, 0.5], [0.0, 1.0, -0.5]], &device);
/// let actions = Tensor::<1, Int>::from_data([0, 1], &device);
/// let old_log_prob = Tensor::<1>::from_data([-0.7, -0.6], &device);
/// let advantage = Tensor::<1>::from_data([1.0, -0.5], &device);
///
/// let log_prob = log_softmax(policy.forward(observations), 1).gather(1, actions.unsqueeze_dim(1)).reshape([2]);
/// let output = loss.forward(PolicySamples::new(log_prob, old_log_prob, advantage), &Reduction::all(2))?;
/// let gradients = GradientsParams::from_grads(output.loss.backward(), &policy);
/// policy = optimizer.step(1e-3, policy, gradients);
/// # }
/// # Ok::<(), burn_sppo::loss::LossError>(())
/// ```
#[derive(Module, Debug)]
pub struct SymmetricPpoLoss {
    /// The coefficients.
    #[module(skip)]
    pub symmetry: Symmetry,
    /// How far the ratio may go from 1 before the objective is cut.
    pub clip_range: f64,
}

impl SymmetricPpoLoss {
    pub(crate) fn new(symmetry: Symmetry, clip_range: f64) -> Result<Self, LossError> {
        symmetry.validate()?;
        check_clip_range(clip_range)?;
        Ok(Self { symmetry, clip_range })
    }

    /// Computes the loss.
    ///
    /// # Shapes
    /// - samples: `[N]` each, the whole distributions `[N, K]`
    /// - output: loss `[1]`
    ///
    /// # Errors
    /// If the tensors differ in length, or the reverse form needs the whole distribution and the samples lack it.
    pub fn forward(&self, samples: PolicySamples, reduction: &Reduction) -> Result<PolicyLossOutput, LossError> {
        let samples = samples.prepare(reduction)?;
        let surrogate = Surrogate::new(&samples, self.clip_range);
        let policy = reduction.mean(surrogate.objective.clone().neg());
        let mut loss = policy.clone() * self.symmetry.alpha;
        let mut logged = None;
        if self.symmetry.beta != 0.0 {
            let reverse = reduction.mean(reverse::clipped(&samples, &surrogate, &self.symmetry)?);
            loss = loss + reverse.clone() * self.symmetry.beta;
            logged = Some(reverse);
        }
        Ok(surrogate.output(loss, policy, logged, reduction))
    }
}
