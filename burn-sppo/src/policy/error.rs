/// Why a policy cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// A layer without a single unit.
    #[error("the policy's {name} is 0 wide: give every layer at least one unit")]
    Width {
        /// Name of the layer.
        name: &'static str,
    },

    /// The environment offers nothing to choose from.
    #[error("the action space {space} leaves nothing to choose: every dimension needs at least one action")]
    NoActions {
        /// The space.
        space: String,
    },

    /// A convolutional policy for observations that are no images.
    #[error(
        "the policy cnn needs images of the shape [channels, height, width], but observations have the shape {shape:?}: \
         choose the policy mlp"
    )]
    NotAnImage {
        /// Shape of an observation.
        shape: Vec<usize>,
    },

    /// The strides of the convolutions leave nothing of the image.
    #[error("the policy cnn needs images of at least 36 x 36 pixels, but these have {height} x {width}")]
    ImageTooSmall {
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
    },

    /// A setting for numbers as actions, where actions are choices.
    #[error("{setting} is for actions that are numbers, but the action space is {space}: switch it off")]
    NeedsContinuousActions {
        /// The setting.
        setting: &'static str,
        /// The space.
        space: String,
    },

    /// Two settings that exclude each other.
    #[error("use_sde and squash cannot be combined: switch one of them off")]
    SquashedStateDependentNoise,

    /// Actions are to be squeezed into bounds that are none.
    #[error(
        "squash stretches actions to the bounds of the environment, but dimension {dimension} is bounded by {low} and \
         {high}: switch it off"
    )]
    Unbounded {
        /// Dimension of the action.
        dimension: usize,
        /// Its lower bound.
        low: f32,
        /// Its upper bound.
        high: f32,
    },

    /// The bounds of the actions have different lengths.
    #[error("the action space has {low} lower and {high} upper bounds: give one of each for each dimension")]
    Bounds {
        /// Number of lower bounds.
        low: usize,
        /// Number of upper bounds.
        high: usize,
    },

    /// A setting that is not a usable number.
    #[error("{name} is {value}: it must be a number")]
    NotFinite {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
    },
}
