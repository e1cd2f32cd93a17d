use std::cmp::Ordering;

use burn_sppo::run::Stream;
use rand::RngExt;

use super::{SamplingConfig, distribution::highest};

/// A token that may follow, and how far its score is below the highest one, divided by the temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub token: u32,
    pub score: f32,
}

/// The tokens among which one is drawn. Keeps its memory from step to step.
#[derive(Default)]
pub(super) struct Candidates {
    kept: Vec<Candidate>,
    maxima: Vec<f32>,
    scratch: Vec<f32>,
}

impl Candidates {
    /// Temperature, then `top_k`, then `top_p`. Scores of minus infinity are never kept.
    pub fn filter(&mut self, scores: &[f32], sampling: &SamplingConfig) {
        match sampling.top_k {
            0 => self.all(scores),
            k => self.top_k(scores, k),
        }
        // Differences to the highest score do not overflow where the temperature is small.
        let highest = self.kept.iter().map(|candidate| candidate.score).fold(f32::MIN, f32::max);
        let divide = |score: f32| (f64::from(score - highest) / sampling.temperature) as f32;
        self.kept.iter_mut().for_each(|candidate| candidate.score = divide(candidate.score));
        if sampling.top_p < 1.0 {
            self.top_p(sampling.top_p);
        }
    }

    /// One of the tokens, with the probabilities of a softmax; `None` if there is no token.
    pub fn draw(&mut self, stream: &mut Stream) -> Option<u32> {
        let total = self.weigh();
        let mut left = stream.random::<f64>() * total;
        let mut weighted = self.kept.iter().zip(&self.scratch).filter(|&(_, &weight)| weight > 0.0);
        let chosen = weighted.clone().find(|&(_, &weight)| {
            left -= f64::from(weight);
            left < 0.0
        });
        // Rounding can leave a rest behind the last token.
        chosen.or(weighted.next_back()).map(|(candidate, _)| candidate.token)
    }

    fn all(&mut self, scores: &[f32]) {
        self.kept.clear();
        keep(&mut self.kept, f32::MIN, 0, scores);
    }

    /// Keeps the scores that are not below the `k`-th.
    ///
    /// At least `k` scores reach the `k`-th of the highest scores of each chunk, so only chunks that do are looked at.
    fn top_k(&mut self, scores: &[f32], k: usize) {
        const CHUNK: usize = 32;
        self.kept.clear();
        self.maxima.clear();
        self.maxima.extend(scores.chunks(CHUNK).map(highest));
        self.scratch.clone_from(&self.maxima);
        let bar = if self.scratch.len() > k { nth_highest(&mut self.scratch, k) } else { f32::MIN };
        // Minus infinity stays below the bar, whatever the chunks hold.
        let bar = bar.max(f32::MIN);
        for ((chunk, first), &highest) in scores.chunks(CHUNK).zip((0..).step_by(CHUNK)).zip(&self.maxima) {
            if highest >= bar {
                keep(&mut self.kept, bar, first, chunk);
            }
        }
        if self.kept.len() > k {
            self.scratch.clear();
            self.scratch.extend(self.kept.iter().map(|candidate| candidate.score));
            let bar = nth_highest(&mut self.scratch, k);
            self.kept.retain(|candidate| candidate.score >= bar);
        }
    }

    /// Keeps the likeliest tokens up to the one with which their probability reaches `p`, at least one.
    fn top_p(&mut self, p: f64) {
        let bar = p * self.weigh();
        let mut sum = 0.0;
        let mut sorted = 0;
        let mut next = 64;
        // Most often a few tokens suffice, so the others are never sorted.
        while sorted < self.kept.len() {
            let rest = &mut self.kept[sorted..];
            let size = next.min(rest.len());
            if size < rest.len() {
                rest.select_nth_unstable_by(size, descending);
            }
            rest[..size].sort_unstable_by(descending);
            for candidate in &rest[..size] {
                sorted += 1;
                sum += f64::from(candidate.score.exp());
                if sum >= bar {
                    self.kept.truncate(sorted);
                    return;
                }
            }
            next *= 4;
        }
    }

    /// Fills the scratch with weights proportional to the probabilities and returns their sum.
    fn weigh(&mut self) -> f64 {
        self.scratch.clear();
        self.scratch.extend(self.kept.iter().map(|candidate| candidate.score.exp()));
        self.scratch.iter().map(|&weight| f64::from(weight)).sum()
    }
}

/// Adds the scores that are not below `bar`; `first` is the token of the first one.
fn keep(kept: &mut Vec<Candidate>, bar: f32, first: u32, scores: &[f32]) {
    let above = (first..).zip(scores).filter(|&(_, &score)| score >= bar);
    kept.extend(above.map(|(token, &score)| Candidate { token, score }));
}

/// The `n`-th of the scores, counted from 1 at the highest; reorders them.
fn nth_highest(scores: &mut [f32], n: usize) -> f32 {
    *scores.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a)).1
}

/// Higher scores first, then lower tokens.
fn descending(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(a.token.cmp(&b.token))
}

#[cfg(test)]
mod tests {
    use burn_sppo::run::{Purpose, Streams};
    use golden::Case;

    use super::*;
    use crate::generate::processor::{LogitsProcessor, MinLength};

    fn sampling(temperature: f64, top_k: usize, top_p: f64) -> SamplingConfig {
        SamplingConfig { temperature, top_k, top_p, ..SamplingConfig::default() }
    }

    /// Kept tokens in ascending order.
    fn kept(scores: &[f32], sampling: &SamplingConfig) -> Vec<Candidate> {
        let mut candidates = Candidates::default();
        candidates.filter(scores, sampling);
        candidates.kept.sort_by_key(|candidate| candidate.token);
        candidates.kept
    }

    fn tokens(scores: &[f32], sampling: &SamplingConfig) -> Vec<u32> {
        kept(scores, sampling).iter().map(|candidate| candidate.token).collect()
    }

    fn check(case: &Case) {
        let number = |key: &str| golden::numbers(case.input(key))[0];
        let mut scores = golden::numbers_f32(case.input("logits"));
        if case.input("eos_id").is_number() {
            let rule = MinLength { min_length: number("min_length") as usize, eos: number("eos_id") as u32 };
            assert_eq!(rule.process(0, &vec![0; number("generated") as usize], &mut scores), None);
        }
        let kept = kept(&scores, &sampling(number("temperature"), number("top_k") as usize, number("top_p")));
        // The filters keep the distance to the highest score, and none of them drops that.
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max) / number("temperature") as f32;
        let sum: f32 = kept.iter().map(|candidate| candidate.score.exp()).sum();
        let mut processed = vec![f32::NEG_INFINITY; scores.len()];
        let mut probabilities = vec![0.0; scores.len()];
        for candidate in &kept {
            processed[candidate.token as usize] = candidate.score + highest;
            probabilities[candidate.token as usize] = candidate.score.exp() / sum;
        }
        case.check_f32("processed_logits", &processed);
        case.check_f32("probs", &probabilities);
        case.check("support", &kept.iter().map(|candidate| f64::from(candidate.token)).collect::<Vec<_>>());
    }

    #[test]
    fn golden_filters_keep_the_expected_tokens() {
        golden::load("sampling.json").cases().iter().for_each(check);
    }

    #[test]
    fn a_tiny_temperature_leaves_the_likeliest_token() {
        let mut candidates = Candidates::default();
        for top_k in [0, 2, 10] {
            candidates.filter(&[1.0, 30.0, 29.0, -5.0], &sampling(1e-300, top_k, 1.0));
            let mut stream = Streams::new(3).stream(Purpose::Sampling, 0, 0);
            assert!((0..20).all(|_| candidates.draw(&mut stream) == Some(1)), "top_k = {top_k}");
        }
    }

    fn scattered(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919) % 104_729) as f32 / 1e4).collect()
    }

    #[test]
    fn top_k_over_many_tokens_equals_sorting() {
        let scores = scattered(5000);
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for k in [1, 2, 31, 32, 50, 1000, 4999, 5000, 6000] {
            let bar = sorted[k.min(sorted.len()) - 1];
            let expected: Vec<u32> = (0..).zip(&scores).filter(|&(_, &score)| score >= bar).map(|(i, _)| i).collect();
            assert_eq!(tokens(&scores, &sampling(1.0, k, 1.0)), expected, "k = {k}");
        }
    }

    #[test]
    fn top_k_keeps_ties_with_the_last_one() {
        assert_eq!(tokens(&[1.0, 3.0, 2.0, 2.0, 0.0], &sampling(1.0, 2, 1.0)), [1, 2, 3]);
        assert_eq!(tokens(&vec![0.5; 1000], &sampling(1.0, 3, 1.0)).len(), 1000);
    }

    #[test]
    fn top_p_over_many_tokens_equals_sorting() {
        let scores = scattered(3000);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let total: f64 = scores.iter().map(|&score| f64::from(score).exp()).sum();
        for p in [0.0, 0.1, 0.5, 0.9, 0.999] {
            let mut sum = 0.0;
            let needed = order.iter().take_while(|&&i| {
                let before = sum;
                sum += f64::from(scores[i]).exp() / total;
                before < p || before == 0.0
            });
            let mut expected: Vec<u32> = needed.map(|&i| i as u32).collect();
            expected.sort();
            assert_eq!(tokens(&scores, &sampling(1.0, 0, p)), expected, "p = {p}");
        }
    }

    #[test]
    fn impossible_tokens_are_never_kept() {
        let scores = [f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY, -1e30];
        for top_k in [0, 1, 2, 10] {
            for top_p in [0.5, 1.0] {
                let kept = tokens(&scores, &sampling(1.0, top_k, top_p));
                assert!(kept.iter().all(|&token| token == 1 || token == 3), "{kept:?}");
            }
        }
        let mut none = Candidates::default();
        none.filter(&[f32::NEG_INFINITY; 3], &sampling(1.0, 2, 0.5));
        assert_eq!(none.draw(&mut Streams::new(0).stream(Purpose::Sampling, 0, 0)), None);
    }

    #[test]
    fn tokens_are_drawn_as_often_as_their_probability_says() {
        const DRAWS: usize = 40_000;
        let probabilities = [0.5f32, 0.2, 0.0, 0.25, 0.05];
        let scores = probabilities.map(f32::ln);
        let mut stream = Streams::new(1).stream(Purpose::Sampling, 0, 0);
        let mut candidates = Candidates::default();
        let mut counts = [0usize; 5];
        for _ in 0..DRAWS {
            candidates.filter(&scores, &sampling(1.0, 0, 1.0));
            counts[candidates.draw(&mut stream).unwrap() as usize] += 1;
        }
        for (count, p) in counts.into_iter().zip(probabilities) {
            let share = count as f32 / DRAWS as f32;
            // Four standard deviations.
            let bound = 4.0 * (p * (1.0 - p) / DRAWS as f32).sqrt();
            assert!((share - p).abs() <= bound, "{share} instead of {p}");
        }
    }
}
