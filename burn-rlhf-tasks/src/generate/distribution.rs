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
