use thiserror::Error;

/// How well a model predicts a text: the exponential of the mean negative log-likelihood of a token.
///
/// Counts add up over batches and texts, so that long data need not be held at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Perplexity {
    /// Sum over the tokens, in nats.
    pub negative_log_likelihood: f64,
    pub tokens: usize,
}

impl Perplexity {
    /// Adds the log-probabilities of some tokens, for example of the responses of a batch under a frozen model.
    pub fn add(&mut self, log_probs: impl IntoIterator<Item = f64>) {
        for log_prob in log_probs {
            self.negative_log_likelihood -= log_prob;
            self.tokens += 1;
        }
    }

    /// The perplexity. Not a number where there are no tokens.
    pub fn value(&self) -> f64 {
        (self.negative_log_likelihood / self.tokens as f64).exp()
    }
}

/// What a caller can get wrong about windows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PerplexityError {
    #[error("a perplexity stride of {stride} is not between 1 and the model's window of {window} tokens")]
    Stride { stride: usize, window: usize },
    #[error("tokens {begin}..{end} need {expected} log-probabilities, one for each after the first, not {found}")]
    LogProbs { begin: usize, end: usize, expected: usize, found: usize },
}

/// A stretch of a text that a model sees at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First token.
    pub begin: usize,
    /// One after the last token.
    pub end: usize,
    /// How many of its last tokens are scored; the others are context.
    pub targets: usize,
}

/// Perplexity of a text that is longer than a model's window, which moves on by `stride` tokens.
///
/// The first token of a window has nothing before it and cannot be predicted. Where it is a target, the mean over the
/// others stands for it, as in the fixed-length perplexity that the `transformers` documentation describes and the
/// reference implementation uses. A window that is one single token adds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StridedPerplexity {
    stride: usize,
    window: usize,
}

impl StridedPerplexity {
    /// Windows of at most `window` tokens, `stride` tokens apart.
    ///
    /// # Errors
    /// If `stride` is 0 or larger than `window`: tokens would be left out.
    pub fn new(stride: usize, window: usize) -> Result<Self, PerplexityError> {
        if stride == 0 || stride > window {
            return Err(PerplexityError::Stride { stride, window });
        }
        Ok(Self { stride, window })
    }

    /// The windows of a text of `tokens` tokens. Each token is the target of exactly one.
    pub fn windows(&self, tokens: usize) -> impl Iterator<Item = Window> + use<> {
        let Self { stride, window } = *self;
        (0..tokens).step_by(stride).map(move |first| {
            let end = (first + stride).min(tokens);
            Window { begin: (first + stride).saturating_sub(window), end, targets: end - first }
        })
    }

    /// The perplexity of a text of `tokens` tokens. `log_probs` gives the log-probability of every token of a window
    /// but the first, given those before it in the window.
    ///
    /// # Errors
    /// If `log_probs` fails or gives another number of values.
    pub fn evaluate<E: From<PerplexityError>>(
        &self,
        tokens: usize,
        mut log_probs: impl FnMut(Window) -> Result<Vec<f64>, E>,
    ) -> Result<Perplexity, E> {
        let mut sum = 0.0;
        for window in self.windows(tokens) {
            let Window { begin, end, targets } = window;
            let log_probs = log_probs(window)?;
            let (expected, found) = (end - begin - 1, log_probs.len());
            if found != expected {
                return Err(PerplexityError::LogProbs { begin, end, expected, found }.into());
            }
            let scored = &log_probs[expected - targets.min(expected)..];
            if !scored.is_empty() {
                sum -= scored.iter().sum::<f64>() / scored.len() as f64 * targets as f64;
            }
        }
        Ok(Perplexity { negative_log_likelihood: sum, tokens })
    }
}

#[cfg(test)]
mod tests {
    use golden::{integers, numbers};

    use super::*;

    #[test]
    fn golden_perplexity_windows() {
        let fixture = golden::load("metrics_text.json");
        let mut cases = 0;
        for case in fixture.cases_of("kind", "perplexity_windows") {
            let [tokens, stride, window] =
                ["n_tokens", "stride", "max_length"].map(|key| integers(case.input(key))[0] as usize);
            let strided = StridedPerplexity::new(stride, window).unwrap();
            let windows = strided.windows(tokens).flat_map(|w| [w.begin, w.end, w.targets].map(|x| x as f64));
            case.check("windows", &windows.collect::<Vec<_>>());
            let mut log_probs = case.input("window_log_probs").as_array().unwrap().iter().map(numbers);
            let result = strided.evaluate(tokens, |_| Ok::<_, PerplexityError>(log_probs.next().unwrap())).unwrap();
            case.check("nll_sum", &[result.negative_log_likelihood]);
            case.check("perplexity", &[result.value()]);
            cases += 1;
        }
        assert!(cases > 0);
    }

    #[test]
    fn every_token_is_the_target_of_one_window() {
        for (tokens, stride, window) in (0..40).flat_map(|n| (1..9).flat_map(move |s| (s..12).map(move |w| (n, s, w))))
        {
            let mut next = 0;
            for Window { begin, end, targets } in StridedPerplexity::new(stride, window).unwrap().windows(tokens) {
                assert_eq!(end - targets, next);
                assert!(begin + targets <= end && end - begin <= window && end <= tokens);
                next = end;
            }
            assert_eq!(next, tokens);
        }
    }

    #[test]
    fn the_perplexity_of_a_uniform_guess_is_the_number_of_choices() {
        let guess = -(7.0f64.ln());
        let mut perplexity = Perplexity::default();
        assert!(perplexity.value().is_nan());
        perplexity.add([guess; 3]);
        perplexity.add([guess; 10]);
        assert_eq!(perplexity.tokens, 13);
        assert!((perplexity.value() - 7.0).abs() < 1e-12);
        let strided = StridedPerplexity::new(4, 8).unwrap();
        let result = strided.evaluate(23, |w| Ok::<_, PerplexityError>(vec![guess; w.end - w.begin - 1])).unwrap();
        assert!((result.value() - 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_window_of_one_token_adds_nothing() {
        let strided = StridedPerplexity::new(4, 4).unwrap();
        let result = strided.evaluate(5, |w| Ok::<_, PerplexityError>(vec![-1.0; w.end - w.begin - 1])).unwrap();
        assert_eq!(result, Perplexity { negative_log_likelihood: 4.0, tokens: 5 });
    }

    #[test]
    fn wrong_strides_and_counts_are_errors() {
        assert_eq!(StridedPerplexity::new(0, 8), Err(PerplexityError::Stride { stride: 0, window: 8 }));
        assert_eq!(StridedPerplexity::new(9, 8), Err(PerplexityError::Stride { stride: 9, window: 8 }));
        let strided = StridedPerplexity::new(8, 8).unwrap();
        let error = strided.evaluate(20, |_| Ok::<_, PerplexityError>(vec![0.0; 7])).unwrap_err();
        assert_eq!(error, PerplexityError::LogProbs { begin: 16, end: 20, expected: 3, found: 7 });
    }
}
