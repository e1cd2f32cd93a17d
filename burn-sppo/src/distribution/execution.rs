/// How the actions that a policy draws become those of an environment, on the host.
///
/// Rollouts keep the actions as drawn: log-probabilities are those of the draw, and a clipped one would have another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// The actions are indices, or 0 and 1.
    Index,
    /// Clipped to the bounds.
    Clip,
    /// A hyperbolic tangent, stretched to the bounds.
    Squash,
}

impl Execution {
    /// Writes the actions as indices. `out` keeps its memory from step to step.
    pub fn indices(actions: &[f32], out: &mut Vec<i64>) {
        out.clear();
        out.extend(actions.iter().map(|&action| action as i64));
    }

    /// Writes the actions, `[rows, width]`, within the bounds of each dimension. `out` keeps its memory from step to
    /// step. What is not a number stays so.
    ///
    /// # Panics
    /// If the bounds differ in length, or do not divide the actions into rows.
    pub fn numbers(self, actions: &[f32], low: &[f32], high: &[f32], out: &mut Vec<f32>) {
        assert_eq!(low.len(), high.len(), "a dimension has a lower and an upper bound");
        assert!(!low.is_empty() && actions.len().is_multiple_of(low.len()), "actions come in whole rows");
        let clip = |action: f32, low: f32, high: f32| match action {
            action if action < low => low,
            action if action > high => high,
            action => action,
        };
        out.clear();
        for row in actions.chunks_exact(low.len()) {
            out.extend(row.iter().zip(low.iter().zip(high)).map(|(&action, (&low, &high))| match self {
                Self::Index => action,
                Self::Clip => clip(action, low, high),
                // Rounding may step over a bound.
                Self::Squash => clip(low + 0.5 * (action.tanh() + 1.0) * (high - low), low, high),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_within_the_bounds_of_their_dimension() {
        let (low, high) = ([-1.0, 0.0], [1.0, 4.0]);
        let mut out = vec![9.0; 7];
        Execution::Clip.numbers(&[-3.0, 1.5, 0.25, 7.0], &low, &high, &mut out);
        assert_eq!(out, [-1.0, 1.5, 0.25, 4.0]);
        Execution::Squash.numbers(&[0.0, 0.0, 100.0, -100.0], &low, &high, &mut out);
        assert_eq!(out, [0.0, 2.0, 1.0, 0.0]);
        Execution::Clip.numbers(&[f32::NAN, 1.0], &[f32::NEG_INFINITY; 2], &[f32::INFINITY; 2], &mut out);
        assert!(out[0].is_nan() && out[1] == 1.0);
    }

    #[test]
    fn indices_are_whole_numbers() {
        let mut out = vec![];
        Execution::indices(&[0.0, 3.0, 17.0], &mut out);
        assert_eq!(out, [0, 3, 17]);
    }
}
