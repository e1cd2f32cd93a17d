use super::{Actions, EnvironmentError};

/// What actions an environment takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionSpace {
    /// One of `n` choices, `0..n`.
    Discrete { n: usize },
    /// In each dimension one of its number of choices.
    MultiDiscrete { sizes: Vec<usize> },
    /// `n` times 0 or 1.
    MultiBinary { n: usize },
    /// In each dimension a number between two bounds, which may be infinite.
    Continuous { low: Vec<f32>, high: Vec<f32> },
}

impl ActionSpace {
    /// How many numbers an action has.
    pub fn width(&self) -> usize {
        match self {
            Self::Discrete { .. } => 1,
            Self::MultiDiscrete { sizes } => sizes.len(),
            Self::MultiBinary { n } => *n,
            Self::Continuous { low, .. } => low.len(),
        }
    }

    /// The number of choices in a dimension; `None` if it is continuous.
    pub fn choices(&self, dimension: usize) -> Option<usize> {
        match self {
            Self::Discrete { n } => Some(*n),
            Self::MultiDiscrete { sizes } => sizes.get(dimension).copied(),
            Self::MultiBinary { .. } => Some(2),
            Self::Continuous { .. } => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Discrete { .. } => "discrete",
            Self::MultiDiscrete { .. } => "multi-discrete",
            Self::MultiBinary { .. } => "multi-binary",
            Self::Continuous { .. } => "continuous",
        }
    }

    fn check(&self, id: &str) -> Result<(), EnvironmentError> {
        let zero = |what| Err(EnvironmentError::ZeroSize { id: id.to_string(), what });
        if self.width() == 0 {
            return zero("action");
        }
        let bounds = |dimension, reason| Err(EnvironmentError::Bounds { id: id.to_string(), dimension, reason });
        match self {
            Self::Continuous { low, high } if low.len() != high.len() => {
                bounds(low.len().min(high.len()), format!("{} low and {} high bounds", low.len(), high.len()))
            }
            Self::Continuous { low, high } => {
                match low.iter().zip(high).position(|(low, high)| low.partial_cmp(high).is_none_or(|o| o.is_gt())) {
                    Some(i) => bounds(i, format!("the bounds {} to {}", low[i], high[i])),
                    None => Ok(()),
                }
            }
            _ if (0..self.width()).any(|dimension| self.choices(dimension) == Some(0)) => {
                zero("action's list of choices")
            }
            _ => Ok(()),
        }
    }
}

/// How observations are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObservationKind {
    U8,
    F32,
    F64,
}

/// What environments look like from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentSpec {
    /// The name of the task.
    pub id: String,
    /// How many environments step together.
    pub num_envs: usize,
    /// The shape of one observation.
    pub observation_shape: Vec<usize>,
    pub observation_kind: ObservationKind,
    pub action_space: ActionSpace,
}

impl EnvironmentSpec {
    /// How many numbers an observation has.
    pub fn features(&self) -> usize {
        self.observation_shape.iter().product()
    }

    /// Checks that there is something to observe and something to do.
    ///
    /// # Errors
    /// If there are no environments, the observation or the action has no entries, a dimension has no choices, or a
    /// bound is not a number or above the other.
    pub fn validate(&self) -> Result<(), EnvironmentError> {
        let zero = |what| Err(EnvironmentError::ZeroSize { id: self.id.clone(), what });
        if self.num_envs == 0 {
            return zero("number of environments");
        }
        if self.features() == 0 {
            return zero("observation");
        }
        self.action_space.check(&self.id)
    }

    /// Checks that actions can be carried out: their kind, their number and their values.
    ///
    /// Continuous ones may lie outside the bounds, but must be finite.
    ///
    /// # Errors
    /// One variant for each way in which they cannot.
    #[inline]
    pub fn check_actions(&self, actions: Actions<'_>) -> Result<(), EnvironmentError> {
        let width = self.action_space.width();
        let found = actions.len();
        if found != self.num_envs * width {
            let (id, num_envs) = (self.id.clone(), self.num_envs);
            return Err(EnvironmentError::ActionCount { id, num_envs, width, expected: num_envs * width, found });
        }
        let place = |entry: usize| (self.id.clone(), entry / width, entry % width);
        match (actions, &self.action_space) {
            (Actions::Continuous(actions), ActionSpace::Continuous { .. }) => {
                match actions.iter().position(|action| !action.is_finite()) {
                    Some(entry) => {
                        let (id, env, dimension) = place(entry);
                        Err(EnvironmentError::ActionNotFinite { id, env, dimension, action: actions[entry] })
                    }
                    None => Ok(()),
                }
            }
            (Actions::Discrete(_), ActionSpace::Continuous { .. }) | (Actions::Continuous(_), _) => {
                let (id, expected) = (self.id.clone(), self.action_space.clone());
                Err(EnvironmentError::ActionKind { id, expected, found: actions.name() })
            }
            (Actions::Discrete(actions), space) => {
                let outside = |(dimension, action): &(usize, &i64)| {
                    space.choices(*dimension).is_none_or(|choices| !(0..choices as i64).contains(action))
                };
                let mut rows = actions.chunks_exact(width).enumerate();
                match rows.find_map(|(env, row)| Some((env, row.iter().enumerate().find(outside)?))) {
                    Some((env, (dimension, action))) => {
                        let choices = space.choices(dimension).unwrap_or(0);
                        Err(EnvironmentError::ActionRange {
                            id: self.id.clone(),
                            env,
                            dimension,
                            action: *action,
                            choices,
                        })
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(action_space: ActionSpace) -> EnvironmentSpec {
        EnvironmentSpec {
            id: "Task".into(),
            num_envs: 2,
            observation_shape: vec![3],
            observation_kind: ObservationKind::F32,
            action_space,
        }
    }

    #[test]
    fn spaces_of_size_0_and_wrong_bounds_are_refused() {
        let empty = EnvironmentSpec { num_envs: 0, ..spec(ActionSpace::Discrete { n: 2 }) };
        assert!(matches!(empty.validate(), Err(EnvironmentError::ZeroSize { what: "number of environments", .. })));
        let blind = EnvironmentSpec { observation_shape: vec![4, 0], ..spec(ActionSpace::Discrete { n: 2 }) };
        assert!(matches!(blind.validate(), Err(EnvironmentError::ZeroSize { what: "observation", .. })));
        for space in [
            ActionSpace::Discrete { n: 0 },
            ActionSpace::MultiDiscrete { sizes: vec![] },
            ActionSpace::MultiDiscrete { sizes: vec![3, 0] },
            ActionSpace::MultiBinary { n: 0 },
            ActionSpace::Continuous { low: vec![], high: vec![] },
        ] {
            assert!(matches!(spec(space.clone()).validate(), Err(EnvironmentError::ZeroSize { .. })), "{space:?}");
        }
        for (low, high) in [(vec![1.0], vec![0.0]), (vec![f32::NAN], vec![1.0]), (vec![0.0, 0.0], vec![1.0])] {
            let space = ActionSpace::Continuous { low, high };
            assert!(matches!(spec(space.clone()).validate(), Err(EnvironmentError::Bounds { .. })), "{space:?}");
        }
        let unbounded = ActionSpace::Continuous { low: vec![f32::NEG_INFINITY], high: vec![f32::INFINITY] };
        assert!(spec(unbounded).validate().is_ok());
    }

    #[test]
    fn actions_that_cannot_be_carried_out_are_refused_each_with_its_own_error() {
        let discrete = spec(ActionSpace::Discrete { n: 3 });
        assert!(discrete.check_actions(Actions::Discrete(&[0, 2])).is_ok());
        assert!(matches!(
            discrete.check_actions(Actions::Discrete(&[0])),
            Err(EnvironmentError::ActionCount { expected: 2, found: 1, .. })
        ));
        for wrong in [3, -1, i64::MAX] {
            assert!(matches!(
                discrete.check_actions(Actions::Discrete(&[0, wrong])),
                Err(EnvironmentError::ActionRange { env: 1, dimension: 0, action, choices: 3, .. }) if action == wrong
            ));
        }
        assert!(matches!(
            discrete.check_actions(Actions::Continuous(&[0.0, 1.0])),
            Err(EnvironmentError::ActionKind { found: "continuous", .. })
        ));
        let several = spec(ActionSpace::MultiDiscrete { sizes: vec![2, 5] });
        assert!(several.check_actions(Actions::Discrete(&[1, 4, 0, 3])).is_ok());
        assert!(matches!(
            several.check_actions(Actions::Discrete(&[1, 4, 4, 1])),
            Err(EnvironmentError::ActionRange { env: 1, dimension: 0, action: 4, choices: 2, .. })
        ));
        let binary = spec(ActionSpace::MultiBinary { n: 1 });
        assert!(matches!(
            binary.check_actions(Actions::Discrete(&[1, 2])),
            Err(EnvironmentError::ActionRange { env: 1, .. })
        ));
        let continuous = spec(ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] });
        assert!(continuous.check_actions(Actions::Continuous(&[9.0, 0.0, 0.0, 0.0])).is_ok());
        assert!(matches!(
            continuous.check_actions(Actions::Continuous(&[0.0, 0.0, f32::NAN, 0.0])),
            Err(EnvironmentError::ActionNotFinite { env: 1, dimension: 0, .. })
        ));
        assert!(matches!(
            continuous.check_actions(Actions::Discrete(&[0; 4])),
            Err(EnvironmentError::ActionKind { found: "discrete", .. })
        ));
    }
}
