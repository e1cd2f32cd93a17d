use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::loss::clipped_surrogate::{at_least, at_most};
use crate::loss::samples::at_least_f32;
use crate::loss::{LossError, Reduction, error::check_length};

/// The loss of a critic's predictions `v` against the returns `R`.
///
/// `clip(v)` is the prediction held within `range` of what the critic said when the samples were collected:
/// `v_old + clamp(v - v_old, -range, range)`. A negative range switches clipping off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueLoss {
    /// `mean( (v - R)^2 )`.
    Mse,
    /// `mean( (clip(v) - R)^2 )`: only the clipped prediction counts, as in Stable-Baselines3. A prediction outside
    /// the range passes no gradient, wrong as it may be.
    ClippedOnly {
        /// How far a prediction may go from the old one.
        range: f64,
    },
    /// `0.5 mean( max( (v - R)^2, (clip(v) - R)^2 ) )`; without a range `0.5 mean( (v - R)^2 )`.
    Max {
        /// How far a prediction may go from the old one.
        range: Option<f64>,
    },
}

impl ValueLoss {
    /// Computes the loss.
    ///
    /// # Shapes
    /// - value, old_value, returns: `[N]`; gradient flows into `value` only
    /// - output: `[1]`
    ///
    /// # Errors
    /// If the tensors differ in length.
    pub fn forward(
        &self,
        value: Tensor<1>,
        old_value: Tensor<1>,
        returns: Tensor<1>,
        reduction: &Reduction,
    ) -> Result<Tensor<1>, LossError> {
        let [count] = value.dims();
        check_length("old_value", old_value.dims()[0], count)?;
        check_length("returns", returns.dims()[0], count)?;
        check_length("the mask", reduction.mask_length().unwrap_or(count), count)?;
        let value = reduction.keep(at_least_f32(value));
        let old_value = reduction.keep(at_least_f32(old_value.without_autodiff()));
        let returns = reduction.keep(at_least_f32(returns.without_autodiff()));

        let error = (value.clone() - returns.clone()).square();
        let clipped_error = |range: f64| {
            let change = at_least(at_most(value - old_value.clone(), range), -range);
            (old_value + change - returns).square()
        };
        Ok(match *self {
            Self::ClippedOnly { range } if range >= 0.0 => reduction.mean(clipped_error(range)),
            Self::Mse | Self::ClippedOnly { .. } => reduction.mean(error),
            Self::Max { range: Some(range) } if range >= 0.0 => {
                reduction.mean(error.max_pair(clipped_error(range))) * 0.5
            }
            Self::Max { .. } => reduction.mean(error) * 0.5,
        })
    }

    /// The range, where predictions are clipped.
    pub fn range(&self) -> Option<f64> {
        match *self {
            Self::Mse => None,
            Self::ClippedOnly { range } => Some(range),
            Self::Max { range } => range,
        }
        .filter(|range| *range >= 0.0)
    }
}

/// Share of the samples whose prediction went further than `range` from the old one.
///
/// # Shapes
/// - value, old_value: `[N]`
/// - output: `[1]`
pub fn value_clip_fraction(value: Tensor<1>, old_value: Tensor<1>, range: f64, reduction: &Reduction) -> Tensor<1> {
    reduction.mean((value.without_autodiff() - old_value.without_autodiff()).abs().greater_scalar(range).float())
}
