use super::{EnvironmentError, EnvironmentSpec, ObservationKind};

/// What environments show, one after another: `[num_envs, ..observation_shape]`, in the kind in which they hold it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observations<'a> {
    U8(&'a [u8]),
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Observations<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::U8(numbers) => numbers.len(),
            Self::F32(numbers) => numbers.len(),
            Self::F64(numbers) => numbers.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn kind(&self) -> ObservationKind {
        match self {
            Self::U8(_) => ObservationKind::U8,
            Self::F32(_) => ObservationKind::F32,
            Self::F64(_) => ObservationKind::F64,
        }
    }

    /// The number at `entry`, counted over all environments.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn get(&self, entry: usize) -> f64 {
        match self {
            Self::U8(numbers) => f64::from(numbers[entry]),
            Self::F32(numbers) => f64::from(numbers[entry]),
            Self::F64(numbers) => numbers[entry],
        }
    }

    /// Writes the numbers from `first` on as f32.
    ///
    /// # Panics
    /// If there are not enough to fill `output`.
    pub fn write_f32(&self, first: usize, output: &mut [f32]) {
        let range = first..first + output.len();
        match self {
            Self::U8(numbers) => {
                output.iter_mut().zip(&numbers[range]).for_each(|(to, from)| *to = f32::from(*from));
            }
            Self::F32(numbers) => output.copy_from_slice(&numbers[range]),
            Self::F64(numbers) => output.iter_mut().zip(&numbers[range]).for_each(|(to, from)| *to = *from as f32),
        }
    }

    /// Checks that there are as many, and of the kind, as their environments declare.
    pub(crate) fn check(&self, spec: &EnvironmentSpec) -> Result<(), EnvironmentError> {
        let (expected, found) = (spec.num_envs * spec.features(), self.len());
        if expected != found {
            return Err(EnvironmentError::Count { id: spec.id.clone(), what: "observation", expected, found });
        }
        let (expected, found) = (spec.observation_kind, self.kind());
        if expected != found {
            return Err(EnvironmentError::Kind { id: spec.id.clone(), expected, found });
        }
        Ok(())
    }

    /// The first number that is NaN or infinite, if any.
    pub(crate) fn first_not_finite(&self) -> Option<usize> {
        match self {
            Self::U8(_) => None,
            Self::F32(numbers) => numbers.iter().position(|x| !x.is_finite()),
            Self::F64(numbers) => numbers.iter().position(|x| !x.is_finite()),
        }
    }
}

/// What environments shall do: `[num_envs, width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Actions<'a> {
    /// Numbers of choices; also of multi-discrete and multi-binary (0 or 1) spaces.
    Discrete(&'a [i64]),
    Continuous(&'a [f32]),
}

impl Actions<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(actions) => actions.len(),
            Self::Continuous(actions) => actions.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers as f32.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::Discrete(actions) => actions.iter().map(|&action| action as f32).collect(),
            Self::Continuous(actions) => actions.to_vec(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Discrete(_) => "discrete",
            Self::Continuous(_) => "continuous",
        }
    }
}

/// How an episode has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In a state from which nothing more comes.
    Terminated,
    /// Cut off by a time limit: more would have come.
    Truncated,
}

/// A finished episode: the sum of its raw rewards and its number of steps. In Atari it is a full game.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Episode {
    pub episode_return: f64,
    pub length: u64,
}

/// What came of a step in each environment. One whose episode has ended is already in the next.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What to act on next: where an episode has ended, the first observation of the next one.
    pub observations: Observations<'a>,
    pub rewards: &'a [f32],
    pub ends: &'a [Option<End>],
    /// The last observation of an episode, where `ends` has one; anything elsewhere.
    pub final_observations: Observations<'a>,
    pub episodes: &'a [Option<Episode>],
}

impl Step<'_> {
    /// Checks that there is as much of everything as the environments declare.
    pub(crate) fn check(&self, spec: &EnvironmentSpec) -> Result<(), EnvironmentError> {
        self.observations.check(spec)?;
        self.final_observations.check(spec)?;
        let counts = [("rewards", self.rewards.len()), ("ends", self.ends.len()), ("episodes", self.episodes.len())];
        match counts.into_iter().find(|(_, found)| *found != spec.num_envs) {
            None => Ok(()),
            Some((what, found)) => {
                Err(EnvironmentError::Count { id: spec.id.clone(), what, expected: spec.num_envs, found })
            }
        }
    }
}

/// A picture, row by row from the top, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}
