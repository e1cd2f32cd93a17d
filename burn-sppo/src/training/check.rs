use super::{ControlError, ControlLearner, ControlTraining, files::TrainingState};
use crate::{
    advantage::Normalization,
    environment::{EnvironmentSpec, VectorEnvironment},
};

/// Checks that a checkpoint is of this training. `normalizer`: whether there is one in the checkpoint, and here.
pub(super) fn check_resumed(
    state: &TrainingState,
    spec: &EnvironmentSpec,
    seed: u64,
    normalizer: [bool; 2],
) -> Result<(), ControlError> {
    if state.environment != spec.id {
        let (saved, environment) = (state.environment.clone(), spec.id.clone());
        return Err(ControlError::OtherEnvironment { saved, environment });
    }
    let num_envs = [state.num_envs.unwrap_or(spec.num_envs), spec.num_envs];
    let observations = normalizer.map(|there| if there { "normalised" } else { "as they are" }.to_owned());
    let settings = [
        ("seed", [state.seed, seed].map(|seed| seed.to_string())),
        ("num_envs", num_envs.map(|count| count.to_string())),
        ("observations", observations),
    ];
    match settings.into_iter().find(|(_, [saved, found])| saved != found) {
        Some((what, [saved, found])) => Err(ControlError::OtherSetting { what, saved, found }),
        None => Ok(()),
    }
}

/// Checks that a training can start.
pub(super) fn check<M>(training: &ControlTraining, learner: &ControlLearner<M>) -> Result<(), ControlError> {
    if training.total_steps == 0 {
        return Err(ControlError::NoSteps);
    }
    if learner.rollout_steps == 0 {
        return Err(ControlError::Zero { name: "rollout_steps" });
    }
    if training.directory.is_none() && (training.checkpoints.is_some() || training.resume) {
        return Err(ControlError::NoDirectory);
    }
    learner.gae.validate()?;
    learner.update_at(1.0).init()?;
    let samples = learner.rollout_steps.saturating_mul(training.environment.spec().num_envs);
    // A larger one is all of the rollout.
    if learner.update.minibatch < samples && !samples.is_multiple_of(learner.update.minibatch) {
        return Err(ControlError::Minibatch { samples, minibatch: learner.update.minibatch });
    }
    if samples == 1 && learner.update.normalization != Normalization::None {
        return Err(ControlError::SingleSample);
    }
    if let Some((evaluation, config)) = &training.evaluation {
        if config.every > 0 && config.episodes == 0 {
            return Err(ControlError::Zero { name: "evaluation episodes" });
        }
        let has = |environment: &dyn VectorEnvironment| match environment.normalizer() {
            Some(_) => "has a",
            None => "has no",
        };
        let (evaluation, training) = (has(evaluation.as_ref()), has(training.environment.as_ref()));
        if evaluation != training {
            return Err(ControlError::Normalizer { evaluation, training });
        }
    }
    Ok(())
}
