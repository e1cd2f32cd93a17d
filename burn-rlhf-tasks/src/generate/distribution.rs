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
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if !highest.is_finite() {
            return None;
        }
        let (mut sum, mut weighted) = (0.0f64, 0.0f64);
        for &logit in logits {
            let below = logit - highest;
            let weight = below.exp();
            sum += f64::from(weight);
            weighted += f64::from(if weight > 0.0 { weight * below } else { weight });
        }
        let log_sum = sum.ln() as f32;
        (!sum.is_nan()).then(|| Self { highest, log_sum, entropy: (sum.ln() - weighted / sum) as f32 })
    }

    pub fn log_prob(&self, logit: f32) -> f32 {
        logit - self.highest - self.log_sum
    }
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
