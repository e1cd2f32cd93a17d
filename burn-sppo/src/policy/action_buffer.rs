use crate::distribution::Execution;
use crate::environment::{ActionSpace, Actions};

/// Turns the actions that a policy drew into those that an environment takes. Its memory is kept from step to step.
#[derive(Debug, Default)]
pub struct ActionBuffer {
    indices: Vec<i64>,
    numbers: Vec<f32>,
}

impl ActionBuffer {
    /// The environment's view of actions drawn, `[rows, width]` in both. `execution` is what the distribution they were
    /// drawn from [says](crate::distribution::ActionDistribution::execution).
    ///
    /// # Panics
    /// If the bounds of continuous actions do not divide the numbers drawn into rows.
    pub fn fill(&mut self, drawn: &[f32], execution: Execution, space: &ActionSpace) -> Actions<'_> {
        match space {
            ActionSpace::Continuous { low, high } => {
                execution.numbers(drawn, low, high, &mut self.numbers);
                Actions::Continuous(&self.numbers)
            }
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } | ActionSpace::MultiBinary { .. } => {
                Execution::indices(drawn, &mut self.indices);
                Actions::Discrete(&self.indices)
            }
        }
    }
}
