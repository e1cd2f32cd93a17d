use rand::RngExt;
use thiserror::Error;

use super::{ActionSpace, Actions, EnvironmentError, EnvironmentSpec, Observations, Step, VectorEnvironment};
use crate::run::{Purpose, Stream, Streams};

/// How long and with which seed [`check`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// Steps of all environments.
    pub steps: usize,
    pub seed: u64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { steps: 2000, seed: 0 }
    }
}

/// Something that is wrong with an environment, or looks so.
#[derive(Debug, Error)]
pub enum Finding {
    #[error("Its description is wrong: {0}.")]
    Spec(EnvironmentError),
    #[error(
        "Dimension {dimension} of its actions reaches from {low} to {high}: give finite bounds, so that actions can be \
         clipped or discretised."
    )]
    UnboundedActions { dimension: usize, low: f32, high: f32 },
    #[error("Dimension {dimension} of its actions has one choice only, so there is nothing to learn in it.")]
    NoChoice { dimension: usize },
    #[error("It steps before it has been reset: return an error until there is an episode to step in.")]
    StepBeforeReset,
    #[error("Its reset fails: {0}.")]
    Reset(EnvironmentError),
    #[error("Its step {step} fails under valid actions: {error}.")]
    Step { step: usize, error: EnvironmentError },
    #[error("After {when}, it gives {found} {what} where its description promises {expected}.")]
    Count { when: When, what: &'static str, expected: usize, found: usize },
    #[error("After {when}, its {what} are {found}, though its description promises {expected}.")]
    Kind { when: When, what: &'static str, expected: String, found: String },
    #[error("After {when}, entry {entry} of the {what} of environment {env} is {value}: it must be a finite number.")]
    NotFinite { when: When, env: usize, what: &'static str, entry: usize, value: f64 },
    #[error("Its observations never change, whatever is done: write the observation after each step.")]
    Frozen,
    #[error("No episode has ended in {steps} steps under random actions: give it a time limit.")]
    Endless { steps: usize },
    #[error("Episodes end, but none is ever reported with its return and length: fill in the step's episodes.")]
    NoEpisodes,
    #[error(
        "With the same seed and the same actions it goes another way from {when} on: take all random numbers from the \
         stream of the reset, and set everything back there."
    )]
    NotReproducible { when: When },
    #[error("It saves its state, but cannot restore it: {0}.")]
    Restore(EnvironmentError),
    #[error("After it has restored a state it goes another way in step {step}: save everything that changes.")]
    RestoredDiffers { step: usize },
    #[error("It accepts {what}: return an error, or a mistake elsewhere will go unnoticed.")]
    AcceptsWrongActions { what: &'static str },
}

/// A moment of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Reset,
    Step(usize),
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reset => f.write_str("the reset"),
            Self::Step(step) => write!(f, "step {step}"),
        }
    }
}

/// Steps environments that have not been reset yet with random actions, and says what is wrong with them.
pub fn check(environments: &mut dyn VectorEnvironment, options: &CheckOptions) -> Vec<Finding> {
    let spec = environments.spec().clone();
    if let Err(error) = spec.validate() {
        return vec![Finding::Spec(error)];
    }
    let mut findings = about_actions(&spec.action_space);
    let mut actions = RandomActions::new(&spec, options.seed);
    if environments.step(actions.next()).is_ok() {
        findings.push(Finding::StepBeforeReset);
    }
    let first = match Walk::take(environments, &spec, options.steps, Start::Reset(options.seed)) {
        Ok(walk) => walk,
        Err(finding) => {
            findings.push(finding);
            return findings;
        }
    };
    findings.extend(first.habits(options.steps));
    match Walk::take(environments, &spec, options.steps, Start::Reset(options.seed)) {
        Ok(second) => findings.extend(first.difference(&second)),
        Err(finding) => findings.push(finding),
    }
    findings.extend(about_restore(environments, &spec, options));
    findings.extend(about_wrong_actions(environments, &spec, options.seed));
    findings
}

fn about_actions(space: &ActionSpace) -> Vec<Finding> {
    (0..space.width())
        .filter_map(|dimension| match space {
            ActionSpace::Continuous { low, high } => {
                let (low, high) = (low[dimension], high[dimension]);
                (!low.is_finite() || !high.is_finite()).then_some(Finding::UnboundedActions { dimension, low, high })
            }
            _ => (space.choices(dimension) == Some(1)).then_some(Finding::NoChoice { dimension }),
        })
        .collect()
}

fn about_restore(
    environments: &mut dyn VectorEnvironment,
    spec: &EnvironmentSpec,
    options: &CheckOptions,
) -> Option<Finding> {
    let saved = environments.save()?;
    let after = Walk::take(environments, spec, options.steps, Start::Here).ok()?;
    if let Err(error) = environments.restore(&saved) {
        return Some(Finding::Restore(error));
    }
    let again = Walk::take(environments, spec, options.steps, Start::Here);
    let step = match again {
        Ok(again) => after.prints.iter().zip(&again.prints).position(|(a, b)| a != b)?,
        Err(_) => 0,
    };
    Some(Finding::RestoredDiffers { step })
}

fn about_wrong_actions(environments: &mut dyn VectorEnvironment, spec: &EnvironmentSpec, seed: u64) -> Vec<Finding> {
    let numbers = spec.num_envs * spec.action_space.width();
    let (floats, choices) = (vec![0.0; numbers + 1], vec![0; numbers + 1]);
    let (not_numbers, outside) = (vec![f32::NAN; numbers], vec![i64::MAX; numbers]);
    let wrong: [(&'static str, Actions<'_>); 3] = match spec.action_space {
        ActionSpace::Continuous { .. } => [
            ("one number of actions too many", Actions::Continuous(&floats)),
            ("actions of another kind", Actions::Discrete(&choices[..numbers])),
            ("actions that are not numbers", Actions::Continuous(&not_numbers)),
        ],
        _ => [
            ("one number of actions too many", Actions::Discrete(&choices)),
            ("actions of another kind", Actions::Continuous(&floats[..numbers])),
            ("actions that are out of range", Actions::Discrete(&outside)),
        ],
    };
    wrong
        .into_iter()
        .filter(|(_, actions)| environments.reset(Some(seed)).is_ok() && environments.step(*actions).is_ok())
        .map(|(what, _)| Finding::AcceptsWrongActions { what })
        .collect()
}

enum Start {
    Reset(u64),
    Here,
}

/// What a number of steps showed.
struct Walk {
    /// A number of everything that was shown after the reset and after each step.
    prints: Vec<u64>,
    changed: bool,
    ended: bool,
    reported: bool,
}

impl Walk {
    fn take(
        environments: &mut dyn VectorEnvironment,
        spec: &EnvironmentSpec,
        steps: usize,
        start: Start,
    ) -> Result<Self, Finding> {
        let mut walk = Self { prints: Vec::with_capacity(steps + 1), changed: false, ended: false, reported: false };
        let mut shown = None;
        let seed = match start {
            Start::Here => 0,
            Start::Reset(seed) => {
                let observations = environments.reset(Some(seed)).map_err(Finding::Reset)?;
                examine(spec, observations, "observations", When::Reset)?;
                let print = fingerprint(observations, 0..observations.len(), START);
                walk.prints.push(print);
                shown = Some(print);
                seed
            }
        };
        let mut actions = RandomActions::new(spec, seed);
        for number in 0..steps {
            let step = environments.step(actions.next()).map_err(|error| Finding::Step { step: number, error })?;
            examine_step(spec, &step, When::Step(number))?;
            let print = fingerprint(step.observations, 0..step.observations.len(), START);
            walk.changed |= shown.is_some_and(|shown| shown != print);
            shown = Some(print);
            walk.prints.push(of_step(spec, &step, print));
            walk.ended |= step.ends.iter().any(Option::is_some);
            walk.reported |= step.episodes.iter().any(Option::is_some);
        }
        Ok(walk)
    }

    fn habits(&self, steps: usize) -> Vec<Finding> {
        let mut findings = vec![];
        if !self.changed {
            findings.push(Finding::Frozen);
        }
        if !self.ended {
            findings.push(Finding::Endless { steps });
        } else if !self.reported {
            findings.push(Finding::NoEpisodes);
        }
        findings
    }

    fn difference(&self, other: &Self) -> Option<Finding> {
        let place = self.prints.iter().zip(&other.prints).position(|(a, b)| a != b)?;
        Some(Finding::NotReproducible { when: place.checked_sub(1).map_or(When::Reset, When::Step) })
    }
}

fn examine(
    spec: &EnvironmentSpec,
    observations: Observations<'_>,
    what: &'static str,
    when: When,
) -> Result<(), Finding> {
    let (expected, found) = (spec.num_envs * spec.features(), observations.len());
    if expected != found {
        return Err(Finding::Count { when, what, expected, found });
    }
    if observations.kind() != spec.observation_kind {
        let (expected, found) = (format!("{:?}", spec.observation_kind), format!("{:?}", observations.kind()));
        return Err(Finding::Kind { when, what, expected, found });
    }
    Ok(())
}

fn examine_step(spec: &EnvironmentSpec, step: &Step<'_>, when: When) -> Result<(), Finding> {
    examine(spec, step.observations, "observations", when)?;
    examine(spec, step.final_observations, "final observations", when)?;
    let counts = [("rewards", step.rewards.len()), ("ends", step.ends.len()), ("episodes", step.episodes.len())];
    for (what, found) in counts {
        if found != spec.num_envs {
            return Err(Finding::Count { when, what, expected: spec.num_envs, found });
        }
    }
    let features = spec.features();
    for (env, end) in step.ends.iter().enumerate() {
        let finals = if end.is_some() { features } else { 0 };
        for (what, numbers, count) in [
            ("reward", Observations::F32(&step.rewards[env..=env]), None),
            ("observation", step.observations, Some(features)),
            ("final observation", step.final_observations, Some(finals)),
        ] {
            let range = count.map_or(0..1, |count| env * features..env * features + count);
            let first = range.start;
            if let Some(place) = range.into_iter().find(|place| !numbers.get(*place).is_finite()) {
                return Err(Finding::NotFinite { when, env, what, entry: place - first, value: numbers.get(place) });
            }
        }
    }
    Ok(())
}

/// The offset of the hash of Fowler, Noll and Vo.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(print: u64, bits: u64) -> u64 {
    bits.to_le_bytes().iter().fold(print, |print, byte| (print ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn fingerprint(observations: Observations<'_>, range: std::ops::Range<usize>, start: u64) -> u64 {
    range.fold(start, |print, place| mix(print, observations.get(place).to_bits()))
}

fn of_step(spec: &EnvironmentSpec, step: &Step<'_>, observations: u64) -> u64 {
    let features = spec.features();
    let mut print = observations;
    for (env, end) in step.ends.iter().enumerate() {
        print = mix(print, u64::from(step.rewards[env].to_bits()));
        if let Some(end) = end {
            print = mix(print, 1 + *end as u64);
            print = fingerprint(step.final_observations, env * features..(env + 1) * features, print);
        }
    }
    print
}

/// Random actions, the same for the same seed. Unbounded dimensions get numbers near 0.
struct RandomActions<'a> {
    spec: &'a EnvironmentSpec,
    stream: Stream,
    discrete: Vec<i64>,
    continuous: Vec<f32>,
}

impl<'a> RandomActions<'a> {
    fn new(spec: &'a EnvironmentSpec, seed: u64) -> Self {
        let stream = Streams::new(seed).stream(Purpose::Sampling, 0, 0);
        Self { spec, stream, discrete: vec![], continuous: vec![] }
    }

    fn next(&mut self) -> Actions<'_> {
        let space = &self.spec.action_space;
        let width = space.width();
        self.discrete.clear();
        self.continuous.clear();
        for dimension in (0..self.spec.num_envs).flat_map(|_| 0..width) {
            match space {
                ActionSpace::Continuous { low, high } => {
                    let (low, high) = (low[dimension].max(-1e3), high[dimension].min(1e3));
                    self.continuous.push(low + (high - low) * self.stream.random::<f32>());
                }
                _ => self.discrete.push(self.stream.random_range(0..space.choices(dimension).unwrap_or(1) as i64)),
            }
        }
        match space {
            ActionSpace::Continuous { .. } => Actions::Continuous(&self.continuous),
            _ => Actions::Discrete(&self.discrete),
        }
    }
}
