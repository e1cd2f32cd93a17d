use std::path::Path;

use burn::tensor::Device;
use serde_json::{Map, Value};

use super::{ControlConfig, ControlError, ControlLearner, ControlTraining, EnvironmentSection, NoiseName};
use crate::{
    advantage::RewardNoise,
    environment::{
        EnvironmentError, MakeOptions, VectorEnvironment, make,
        wrapper::{ClipReward, Discretize, FrameStack, NoisyReward, Normalizer, NormalizerConfig, VecNormalize},
    },
    policy::ControlPolicy,
    run::{Purpose, Streams},
};

impl EnvironmentSection {
    /// The keyword arguments of the task.
    ///
    /// # Errors
    /// If they are not a JSON object.
    pub fn keyword_arguments(&self) -> Result<Map<String, Value>, EnvironmentError> {
        let Some(text) = &self.arguments else { return Ok(Map::new()) };
        serde_json::from_str(text).map_err(|error| EnvironmentError::Arguments {
            id: self.id.clone(),
            reason: format!("{text} is no JSON object ({error}), like {{\"gravity\": -5.0}}"),
        })
    }
}

impl ControlConfig {
    /// The environments of training with everything around them. `python` runs those that are not native.
    ///
    /// # Errors
    /// If an environment cannot be made or wrapped.
    pub fn training_environment(&self, python: Option<&Path>) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        self.wrap_for_training(self.made(self.environment.num_envs, python, false)?)
    }

    /// The environments of evaluation: without noise, with rewards as they are, and with a normaliser, if there is one,
    /// that takes its statistics from training.
    ///
    /// # Errors
    /// If an environment cannot be made or wrapped.
    pub fn evaluation_environment(
        &self,
        python: Option<&Path>,
    ) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        self.wrap_for_evaluation(self.made(self.evaluation.num_envs, python, false)?)
    }

    /// Those of evaluation, with pictures wherever the task has any.
    ///
    /// # Errors
    /// If an environment cannot be made or wrapped.
    pub fn rendered_environment(&self, python: Option<&Path>) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        self.wrap_for_evaluation(self.made(self.evaluation.num_envs, python, true)?)
    }

    /// Puts around environments of your own what [`training_environment`](Self::training_environment) puts around those
    /// that have a name.
    ///
    /// # Errors
    /// If they cannot be wrapped.
    pub fn wrap_for_training(
        &self,
        environment: Box<dyn VectorEnvironment>,
    ) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        let environment = self.wrapped(environment, true)?;
        let noise = match (self.environment.noise, self.environment.noise_value) {
            (NoiseName::None, _) => return Ok(environment),
            (NoiseName::Normal, value) => RewardNoise::Normal(value),
            (NoiseName::Uniform, value) => RewardNoise::Uniform(value),
            (NoiseName::RewardFlip, value) => RewardNoise::RewardFlip(value),
            (NoiseName::SignFlip, value) => RewardNoise::SignFlip(value),
        };
        Ok(Box::new(NoisyReward::new(environment, noise, Streams::new(self.seed))?))
    }

    /// Puts around environments of your own what [`evaluation_environment`](Self::evaluation_environment) puts around
    /// those that have a name.
    ///
    /// # Errors
    /// If they cannot be wrapped.
    pub fn wrap_for_evaluation(
        &self,
        environment: Box<dyn VectorEnvironment>,
    ) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        self.wrapped(environment, false)
    }

    fn made(
        &self,
        num_envs: usize,
        python: Option<&Path>,
        render: bool,
    ) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        let section = &self.environment;
        let options = MakeOptions {
            arguments: section.keyword_arguments()?,
            workers: section.workers,
            respawn: section.respawn,
            render,
            python: python.map(Path::to_path_buf),
            max_episode_steps: section.max_steps,
            ..MakeOptions::new(num_envs)
        };
        make(&section.id, &options)
    }

    fn wrapped(
        &self,
        mut environment: Box<dyn VectorEnvironment>,
        training: bool,
    ) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
        let section = &self.environment;
        if section.reward_clip {
            environment = Box::new(ClipReward::new(environment));
        }
        if section.normalize {
            let config = NormalizerConfig::new().with_gamma(self.update.gamma);
            let normalizer = Normalizer::new(config, environment.spec().features())?;
            let normalizer = if training { normalizer } else { normalizer.for_evaluation() };
            environment = Box::new(VecNormalize::with_normalizer(environment, normalizer)?);
        }
        if section.frame_stack > 1 {
            environment = Box::new(FrameStack::new(environment, section.frame_stack)?);
        }
        if section.bins > 0 {
            environment = Box::new(Discretize::new(environment, section.bins)?);
        }
        Ok(environment)
    }

    /// A new policy for `environment`, on `device`.
    ///
    /// # Errors
    /// If the policy does not fit the environment, or the algorithm its actions.
    pub fn policy(&self, environment: &dyn VectorEnvironment, device: &Device) -> Result<ControlPolicy, ControlError> {
        let spec = environment.spec();
        let mut stream = Streams::new(self.seed).stream(Purpose::Initialization, 0, 0);
        let policy = self.policy.build().init(&spec.observation_shape, &spec.action_space, &mut stream, device)?;
        policy.check_algorithm(self.algorithm.name)?;
        Ok(policy)
    }

    /// Everything that a training needs: environments, and what learns in them.
    ///
    /// # Errors
    /// If environments, policy and algorithm cannot be made or do not fit together, or the seed is too large to be kept
    /// in a file.
    pub fn init(
        &self,
        python: Option<&Path>,
        device: &Device,
    ) -> Result<(ControlTraining<'static>, ControlLearner<ControlPolicy>), ControlError> {
        let environment = self.training_environment(python)?;
        let learner = self.learner(self.policy(environment.as_ref(), &device.clone().autodiff())?);
        let mut training = ControlTraining::new(environment).total_steps(self.total_steps).config_text(self.text()?);
        if self.evaluation.every > 0 {
            training = training.evaluation(self.evaluation_environment(python)?, self.evaluation.build());
        }
        Ok((training, learner))
    }

    /// What makes a policy learn, which may be a module of your own; it must be on a training device.
    pub fn learner<M>(&self, policy: M) -> ControlLearner<M> {
        let update = &self.update;
        ControlLearner {
            policy,
            optimizer: self.optimizer.build(),
            rollout_steps: update.rollout_steps,
            resample_every: self.policy.sde_sample_freq,
            gae: self.gae(),
            update: self.update(),
            learning_rate: update.schedule.of(update.learning_rate),
            clip_range: update.clip_schedule.of(update.clip_range),
            clip_range_vf: update.clip_range_vf.map(|range| update.clip_schedule.of(range)),
            health: self.health.clone(),
            seed: self.seed,
        }
    }
}
