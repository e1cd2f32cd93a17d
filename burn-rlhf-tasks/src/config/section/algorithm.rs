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
    pub advantage_norm: AdvantageNorm,
    /// What becomes of an advantage after normalisation.
    pub advantage_type: AdvantageType,
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
            clip_range_vf: Some(0.2),
            ent_coef: 0.0,
            vf_coef: 0.5,
            target_coef: 0.1,
            gamma: 0.99,
            gae_lambda: 0.95,
            advantage_norm: AdvantageNorm::Rollout,
            advantage_type: AdvantageType::Normal,
            mask: ResponseMask::EndToken,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReverseForm {
    /// Reverse cross entropy.
    Rce,
    /// Mean absolute error.
    Mae,
    /// Every other action divided by its own old probability; needs the whole distribution.
    PerActionRatio,
    /// No division by the old probability.
    Unnormalised,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageNorm {
    None,
    /// Over the tokens that count of each minibatch.
    Minibatch,
    /// Over the tokens that count of the whole rollout.
    Rollout,
    /// Over all tokens of each microbatch, padding included, as the reference implementation does.
    AllTokens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageType {
    Normal,
    /// Its sign alone.
    One,
    /// Rounded away from zero to a fifth of the extreme of its sign.
    Discretized,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMask {
    /// Up to and with the first end token.
    EndToken,
    /// Every token that is not the padding token; where padding and end are one token, the end does not count.
    NotPadding,
}
