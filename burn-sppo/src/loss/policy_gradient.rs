use burn::{config::Config, module::Module, tensor::Bool, tensor::Tensor};

use crate::loss::{LossError, PolicyLossOutput, PolicySamples, Reduction, error::check_coefficient};

/// Configuration of the [policy-gradient loss](A2cLoss).
#[derive(Config, Debug)]
pub struct A2cLossConfig {
    /// Weight of the loss.
    #[config(default = 1.0)]
    pub coefficient: f64,
}

impl A2cLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If the coefficient is negative or not finite.
    pub fn init(&self) -> Result<A2cLoss, LossError> {
        check_coefficient("coefficient", self.coefficient, self.coefficient >= 0.0, "a number, 0 or more")?;
        Ok(A2cLoss { coefficient: self.coefficient })
    }
}

/// The policy-gradient loss of advantage actor-critic.
///
/// ```text
/// L = coefficient * mean( -A * log p )
/// ```
///
/// with the log-probability `log p` of the action taken and its advantage `A`, a constant.
///
/// See [Asynchronous Methods for Deep Reinforcement Learning](https://arxiv.org/abs/1602.01783).
#[derive(Module, Debug)]
pub struct A2cLoss {
    /// Weight of the loss.
    pub coefficient: f64,
}

impl A2cLoss {
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
        let policy = reduction.mean(policy_gradient(&samples));
        Ok(on_policy_output(policy.clone() * self.coefficient, policy, None, &samples, reduction))
    }
}

/// `-A * log p` of each sample.
pub(crate) fn policy_gradient(samples: &PolicySamples) -> Tensor<1> {
    (samples.advantage.clone() * samples.log_prob.clone()).neg()
}

/// The output of a loss without a ratio.
pub(crate) fn on_policy_output(
    loss: Tensor<1>,
    policy: Tensor<1>,
    reverse: Option<Tensor<1>>,
    samples: &PolicySamples,
    reduction: &Reduction,
) -> PolicyLossOutput {
    let advantage = samples.advantage.clone();
    let (shape, device) = (advantage.dims(), advantage.device());
    PolicyLossOutput {
        loss,
        policy: policy.without_autodiff(),
        reverse: reverse.map(Tensor::without_autodiff),
        ratio: advantage.ones_like(),
        log_ratio: advantage.zeros_like(),
        flag: reduction.keep_flags(Tensor::<1, Bool>::full(shape, true, &device)),
    }
}
