use serde::{Deserialize, Serialize};

/// What happens to advantages after normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageKind {
    /// Nothing.
    #[default]
    Normal,
    /// Only the sign is kept; 0 stays 0.
    One,
    /// Rounded away from zero to a fifth of the largest advantage of the same sign.
    Discretized,
}

impl AdvantageKind {
    pub fn apply(self, advantage: &mut [f32]) {
        match self {
            Self::Normal => {}
            Self::One => advantage.iter_mut().for_each(|x| *x = if *x == 0.0 { 0.0 } else { x.signum() }),
            Self::Discretized => {
                let largest = advantage.iter().copied().fold(0.0, f32::max);
                let smallest = advantage.iter().copied().fold(0.0, f32::min);
                for x in advantage {
                    *x = fifth(*x, if *x > 0.0 { largest } else { smallest });
                }
            }
        }
    }
}

/// Rounds `x` away from zero to a fifth of `extreme`, which has the same sign.
fn fifth(x: f32, extreme: f32) -> f32 {
    const STEPS: f64 = 5.0;
    if x == 0.0 {
        return x;
    }
    let bound = |step: f64| step * f64::from(extreme) / STEPS;
    let mut step = (STEPS * f64::from(x) / f64::from(extreme)).ceil().min(STEPS);
    // An entry exactly on an edge belongs to the bucket that ends there, which the quotient's rounding must not undo.
    if step > 1.0 && f64::from(x).abs() <= f64::from(bound(step - 1.0) as f32).abs() {
        step -= 1.0;
    }
    if step == STEPS { extreme } else { bound(step) as f32 }
}
