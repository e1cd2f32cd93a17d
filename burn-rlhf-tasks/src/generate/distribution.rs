use crate::model::kernel::exponential_sums;

/// What is known of a softmax over all tokens before one is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Softmax {
    highest: f32,
    log_sum: f32,
    /// In nats.
    pub entropy: f32,
}

impl Softmax {
    /// `None` if a score is not a number or plus infinity, or if all are minus infinity.
    pub fn of(logits: &[f32]) -> Option<Self> {
        let highest = highest(logits);
        if !highest.is_finite() {
            return None;
        }
        let [sum, weighted] = exponential_sums(logits, highest);
        let log_sum = sum.ln();
        (!sum.is_nan()).then(|| Self { highest, log_sum: log_sum as f32, entropy: (log_sum - weighted / sum) as f32 })
    }

    pub fn log_prob(&self, logit: f32) -> f32 {
        logit - self.highest - self.log_sum
    }
}

/// The highest score; minus infinity if there is none.
pub(super) fn highest(scores: &[f32]) -> f32 {
    // Lanes that do not wait for each other.
    let mut lanes = [f32::NEG_INFINITY; 8];
    for part in scores.chunks(8) {
        for (lane, &score) in lanes.iter_mut().zip(part) {
            *lane = if score > *lane { score } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_and_entropy_equal_the_definitions() {
        let logits: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 / 7.0 - 3.0).collect();
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
        let entropy: f64 = logits
            .iter()
            .map(|&logit| {
                let log_prob = f64::from(logit) - sum.ln();
                -log_prob.exp() * log_prob
            })
            .sum();
        let softmax = Softmax::of(&logits).unwrap();
        assert!((f64::from(softmax.entropy) - entropy).abs() < 1e-5);
        assert!((f64::from(softmax.log_prob(logits[7])) - (f64::from(logits[7]) - sum.ln())).abs() < 1e-5);
    }

    #[test]
    fn impossible_tokens_add_nothing() {
        let softmax = Softmax::of(&[0.0, f32::NEG_INFINITY, 0.0, -1e30]).unwrap();
        assert!((softmax.entropy - std::f32::consts::LN_2).abs() < 1e-6);
        assert!((softmax.log_prob(0.0) + std::f32::consts::LN_2).abs() < 1e-6);
    }

    #[test]
    fn scores_that_are_not_finite_are_refused() {
        for logits in [[0.0, f32::NAN], [f32::NAN, 0.0], [f32::INFINITY, 0.0], [f32::NEG_INFINITY; 2]] {
            assert!(Softmax::of(&logits).is_none(), "{logits:?}");
        }
    }
}
