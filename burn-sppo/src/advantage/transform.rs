use serde::{Deserialize, Serialize};

/// How many steps of equal size a discretized advantage has on each side of 0.
const STEPS: usize = 5;

/// What becomes of an advantage after normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageKind {
    /// It stays.
    #[default]
    Normal,
    /// Only its sign stays.
    One,
    /// It is rounded away from zero to a fifth of the extreme of its sign.
    #[serde(alias = "dadv")]
    Discretized,
}

impl AdvantageKind {
    /// Changes `advantages` in place. The extremes of [`Discretized`](Self::Discretized) are those of the slice.
    pub fn apply(self, advantages: &mut [f32]) {
        match self {
            Self::Normal => {}
            Self::One => advantages.iter_mut().for_each(|a| *a = sign(*a)),
            Self::Discretized => discretize(advantages),
        }
    }
}

/// -1, 0 or 1; NaN stays NaN.
pub(crate) fn sign(x: f32) -> f32 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

fn discretize(advantages: &mut [f32]) {
    // Rounded to f32 like the advantages, so that one that lies on an edge stays.
    let edges = |extreme: f32| -> [f32; STEPS] {
        std::array::from_fn(|i| ((i + 1) as f64 * f64::from(extreme) / STEPS as f64) as f32)
    };
    let positive = edges(advantages.iter().copied().fold(0.0, f32::max));
    let negative = edges(advantages.iter().copied().fold(0.0, f32::min));
    for advantage in advantages.iter_mut() {
        let a = *advantage;
        let edge = match a {
            a if a > 0.0 => positive.iter().find(|edge| a <= **edge),
            a if a < 0.0 => negative.iter().find(|edge| a >= **edge),
            _ => None,
        };
        *advantage = edge.copied().unwrap_or(a);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discretized(advantages: &[f32]) -> Vec<f32> {
        let mut advantages = advantages.to_vec();
        AdvantageKind::Discretized.apply(&mut advantages);
        advantages
    }

    #[test]
    fn worked_example() {
        let got = discretized(&[-1.0, -0.55, -0.1, 0.0, 0.05, 0.41, 0.6, 1.0]);
        assert_eq!(got, [-1.0, -0.6, -0.2, 0.0, 0.2, 0.6, 0.6, 1.0]);
    }

    #[test]
    fn the_extreme_stays_what_it_is() {
        for extreme in [0.1f32, 0.3, 0.7, 1e-30, 3e38] {
            assert_eq!(discretized(&[extreme, -extreme]), [extreme, -extreme]);
        }
    }

    #[test]
    fn signs_keep_zero() {
        let mut advantages = [-2.5, 0.0, -0.0, 0.1];
        AdvantageKind::One.apply(&mut advantages);
        assert_eq!(advantages, [-1.0, 0.0, 0.0, 1.0]);
    }
}
