use crate::rollout::ResponseMask;
use burn_sppo::{
    advantage::{AdvantageKind, Normalization},
    loss::ReverseForm,
};
use serde::{Deserialize, Serialize};

/// What is trained with which loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlgorithmSection {
    pub name: AlgorithmName,
    /// Weight of the ordinary policy loss.
    pub alpha: f64,
    /// Weight of the reverse policy loss; only the symmetric algorithms read it, and at 0 the term is skipped.
    pub beta: f64,
    /// The negative constant that stands for log 0 in reverse cross entropy.
    pub z: f64,
    /// Form of the reverse loss.
    pub form: ReverseForm,
    /// Clip range of the ratio (PPO and SPPO).
    pub clip_range: f64,
    pub value_loss: ValueLossForm,
    /// Clip range of the value around its old prediction; `none`: no clipping.
    pub clip_range_vf: Option<f64>,
    /// Weight of the entropy loss.
    pub ent_coef: f64,
    /// Weight of the value loss.
    pub vf_coef: f64,
    /// Weight of target regularisation; at 0 its forward pass is skipped.
    pub target_coef: f64,
    pub gamma: f64,
    pub gae_lambda: f64,
    /// Over which samples advantages are normalised.
    pub advantage_norm: Normalization,
    /// What becomes of an advantage after normalisation.
    pub advantage_type: AdvantageKind,
    /// Probability with which the sign of an advantage is flipped, as noise.
    pub advantage_flip: f64,
    /// Which tokens of a response count.
    pub mask: ResponseMask,
}

impl Default for AlgorithmSection {
    fn default() -> Self {
        Self {
            name: AlgorithmName::Sppo,
            alpha: 0.5,
            beta: 0.4,
            z: -1.0,
            form: ReverseForm::Rce,
            clip_range: 0.2,
            value_loss: ValueLossForm::Max,
            clip_range_vf: Some(0.2),
            ent_coef: 0.0,
            vf_coef: 0.5,
            target_coef: 0.1,
            gamma: 0.99,
            gae_lambda: 0.95,
            advantage_norm: Normalization::Rollout,
            advantage_type: AdvantageKind::Normal,
            advantage_flip: 0.0,
            mask: ResponseMask::EosInclusive,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlgorithmName {
    Sppo,
    Ppo,
    Sa2c,
    A2c,
    /// Behaviour cloning of the task's texts.
    Bc,
    /// Training of the classifier that scores responses.
    RewardModel,
}

impl AlgorithmName {
    pub const ALL: [Self; 6] = [Self::Sppo, Self::Ppo, Self::Sa2c, Self::A2c, Self::Bc, Self::RewardModel];

    /// The name on the command line and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sppo => "sppo",
            Self::Ppo => "ppo",
            Self::Sa2c => "sa2c",
            Self::A2c => "a2c",
            Self::Bc => "bc",
            Self::RewardModel => "reward-model",
        }
    }

    /// Whether it samples responses and learns from their scores.
    pub fn is_on_policy(self) -> bool {
        !matches!(self, Self::Bc | Self::RewardModel)
    }

    /// Whether it has the importance ratio that several passes over one rollout need.
    pub fn uses_ratio(self) -> bool {
        matches!(self, Self::Ppo | Self::Sppo)
    }

    /// Whether it has the reverse loss.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Sppo | Self::Sa2c)
    }
}

/// Form of the value loss; its range is `clip_range_vf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueLossForm {
    /// Squared error of the prediction, not clipped.
    Mse,
    /// Squared error of the clipped prediction alone.
    ClippedOnly,
    /// Half the larger of both squared errors.
    Max,
}
