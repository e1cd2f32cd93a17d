use burn::tensor::{Device, Tensor, TensorData};

use super::{CollectError, ControlRollout, ObservationBuffer};
use crate::{
    advantage::Gae,
    distribution::DistributionError,
    environment::{End, EnvironmentSpec, Episode, VectorEnvironment},
    learner::Samples,
    loss::Algorithm,
    policy::{ActionBuffer, ActorCritic},
    run::{Purpose, Stream, Streams},
};

/// Steps a policy through environments and keeps what happens.
///
/// The policy reads the observations of all environments at once, and the host reads actions, log-probabilities and
/// values in one piece a step.
pub struct Collector {
    environment: Box<dyn VectorEnvironment>,
    actions: ActionBuffer,
    spec: EnvironmentSpec,
    observations: ObservationBuffer,
    features: usize,
    /// Steps that exploration noise stays the same, where it does; a whole rollout if absent.
    resample_every: Option<usize>,
    /// Steps of one environment so far, which number the random streams.
    steps: u64,
}

/// A rollout, and what its environments reported.
#[derive(Debug)]
pub struct Collected {
    pub rollout: ControlRollout,
    /// Episodes that ended, in order.
    pub episodes: Vec<Episode>,
    /// Rewards as trained on, before a cut-off episode's value is added.
    pub mean_reward: f64,
}

impl Collector {
    /// Resets the environments; environment `i` gets the seed `seed + i`. State-dependent exploration noise is drawn anew
    /// at the start of each rollout, and every `resample_every` steps.
    ///
    /// # Errors
    /// If the environments cannot be reset.
    pub fn new(
        mut environment: Box<dyn VectorEnvironment>,
        resample_every: Option<usize>,
        seed: u64,
    ) -> Result<Self, CollectError> {
        let spec = environment.spec().clone();
        let features = spec.features();
        let mut observations = ObservationBuffer::with_capacity(spec.observation_kind, spec.num_envs * features);
        let first = environment.reset(Some(seed))?;
        first.check(&spec)?;
        observations.push(first);
        Ok(Self {
            environment,
            actions: ActionBuffer::default(),
            spec,
            observations,
            features,
            resample_every,
            steps: 0,
        })
    }

    /// Checks that an algorithm can train the actions of `policy`, by one look at the present observations.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check<M: ActorCritic>(
        &self,
        policy: &M,
        algorithm: Algorithm,
        device: &Device,
    ) -> Result<(), DistributionError> {
        let environments = self.spec.num_envs;
        let observations = tensor(self.observations.to_f32(), environments, self.features, device);
        policy.distribution(observations).check_algorithm(algorithm)
    }

    /// The environments, for example to read their normaliser.
    pub fn environment(&self) -> &dyn VectorEnvironment {
        self.environment.as_ref()
    }

    /// The environments, to be changed between two rollouts.
    pub fn environment_mut(&mut self) -> &mut dyn VectorEnvironment {
        self.environment.as_mut()
    }

    /// The environments, when collecting is over.
    pub fn into_environment(self) -> Box<dyn VectorEnvironment> {
        self.environment
    }

    /// Steps of one environment so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes on where another collector stopped. `state` is the environments' own; without one they start new episodes
    /// from a seed that `steps` makes different from the first.
    ///
    /// # Errors
    /// If the environments do not accept the state, or cannot be reset.
    pub fn restore(&mut self, steps: u64, state: Option<&[u8]>, seed: u64) -> Result<(), CollectError> {
        self.steps = steps;
        self.observations.clear();
        let observations = match state {
            Some(state) => self.environment.restore(state)?,
            None => self.environment.reset(Some(seed.wrapping_add(steps)))?,
        };
        observations.check(&self.spec)?;
        self.observations.push(observations);
        Ok(())
    }

    /// Takes `steps` steps in every environment and estimates advantages.
    ///
    /// `policy` is on the inference device, without gradients. `keep_distribution` keeps the log-probabilities of all
    /// actions.
    ///
    /// # Errors
    /// If an environment fails, or the policy gives numbers that are not finite.
    pub fn collect<M: ActorCritic>(
        &mut self,
        policy: &M,
        steps: usize,
        gae: &Gae,
        streams: Streams,
        keep_distribution: bool,
        device: &Device,
    ) -> Result<Collected, CollectError> {
        let spec = &self.spec;
        let (environments, features) = (spec.num_envs, self.features);
        let width = spec.action_space.width();
        let samples = steps * environments;
        let mut observations = ObservationBuffer::with_capacity(spec.observation_kind, samples * features);
        let mut actions = Vec::with_capacity(samples * width);
        let mut full_log_prob = keep_distribution.then(Vec::new);
        let (mut log_prob, mut values) = (Vec::with_capacity(samples), Vec::with_capacity(samples));
        let (mut rewards, mut dones) = (Vec::with_capacity(samples), Vec::with_capacity(samples));
        let mut episodes = Vec::new();
        let mut reward_sum = 0.0;
        let mut exploration = None;
        for step in 0..steps {
            observations.append(&self.observations);
            let input = tensor(self.observations.to_f32(), environments, features, device);
            let (distribution, value) = policy.forward(input);
            let mut lanes: Vec<Stream> =
                (0..environments as u64).map(|lane| streams.stream(Purpose::Sampling, self.steps, lane)).collect();
            if self.resample_every.is_some_and(|every| step > 0 && step.is_multiple_of(every)) {
                exploration = None;
            }
            let drawn = distribution.sample_exploring(&mut exploration, &mut lanes)?;
            check_shape("actions", &drawn, [environments, width])?;
            check_shape("values", &value, [environments])?;
            let execution = distribution.execution();
            if let Some(kept) = &mut full_log_prob {
                kept.extend(read(distribution.full_log_prob()?)?);
            }
            let numbers = Tensor::cat(
                vec![drawn.clone(), distribution.log_prob(drawn).unsqueeze_dim(1), value.unsqueeze_dim(1)],
                1,
            );
            let numbers = read(numbers)?;
            let start = values.len();
            for (environment, row) in numbers.chunks_exact(width + 2).enumerate() {
                let (action, rest) = row.split_at(width);
                for (what, value) in action
                    .iter()
                    .map(|&a| ("the action", a))
                    .chain([("the log-probability", rest[0]), ("the value", rest[1])])
                {
                    if !value.is_finite() {
                        return Err(CollectError::NotFinite { what, value, environment, step });
                    }
                }
                actions.extend_from_slice(action);
                log_prob.push(rest[0]);
                values.push(rest[1]);
            }
            let drawn = &actions[actions.len() - environments * width..];
            let taken = self.environment.step(self.actions.fill(drawn, execution, &spec.action_space))?;
            taken.check(spec)?;
            self.steps += 1;
            reward_sum += taken.rewards.iter().map(|&reward| f64::from(reward)).sum::<f64>();
            rewards.extend_from_slice(taken.rewards);
            dones.extend(taken.ends.iter().map(Option::is_some));
            episodes.extend(taken.episodes.iter().flatten().cloned());
            self.observations.clear();
            self.observations.push(taken.observations);
            let truncated: Vec<bool> = taken.ends.iter().map(|end| *end == Some(End::Truncated)).collect();
            if truncated.contains(&true) {
                let mut last = vec![0.0; environments * features];
                taken.final_observations.write_f32(0, &mut last);
                let last = policy.value(tensor(last, environments, features, device));
                check_shape("values", &last, [environments])?;
                let final_values = read(last.unsqueeze_dim::<2>(1))?;
                gae.bootstrap_truncated(&mut rewards[start..], &truncated, &final_values)?;
            }
        }
        let last = tensor(self.observations.to_f32(), environments, features, device);
        let last_values = read(policy.value(last).unsqueeze_dim::<2>(1))?;
        let estimates = gae.control(&rewards, &values, &dones, &last_values)?;
        Ok(Collected {
            rollout: ControlRollout {
                observations,
                features,
                actions,
                action_width: width,
                samples: Samples {
                    per_row: 1,
                    old_log_prob: log_prob,
                    advantage: estimates.advantages,
                    returns: estimates.returns,
                    old_value: values,
                    policy_mask: None,
                    value_mask: None,
                },
                full_log_prob,
            },
            episodes,
            mean_reward: reward_sum / samples.max(1) as f64,
        })
    }
}

/// Checks what a policy gives; a module of somebody's own may give anything.
pub(crate) fn check_shape<const D: usize>(
    what: &'static str,
    found: &Tensor<D>,
    expected: [usize; D],
) -> Result<(), CollectError> {
    match found.dims() {
        found if found == expected => Ok(()),
        found => Err(CollectError::Shape { what, expected: expected.to_vec(), found: found.to_vec() }),
    }
}

fn tensor(values: Vec<f32>, rows: usize, width: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

fn read(tensor: Tensor<2>) -> Result<Vec<f32>, CollectError> {
    tensor.into_data().convert::<f32>().try_into_vec().map_err(|error| CollectError::Read(format!("{error:?}")))
}
