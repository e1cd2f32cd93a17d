use super::{ActionSpace, Actions, EnvironmentError, Frame, StateReader};
use crate::run::Stream;

/// A task of your own: two methods and what it looks like from outside.
/// [`NativeEnvironments`](super::NativeEnvironments) makes a [`VectorEnvironment`](super::VectorEnvironment) of several.
///
/// ```
/// use burn_sppo::environment::{ActionSpace, Discrete, NativeEnvironments, SingleEnvironment, TaskSpec, Transition};
/// use burn_sppo::run::Stream;
/// use rand::RngExt;
///
/// /// Say which of two numbers is shown.
/// #[derive(Default)]
/// struct Echo { shown: usize }
///
/// impl SingleEnvironment for Echo {
///     type Action = Discrete;
///
///     fn spec(&self) -> TaskSpec {
///         TaskSpec {
///             id: "Echo".into(),
///             observation_shape: vec![1],
///             action_space: ActionSpace::Discrete { n: 2 },
///             max_episode_steps: None,
///         }
///     }
///
///     fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]) {
///         self.shown = stream.random_range(0..2);
///         observation[0] = self.shown as f32;
///     }
///
///     fn step(&mut self, action: usize, _observation: &mut [f32]) -> Transition {
///         Transition { reward: f64::from(u8::from(action == self.shown)), terminated: true }
///     }
/// }
///
/// let environments = NativeEnvironments::new(8, |_| Echo::default())?;
/// # Ok::<(), burn_sppo::environment::EnvironmentError>(())
/// ```
pub trait SingleEnvironment: Send + 'static {
    /// [`Discrete`], [`Choices`] or [`Continuous`]: decides what `step` is given.
    type Action: ActionKind;

    /// What it looks like from outside; must not change.
    fn spec(&self) -> TaskSpec;

    /// Starts an episode and writes its first observation. All random numbers must come from `stream`; a task whose
    /// steps are random keeps a seed that it drew here.
    fn reset(&mut self, stream: &mut Stream, observation: &mut [f32]);

    /// Carries out an action and writes the observation that follows. `observation` still holds the one before.
    /// The time limit is not its business.
    fn step(&mut self, action: <Self::Action as ActionKind>::Row<'_>, observation: &mut [f32]) -> Transition;

    /// A picture of the present state.
    fn render(&self) -> Option<Frame> {
        None
    }

    /// All that determines what comes next ([`StateWriter`](super::StateWriter) helps); without it, a run in the task
    /// cannot be resumed bit for bit.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Goes back to what `save` wrote.
    ///
    /// # Errors
    /// If it did not write this.
    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), EnvironmentError> {
        Err(state.error("the task does not implement restore"))
    }
}

/// What a task looks like from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSpec {
    pub id: String,
    /// The shape of an observation.
    pub observation_shape: Vec<usize>,
    pub action_space: ActionSpace,
    /// Episodes are cut off after so many steps.
    pub max_episode_steps: Option<usize>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    pub reward: f64,
    /// The episode is over by itself, not by a time limit.
    pub terminated: bool,
}

/// How a task takes its actions.
pub trait ActionKind: sealed::Sealed + 'static {
    type Number: Copy;
    /// The action of one environment.
    type Row<'a>;
    /// As in an error.
    const NAME: &'static str;

    /// The numbers of all environments, if they are of this kind.
    fn numbers(actions: Actions<'_>) -> Option<&[Self::Number]>;

    /// The action in the numbers of one environment, which have been checked against the action space.
    fn row(numbers: &[Self::Number]) -> Self::Row<'_>;

    /// Whether actions of a space come in this kind.
    fn suits(space: &ActionSpace) -> bool;
}

/// The action is the number of a choice, `usize`, of a discrete space.
#[derive(Debug)]
pub enum Discrete {}

/// The action is one number for each dimension, `&[i64]`, of a multi-discrete or multi-binary space.
#[derive(Debug)]
pub enum Choices {}

/// The action is one number for each dimension, `&[f32]`, of a continuous space. It may lie outside the bounds.
#[derive(Debug)]
pub enum Continuous {}

impl ActionKind for Discrete {
    type Number = i64;
    type Row<'a> = usize;
    const NAME: &'static str = "discrete";

    #[inline]
    fn numbers(actions: Actions<'_>) -> Option<&[i64]> {
        Choices::numbers(actions)
    }

    #[inline]
    fn row(numbers: &[i64]) -> usize {
        numbers[0] as usize
    }

    fn suits(space: &ActionSpace) -> bool {
        matches!(space, ActionSpace::Discrete { .. })
    }
}

impl ActionKind for Choices {
    type Number = i64;
    type Row<'a> = &'a [i64];
    const NAME: &'static str = "multi-discrete or multi-binary";

    #[inline]
    fn numbers(actions: Actions<'_>) -> Option<&[i64]> {
        match actions {
            Actions::Discrete(numbers) => Some(numbers),
            Actions::Continuous(_) => None,
        }
    }

    #[inline]
    fn row(numbers: &[i64]) -> &[i64] {
        numbers
    }

    fn suits(space: &ActionSpace) -> bool {
        matches!(space, ActionSpace::MultiDiscrete { .. } | ActionSpace::MultiBinary { .. })
    }
}

impl ActionKind for Continuous {
    type Number = f32;
    type Row<'a> = &'a [f32];
    const NAME: &'static str = "continuous";

    #[inline]
    fn numbers(actions: Actions<'_>) -> Option<&[f32]> {
        match actions {
            Actions::Continuous(numbers) => Some(numbers),
            Actions::Discrete(_) => None,
        }
    }

    #[inline]
    fn row(numbers: &[f32]) -> &[f32] {
        numbers
    }

    fn suits(space: &ActionSpace) -> bool {
        matches!(space, ActionSpace::Continuous { .. })
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Discrete {}
    impl Sealed for super::Choices {}
    impl Sealed for super::Continuous {}
}
