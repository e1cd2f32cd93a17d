use burn::{config::Config, module::Module};
use serde::{Deserialize, Serialize};

use crate::loss::{
    A2cLoss, A2cLossConfig, ClippedSurrogateLoss, ClippedSurrogateLossConfig, LossError, PolicyLossOutput,
    PolicySamples, Reduction, SymmetricA2cLoss, SymmetricPpoLoss, Symmetry,
};

/// The policy-gradient algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Advantage actor-critic: one pass over each rollout, no ratio.
    A2c,
    /// Proximal policy optimization.
    Ppo,
    /// Symmetric A2C.
    Sa2c,
    /// Symmetric PPO.
    Sppo,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::A2c, Self::Ppo, Self::Sa2c, Self::Sppo];

    /// Whether it has a reverse term, and so needs a discrete policy.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Sa2c | Self::Sppo)
    }

    /// Whether it compares with the policy that collected the samples.
    pub fn uses_ratio(self) -> bool {
        matches!(self, Self::Ppo | Self::Sppo)
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::A2c => "a2c",
            Self::Ppo => "ppo",
            Self::Sa2c => "sa2c",
            Self::Sppo => "sppo",
        })
    }
}

/// Configuration of the [policy loss](PolicyLoss) of any algorithm.
#[derive(Config, Debug)]
pub struct PolicyLossConfig {
    /// Which loss.
    pub algorithm: Algorithm,
    /// Weight of the loss of A2C and PPO. The symmetric ones read `symmetry` instead.
    #[config(default = 1.0)]
    pub coefficient: f64,
    /// Coefficients of SA2C and SPPO.
    #[config(default = "Symmetry::default()")]
    pub symmetry: Symmetry,
    /// Clip range of PPO and SPPO.
    #[config(default = 0.2)]
    pub clip_range: f64,
}

impl PolicyLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If a coefficient that the algorithm reads is out of range.
    pub fn init(&self) -> Result<PolicyLoss, LossError> {
        Ok(match self.algorithm {
            Algorithm::A2c => PolicyLoss::A2c(A2cLossConfig::new().with_coefficient(self.coefficient).init()?),
            Algorithm::Ppo => PolicyLoss::Ppo(
                ClippedSurrogateLossConfig::new()
                    .with_coefficient(self.coefficient)
                    .with_clip_range(self.clip_range)
                    .init()?,
            ),
            Algorithm::Sa2c => PolicyLoss::Sa2c(SymmetricA2cLoss::new(self.symmetry)?),
            Algorithm::Sppo => PolicyLoss::Sppo(SymmetricPpoLoss::new(self.symmetry, self.clip_range)?),
        })
    }

    /// The coefficient with which the gradient equals that of plain PPO (of plain A2C for A2C). `None` where there is
    /// none: SA2C weighs each sample differently, and two reverse forms have another direction.
    pub fn effective_policy_coefficient(&self) -> Option<f64> {
        match self.algorithm {
            Algorithm::A2c | Algorithm::Ppo => Some(self.coefficient),
            Algorithm::Sa2c => (self.symmetry.beta == 0.0).then_some(self.symmetry.alpha),
            Algorithm::Sppo => self.symmetry.effective_policy_coefficient(),
        }
    }

    /// Whether rollouts must keep the log-probabilities of all actions.
    pub fn needs_distribution(&self) -> bool {
        self.algorithm.is_symmetric() && self.symmetry.needs_distribution()
    }
}

/// The policy loss of any algorithm, for trainers that choose it at run time.
#[derive(Module, Debug)]
pub enum PolicyLoss {
    /// See [`A2cLoss`].
    A2c(A2cLoss),
    /// See [`ClippedSurrogateLoss`].
    Ppo(ClippedSurrogateLoss),
    /// See [`SymmetricA2cLoss`].
    Sa2c(SymmetricA2cLoss),
    /// See [`SymmetricPpoLoss`].
    Sppo(SymmetricPpoLoss),
}

impl PolicyLoss {
    /// Computes the loss.
    ///
    /// # Shapes
    /// - samples: `[N]` each, the whole distributions `[N, K]`
    /// - output: loss `[1]`
    ///
    /// # Errors
    /// If the tensors differ in length, or the reverse form needs the whole distribution and the samples lack it.
    pub fn forward(&self, samples: PolicySamples, reduction: &Reduction) -> Result<PolicyLossOutput, LossError> {
        match self {
            Self::A2c(loss) => loss.forward(samples, reduction),
            Self::Ppo(loss) => loss.forward(samples, reduction),
            Self::Sa2c(loss) => loss.forward(samples, reduction),
            Self::Sppo(loss) => loss.forward(samples, reduction),
        }
    }
}
