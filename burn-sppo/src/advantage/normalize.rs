use serde::{Deserialize, Serialize};

/// Over which samples advantages are brought to mean 0 and deviation 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Advantages stay as they are.
    None,
    /// The samples of each minibatch that count.
    #[default]
    Minibatch,
    /// The samples of the whole rollout that count.
    Rollout,
    /// All samples of each minibatch, padding included, as in the reference implementation for language models:
    /// padding pulls the mean towards 0.
    AllTokens,
}

/// Brings `advantage` to mean 0 and deviation 1 over the samples that count (all without a mask), with the unbiased
/// deviation: `(A - mean) / (std + 1e-8)`. Fewer than two samples stay as they are.
///
/// # Panics
/// If the mask has another length.
pub fn normalize(advantage: &mut [f32], mask: Option<&[bool]>) {
    if let Some(mask) = mask {
        assert_eq!(mask.len(), advantage.len(), "the mask has one flag a sample");
    }
    let kept = || {
        let numbers = advantage.iter().map(|&x| f64::from(x)).enumerate();
        numbers.filter(|(place, _)| mask.is_none_or(|mask| mask[*place])).map(|(_, x)| x)
    };
    let count = kept().count();
    if count < 2 {
        return;
    }
    let mean = kept().sum::<f64>() / count as f64;
    let variance = kept().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    let scale = variance.sqrt() + 1e-8;
    for x in advantage {
        *x = ((f64::from(*x) - mean) / scale) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_moves_the_result_only_where_it_is_counted() {
        let advantages = [1.0, 2.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0];
        let mask = [true, true, false, false, true, false, false, false];
        let mut masked = advantages;
        normalize(&mut masked, Some(&mask));
        for (place, want) in [(0, -1.0), (1, 0.0), (4, 1.0)] {
            assert!((masked[place] - want).abs() < 1e-6);
        }
        let mut everything = advantages;
        normalize(&mut everything, None);
        for (place, want) in [(0, 0.21), (1, 1.07), (4, 1.93)] {
            assert!((everything[place] - want).abs() < 5e-3, "{everything:?}");
        }
    }

    #[test]
    fn one_sample_has_no_deviation_and_stays() {
        let mut one = [3.0, 5.0];
        normalize(&mut one, Some(&[false, true]));
        assert_eq!(one, [3.0, 5.0]);
    }
}
