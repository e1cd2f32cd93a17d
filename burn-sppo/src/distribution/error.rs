/// Why a distribution cannot be made or asked for something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DistributionError {
    /// The probability of the actions not taken does not exist for this kind of action.
    #[error(
        "{distribution} actions have no probability of the actions not taken, which the symmetric algorithms need: \
         use a2c or ppo, or discretise the actions"
    )]
    NoOtherProbability {
        /// Name of the distribution.
        distribution: &'static str,
    },

    /// There is no list of all actions, or it would be too long.
    #[error("{distribution} actions cannot be listed one by one: choose the reverse form rce or mae")]
    NotEnumerable {
        /// Name of the distribution.
        distribution: &'static str,
    },

    /// The dimensions of a multi-categorical action do not add up to the width of the logits.
    #[error("the logits have {width} columns, but dimensions of {sizes:?} choices need {}", sizes.iter().sum::<usize>())]
    Sizes {
        /// Number of choices in each dimension.
        sizes: Vec<usize>,
        /// Number of columns.
        width: usize,
    },

    /// Each row samples from a stream of its own.
    #[error("{found} random streams for {rows} rows: give each row its own")]
    Streams {
        /// Number of rows.
        rows: usize,
        /// Number of streams.
        found: usize,
    },

    /// A tensor of the distribution's parameters has the wrong shape.
    #[error("{name} has the shape {found:?} where {expected:?} was expected")]
    Shape {
        /// Name of the tensor.
        name: &'static str,
        /// Its shape, had it been right.
        expected: [usize; 2],
        /// Its shape.
        found: [usize; 2],
    },

    /// Exploration noise was drawn for another number of rows.
    #[error("the exploration noise is that of {found} rows, but there are {rows}: draw it anew")]
    Exploration {
        /// Number of rows.
        rows: usize,
        /// Number of rows that it was drawn for.
        found: usize,
    },
}
