use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::ControlError;
use crate::{
    environment::VectorEnvironment,
    policy::{ActionBuffer, ActorCritic},
    rollout::{CollectError, ObservationBuffer, check_shape},
    run::{Purpose, Stream, Streams},
};

/// When and how a policy is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationConfig {
    /// Environment steps between two evaluations; 0: none.
    pub every: u64,
    /// Episodes of an evaluation.
    pub episodes: usize,
    /// Whether the likeliest action is taken instead of a drawn one.
    pub deterministic: bool,
}

/// Returns and lengths of the episodes of an evaluation, counted in two ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpisodeScores {
    /// Raw returns of whole episodes, below every wrapper: of a game, not of a life. What is reported.
    pub returns: Vec<f64>,
    /// Their lengths.
    pub lengths: Vec<u64>,
    /// Returns of as many episodes as the policy sees them: sums of the rewards that the wrappers let through, up to
    /// each end, which may be that of a life. What Stable-Baselines3 reports without a monitor.
    pub wrapped_returns: Vec<f64>,
}

impl EpisodeScores {
    /// Mean of the returns. Not a number without episodes.
    pub fn mean(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len() as f64
    }

    /// Population standard deviation of the returns.
    pub fn std(&self) -> f64 {
        let mean = self.mean();
        let squares = self.returns.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (squares / self.returns.len() as f64).sqrt()
    }

    /// Mean length. Not a number without episodes.
    pub fn mean_length(&self) -> f64 {
        self.lengths.iter().sum::<u64>() as f64 / self.lengths.len() as f64
    }
}

/// One evaluation of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlEvaluation {
    /// Environment steps of training before it.
    pub steps: u64,
    pub mean_return: f64,
    pub std_return: f64,
    pub mean_length: f64,
    pub scores: EpisodeScores,
}

impl ControlEvaluation {
    pub(super) fn new(steps: u64, scores: EpisodeScores) -> Self {
        Self { steps, mean_return: scores.mean(), std_return: scores.std(), mean_length: scores.mean_length(), scores }
    }
}

/// Ends in a row, for each environment, after which an episode should have been reported.
const MOST_UNREPORTED: usize = 1000;

/// Plays `episodes` whole episodes, in several environments side by side: environment `i` contributes
/// `(episodes + i) / environments` of them, so that short episodes are not preferred.
///
/// Starting states and draws of action come from the purpose `Evaluation` of `streams`, numbered by `number`: an
/// evaluation changes nothing in training, and no two begin alike. The critic is not asked.
///
/// # Errors
/// If an environment fails, numbers cannot be read back, or the environments never report an episode that has ended.
pub fn evaluate<M: ActorCritic>(
    policy: &M,
    environment: &mut dyn VectorEnvironment,
    config: &EvaluationConfig,
    streams: Streams,
    number: u64,
    device: &Device,
) -> Result<EpisodeScores, ControlError> {
    let spec = environment.spec().clone();
    let (environments, features) = (spec.num_envs, spec.features());
    let mut observations = ObservationBuffer::with_capacity(spec.observation_kind, environments * features);
    let mut left: Vec<usize> = (0..environments).map(|i| (config.episodes + i) / environments).collect();
    let mut wrapped_left = left.clone();
    let mut lanes: Vec<Stream> =
        (0..environments as u64).map(|lane| streams.stream(Purpose::Evaluation, number, lane)).collect();
    let mut scores = EpisodeScores::default();
    let mut wrapped = vec![0.0; environments];
    let mut buffer = ActionBuffer::default();
    let mut exploration = None;
    let mut unreported = 0;
    // Gymnasium takes seeds of 32 bits, and environment i adds i.
    let seed = u64::from(streams.stream(Purpose::Evaluation, number, u64::MAX).random::<u32>() >> 1);
    let first = environment.reset(Some(seed))?;
    first.check(&spec)?;
    observations.push(first);
    while left.iter().any(|&left| left > 0) {
        let input = TensorData::new(observations.to_f32(), [environments, features]);
        let distribution = policy.distribution(Tensor::from_data(input, device));
        let actions = match config.deterministic {
            true => distribution.mode(),
            false => distribution.sample_exploring(&mut exploration, &mut lanes)?,
        };
        check_shape("actions", &actions, [environments, spec.action_space.width()])?;
        let actions: Vec<f32> = actions
            .into_data()
            .convert::<f32>()
            .try_into_vec()
            .map_err(|error| ControlError::Collect(CollectError::Read(format!("{error:?}"))))?;
        let step = environment.step(buffer.fill(&actions, distribution.execution(), &spec.action_space))?;
        step.check(&spec)?;
        for i in 0..environments {
            wrapped[i] += f64::from(step.rewards[i]);
            if step.ends[i].is_some() {
                if wrapped_left[i] > 0 {
                    wrapped_left[i] -= 1;
                    scores.wrapped_returns.push(wrapped[i]);
                }
                wrapped[i] = 0.0;
                unreported += 1;
            }
            if step.episodes[i].is_some() {
                unreported = 0;
            }
            if let Some(episode) = step.episodes[i].as_ref().filter(|_| left[i] > 0) {
                left[i] -= 1;
                scores.returns.push(episode.episode_return);
                scores.lengths.push(episode.length);
            }
        }
        // Several ends can belong to one episode, as lives do to a game, but not as many as this.
        if unreported > MOST_UNREPORTED * environments {
            return Err(ControlError::NoEpisodes { environment: spec.id });
        }
        observations.clear();
        observations.push(step.observations);
    }
    Ok(scores)
}
