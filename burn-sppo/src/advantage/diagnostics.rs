/// How many advantages changed sign through noise and normalisation.
///
/// Signs have three values: an exact 0 that becomes something else has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignChanges {
    changed: usize,
    total: usize,
    max_abs: f64,
}

impl SignChanges {
    /// Counts one minibatch: its advantages as estimated and as the loss gets them.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn record(&mut self, before: &[f32], after: &[f32], mask: Option<&[bool]>) {
        assert_eq!(before.len(), after.len(), "the same samples are compared");
        for (place, (&before, &after)) in before.iter().zip(after).enumerate() {
            if mask.is_some_and(|mask| !mask[place]) {
                continue;
            }
            self.total += 1;
            self.changed += usize::from(sign(before) != sign(after));
            self.max_abs = self.max_abs.max(f64::from(after.abs()));
        }
    }

    pub fn changed(&self) -> usize {
        self.changed
    }

    pub fn total(&self) -> usize {
        self.total
    }

    /// Share of changed signs in percent; 0 if nothing was recorded.
    pub fn percent(&self) -> f64 {
        100.0 * self.changed as f64 / self.total.max(1) as f64
    }

    /// Largest absolute advantage.
    pub fn max_abs(&self) -> f64 {
        self.max_abs
    }
}

fn sign(x: f32) -> i8 {
    i8::from(x > 0.0) - i8::from(x < 0.0)
}

/// Share of the variance of `returns` that `predictions` explain: `1 - Var(R - V) / Var(R)` over the samples that
/// count. NaN if the returns do not vary.
///
/// # Panics
/// If the lengths differ.
pub fn explained_variance(predictions: &[f32], returns: &[f32], mask: Option<&[bool]>) -> f64 {
    assert_eq!(predictions.len(), returns.len(), "there is one return a prediction");
    let places: Vec<usize> = (0..returns.len()).filter(|&place| mask.is_none_or(|mask| mask[place])).collect();
    let variance = |number: &dyn Fn(usize) -> f64| {
        let count = places.len() as f64;
        let mean = places.iter().map(|&place| number(place)).sum::<f64>() / count;
        places.iter().map(|&place| (number(place) - mean).powi(2)).sum::<f64>() / count
    };
    let total = variance(&|place| f64::from(returns[place]));
    let error = variance(&|place| f64::from(returns[place]) - f64::from(predictions[place]));
    if total == 0.0 { f64::NAN } else { 1.0 - error / total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advantage::{AdvantageKind, flip_where, normalize};
    use golden::numbers_f32;

    #[test]
    fn golden_advantages_are_flipped_normalised_counted_and_transformed() {
        for case in golden::load("advantages.json").cases() {
            let kind = match case.input("advantage_type").as_str().unwrap() {
                "normal" => AdvantageKind::Normal,
                "one" => AdvantageKind::One,
                "dadv" => AdvantageKind::Discretized,
                other => panic!("unknown advantage type {other}"),
            };
            let mut changes = SignChanges::default();
            let (mut normalised, mut transformed) = (Vec::new(), Vec::new());
            for (index, minibatch) in case.input("minibatches").as_array().unwrap().iter().enumerate() {
                let before = numbers_f32(minibatch);
                let mut advantages = before.clone();
                if let Some(masks) = case.input("flip_masks").as_array() {
                    flip_where(&mut advantages, &golden::flags(&masks[index]));
                }
                if case.input("normalize") == true {
                    normalize(&mut advantages, None);
                }
                changes.record(&before, &advantages, None);
                normalised.extend_from_slice(&advantages);
                kind.apply(&mut advantages);
                transformed.extend(advantages);
            }
            case.check_f32("after_normalisation", &normalised);
            case.check_f32("advantages", &transformed);
            case.check("changed", &[changes.changed() as f64]);
            case.check("total", &[changes.total() as f64]);
            case.check("sign_change_percent", &[changes.percent()]);
            case.check("max_abs", &[changes.max_abs()]);
        }
    }

    #[test]
    fn golden_explained_variance() {
        for case in golden::load("misc_rl.json").cases_of("kind", "explained_variance") {
            let returns = numbers_f32(case.input("returns"));
            let predictions = numbers_f32(case.input("predictions"));
            case.check("value", &[explained_variance(&predictions, &returns, None)]);
        }
    }
}
