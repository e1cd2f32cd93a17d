use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use super::{CheckpointConfig, EvaluationConfig};
use crate::{
    advantage::{AdvantageKind, Gae, Normalization},
    learner::{Schedule, UpdateConfig},
    loss::{Algorithm, PolicyLossConfig, ReverseForm, Symmetry, ValueLoss},
    optim::{FusedAdamWConfig, FusedRmsPropConfig, RmsPropStyle},
    policy::{Activation, PolicyConfig, PolicyKind},
    run::HealthConfig,
};

/// Everything that a training in an environment depends on, as plain values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControlConfig {
    /// Environment steps, over all environments.
    pub total_steps: u64,
    pub seed: u64,
    pub environment: EnvironmentSection,
    pub policy: PolicySection,
    pub algorithm: AlgorithmSection,
    pub update: UpdateSection,
    pub optimizer: OptimizerSection,
    pub evaluation: EvaluationSection,
    pub checkpoint: CheckpointConfig,
    pub health: HealthConfig,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            total_steps: 100_000,
            seed: 42,
            environment: EnvironmentSection::default(),
            policy: PolicySection::default(),
            algorithm: AlgorithmSection::default(),
            update: UpdateSection::default(),
            optimizer: OptimizerSection::default(),
            evaluation: EvaluationSection::default(),
            checkpoint: CheckpointConfig::default(),
            health: HealthConfig::default(),
        }
    }
}

/// The environments, and the wrappers around them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentSection {
    /// A name as gymnasium knows it.
    pub id: String,
    /// Environments side by side.
    pub num_envs: usize,
    /// Whether observations and rewards are normalised by running statistics.
    pub normalize: bool,
    /// Frames that an observation shows.
    pub frame_stack: usize,
    /// Values that each continuous action is reduced to; 0 leaves it continuous.
    pub bins: usize,
    /// Noise on the rewards of training.
    pub noise: NoiseName,
    /// Its strength: standard deviation, half width or probability.
    pub noise_value: f64,
    /// Whether training sees only the sign of a reward.
    pub reward_clip: bool,
    /// Steps after which an episode is cut off; the environment's own limit if absent.
    pub max_steps: Option<usize>,
    /// Python processes that share the environments, for those that need Python.
    pub workers: Option<usize>,
    /// Whether such a process is started anew when it dies, instead of ending the training.
    pub respawn: bool,
    /// Keyword arguments of such a task, as a JSON object: `{"gravity": -5.0}`.
    pub arguments: Option<String>,
}

impl Default for EnvironmentSection {
    fn default() -> Self {
        Self {
            id: "CartPole-v1".into(),
            num_envs: 1,
            normalize: false,
            frame_stack: 1,
            bins: 0,
            noise: NoiseName::None,
            noise_value: 0.0,
            reward_clip: false,
            max_steps: None,
            workers: None,
            respawn: false,
            arguments: None,
        }
    }
}

/// Noise on rewards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseName {
    #[default]
    None,
    /// Normal with this deviation.
    Normal,
    /// Uniform between minus and plus this.
    Uniform,
    /// `r` becomes `1 - r` with this probability.
    RewardFlip,
    /// `r` becomes `-r` with this probability.
    SignFlip,
}

/// The actor-critic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    pub kind: PolicyKind,
    /// Widths of the hidden layers of actor and critic, each with its own.
    pub hidden: Vec<usize>,
    pub activation: Activation,
    /// Logarithm of the standard deviation that continuous actions start with.
    pub log_std_init: f64,
    /// Whether weights start orthogonal, as deep learning libraries otherwise do if not.
    pub ortho_init: bool,
    /// Whether exploration noise depends on the state, and stays the same for a while.
    pub use_sde: bool,
    /// Steps that such noise stays the same; a whole rollout if absent.
    pub sde_sample_freq: Option<usize>,
    /// Whether continuous actions are squashed into the bounds.
    pub squash: bool,
}

impl Default for PolicySection {
    fn default() -> Self {
        Self {
            kind: PolicyKind::Mlp,
            hidden: vec![64, 64],
            activation: Activation::Tanh,
            log_std_init: 0.0,
            ortho_init: true,
            use_sde: false,
            sde_sample_freq: None,
            squash: false,
        }
    }
}

/// Which loss is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlgorithmSection {
    pub name: Algorithm,
    /// Weight of the ordinary loss of the symmetric algorithms; of the plain ones too, for comparisons.
    pub alpha: f64,
    /// Weight of the reverse loss.
    pub beta: f64,
    /// The constant that stands for the logarithm of 0 in the reverse cross entropy.
    pub z: f64,
    pub form: ReverseForm,
    pub advantage: AdvantageKind,
    /// Whether advantages are normalised, minibatch by minibatch.
    pub normalize_advantage: bool,
}

impl Default for AlgorithmSection {
    fn default() -> Self {
        Self {
            name: Algorithm::Ppo,
            alpha: 1.0,
            beta: 0.0,
            z: -1.0,
            form: ReverseForm::Rce,
            advantage: AdvantageKind::Normal,
            normalize_advantage: true,
        }
    }
}

/// How a rollout becomes optimiser steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateSection {
    /// Steps of each environment between two updates.
    pub rollout_steps: usize,
    /// Samples of an optimiser step, of which a rollout has a whole number; all of the rollout if absent or larger.
    pub minibatch: Option<usize>,
    pub epochs: usize,
    pub learning_rate: f64,
    /// How the learning rate changes.
    pub schedule: ScheduleName,
    pub clip_range: f64,
    /// How the clip range changes.
    pub clip_schedule: ScheduleName,
    /// Bound on the change of a value prediction; unclipped if absent.
    pub clip_range_vf: Option<f64>,
    pub ent_coef: f64,
    pub vf_coef: f64,
    pub max_grad_norm: Option<f64>,
    pub target_kl: Option<f64>,
    pub gamma: f64,
    pub gae_lambda: f64,
    /// Probability with which the sign of an advantage is flipped, as noise.
    pub adv_flip: f64,
}

impl Default for UpdateSection {
    fn default() -> Self {
        Self {
            rollout_steps: 2048,
            minibatch: Some(64),
            epochs: 10,
            learning_rate: 3e-4,
            schedule: ScheduleName::Constant,
            clip_range: 0.2,
            clip_schedule: ScheduleName::Constant,
            clip_range_vf: None,
            ent_coef: 0.0,
            vf_coef: 0.5,
            max_grad_norm: Some(0.5),
            target_kl: None,
            gamma: 0.99,
            gae_lambda: 0.95,
            adv_flip: 0.0,
        }
    }
}

/// How a setting changes over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    #[default]
    Constant,
    /// Falls linearly to 0.
    Linear,
}

impl ScheduleName {
    pub(super) fn of(self, value: f64) -> Schedule {
        match self {
            Self::Constant => Schedule::Constant(value),
            Self::Linear => Schedule::Linear(value),
        }
    }
}

/// The optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSection {
    pub kind: OptimizerName,
    pub epsilon: f64,
    /// Decay of the mean of squared gradients of RMSprop.
    pub alpha: f64,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self { kind: OptimizerName::Adam, epsilon: 1e-5, alpha: 0.99 }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    #[default]
    Adam,
    /// With epsilon outside of the root.
    Rmsprop,
    /// With epsilon inside of the root and a mean square that starts at 1, as TensorFlow's.
    RmspropTf,
}

/// When and how the policy is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSection {
    /// Environment steps between two evaluations; 0: none.
    pub every: u64,
    pub episodes: usize,
    pub deterministic: bool,
    pub num_envs: usize,
}

impl Default for EvaluationSection {
    fn default() -> Self {
        Self { every: 10_000, episodes: 10, deterministic: true, num_envs: 1 }
    }
}

impl PolicySection {
    pub(super) fn build(&self) -> PolicyConfig {
        PolicyConfig::new()
            .with_kind(self.kind)
            .with_hidden(self.hidden.clone())
            .with_activation(self.activation)
            .with_ortho_init(self.ortho_init)
            .with_log_std_init(self.log_std_init)
            .with_use_sde(self.use_sde)
            .with_squash(self.squash)
    }
}

impl OptimizerSection {
    pub(super) fn build(&self) -> ModuleOptimizer {
        let epsilon = self.epsilon as f32;
        match self.kind {
            OptimizerName::Adam => FusedAdamWConfig::new().with_epsilon(epsilon).with_weight_decay(0.0).init(),
            OptimizerName::Rmsprop => self.rms_prop(RmsPropStyle::PyTorch),
            OptimizerName::RmspropTf => self.rms_prop(RmsPropStyle::TensorFlow),
        }
    }

    fn rms_prop(&self, style: RmsPropStyle) -> ModuleOptimizer {
        FusedRmsPropConfig::new(style).with_alpha(self.alpha as f32).with_epsilon(self.epsilon as f32).init()
    }
}

impl EvaluationSection {
    /// The settings of an evaluation.
    pub fn build(&self) -> EvaluationConfig {
        EvaluationConfig { every: self.every, episodes: self.episodes, deterministic: self.deterministic }
    }
}

impl ControlConfig {
    /// Samples of a rollout.
    pub fn samples(&self) -> usize {
        self.update.rollout_steps.saturating_mul(self.environment.num_envs)
    }

    /// Samples of an optimiser step: never more than a rollout of `environment.num_envs` has.
    pub fn minibatch(&self) -> usize {
        self.update.minibatch.unwrap_or(usize::MAX).min(self.samples())
    }

    pub fn gae(&self) -> Gae {
        Gae { gamma: self.update.gamma, lambda: self.update.gae_lambda }
    }

    /// How a rollout is cut up, in one line.
    pub fn batch_arithmetic(&self) -> String {
        let (update, samples, minibatch) = (&self.update, self.samples(), self.minibatch());
        let minibatches = samples.div_ceil(minibatch.max(1));
        let iterations = self.total_steps.div_ceil(samples.max(1) as u64);
        format!(
            "{} steps in each of {} environments = {samples} samples = {minibatches} x minibatch {minibatch}, {} epochs: \
             {} optimiser steps an iteration, {iterations} iterations for {} environment steps",
            update.rollout_steps,
            self.environment.num_envs,
            update.epochs,
            minibatches * update.epochs,
            self.total_steps,
        )
    }

    /// The settings of the update step.
    pub fn update(&self) -> UpdateConfig {
        let (algorithm, update) = (&self.algorithm, &self.update);
        let symmetric = algorithm.name.is_symmetric();
        let symmetry = Symmetry { alpha: algorithm.alpha, beta: algorithm.beta, z: algorithm.z, form: algorithm.form };
        let loss = PolicyLossConfig::new(algorithm.name)
            .with_coefficient(if symmetric { 1.0 } else { algorithm.alpha })
            .with_symmetry(symmetry);
        // Not what this says of the number of environments: they may be made elsewhere.
        let minibatch = update.minibatch.unwrap_or(usize::MAX);
        let normalization = if algorithm.normalize_advantage { Normalization::Minibatch } else { Normalization::None };
        UpdateConfig::new(loss, ValueLoss::Mse, minibatch, minibatch, normalization, algorithm.advantage)
            .with_vf_coef(update.vf_coef)
            .with_ent_coef(update.ent_coef)
            .with_epochs(update.epochs)
            .with_max_grad_norm(update.max_grad_norm)
            .with_target_kl(update.target_kl)
            .with_advantage_flip(update.adv_flip)
    }
}
