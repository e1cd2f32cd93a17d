use super::section::{
    AlgorithmSection, BcSection, EvaluationSection, ModelSection, OptimizerSection, RewardModelSection, RewardSection,
    RolloutSection, SchedulerSection, TaskSection, UpdateSection,
};
use crate::{generate::SamplingConfig, rollout::KlConfig, training::CheckpointConfig};
use burn_sppo::run::HealthConfig;
use serde::{Deserialize, Serialize};

/// Everything that decides the numbers of a run, resolved: presets, file and overrides already merged.
///
/// It describes the whole job, the stages that run before the algorithm included (`bc`, `reward_model`), so that one
/// saved file is enough to run it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Seed of every random number of the run.
    pub seed: u64,
    /// Rollout-and-update rounds.
    pub iterations: u64,
    /// How large to make what the run makes itself: models, data and stages.
    pub size: Size,
    /// Whether to behave as recommended or exactly as the published code.
    pub compat: Compat,
    pub task: TaskSection,
    pub model: ModelSection,
    /// Sampling of responses during training.
    pub sampling: SamplingConfig,
    pub rollout: RolloutSection,
    pub algorithm: AlgorithmSection,
    pub update: UpdateSection,
    pub optimizer: OptimizerSection,
    pub scheduler: SchedulerSection,
    /// The price of leaving the reference policy.
    pub kl: KlConfig,
    pub reward: RewardSection,
    pub evaluation: EvaluationSection,
    pub checkpoint: CheckpointConfig,
    pub health: HealthConfig,
    /// Behaviour cloning: `--algorithm bc`, and the stage that makes a policy where none is given.
    pub bc: BcSection,
    /// Training of the classifier: `--algorithm reward-model`, and the stage that makes one where none is given.
    pub reward_model: RewardModelSection,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            iterations: 60,
            size: Size::None,
            compat: Compat::Recommended,
            task: TaskSection::default(),
            model: ModelSection::default(),
            sampling: SamplingConfig { min_length: 48, ..SamplingConfig::default() },
            rollout: RolloutSection::default(),
            algorithm: AlgorithmSection::default(),
            update: UpdateSection::default(),
            optimizer: OptimizerSection::default(),
            scheduler: SchedulerSection::default(),
            kl: KlConfig::default(),
            reward: RewardSection::default(),
            evaluation: EvaluationSection::default(),
            checkpoint: CheckpointConfig::default(),
            health: HealthConfig::default(),
            bc: BcSection::default(),
            reward_model: RewardModelSection::default(),
        }
    }
}

/// A size preset for models made from scratch; it is one more layer between the task's presets and the user's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// No layer: the shapes of the `model` section, or of the checkpoint that is loaded.
    #[default]
    None,
    /// For tests: seconds.
    Tiny,
    /// For a laptop: minutes.
    Small,
    /// About 5 M parameters.
    Medium,
    /// The shape of the smallest published GPT-2, 124 M parameters.
    Gpt2,
}

/// Where the published code and sound practice differ in what training does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    #[default]
    Recommended,
    /// One more layer of presets, which sets the behaviours of the reference implementation.
    Reference,
}
