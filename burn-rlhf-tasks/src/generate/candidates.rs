use std::cmp::Ordering;

use burn_sppo::run::Stream;
use rand::RngExt;

use super::SamplingConfig;

/// A token that may follow, and its score divided by the temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub token: u32,
    pub score: f32,
}

/// The tokens among which one is drawn. Keeps its memory from step to step.
#[derive(Default)]
pub(super) struct Candidates {
    kept: Vec<Candidate>,
    scratch: Vec<f32>,
}

impl Candidates {
    /// Temperature, then `top_k`, then `top_p`. Scores of minus infinity are never kept.
    pub fn filter(&mut self, scores: &[f32], sampling: &SamplingConfig) {
        match sampling.top_k {
            0 => self.all(scores),
            k => self.top_k(scores, k),
        }
        let temperature = sampling.temperature as f32;
        self.kept.iter_mut().for_each(|candidate| candidate.score /= temperature);
        if sampling.top_p < 1.0 {
            self.top_p(sampling.top_p);
        }
    }

    /// One of the tokens, with the probabilities of a softmax; `None` if there is no token.
    pub fn draw(&mut self, stream: &mut Stream) -> Option<u32> {
        let total = self.weigh();
        let mut left = stream.random::<f64>() * total;
        let chosen = self.kept.iter().zip(&self.scratch).find(|&(_, &weight)| {
            left -= f64::from(weight);
            left < 0.0
        });
        // Rounding can leave a rest behind the last token.
        chosen.map(|(candidate, _)| candidate.token).or(self.kept.last().map(|candidate| candidate.token))
    }

    fn all(&mut self, scores: &[f32]) {
        self.kept.clear();
        let allowed = (0..).zip(scores).filter(|&(_, &score)| score > f32::NEG_INFINITY);
        self.kept.extend(allowed.map(|(token, &score)| Candidate { token, score }));
    }

    /// Keeps the scores that are not below the `k`-th.
    ///
    /// One pass with a rising bar: whenever enough tokens have been kept, all below their `k`-th are dropped.
    fn top_k(&mut self, scores: &[f32], k: usize) {
        const CHUNK: usize = 32;
        self.kept.clear();
        let mut bar = f32::MIN;
        let mut limit = 2 * k.max(CHUNK);
        for (chunk, first) in scores.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
            let highest =
                chunk.iter().fold(f32::NEG_INFINITY, |highest, &score| if score > highest { score } else { highest });
            if highest < bar {
                continue;
            }
            let above = (first..).zip(chunk).filter(|&(_, &score)| score >= bar);
            self.kept.extend(above.map(|(token, &score)| Candidate { token, score }));
            if self.kept.len() >= limit {
                bar = self.drop_below(k);
                limit = 2 * self.kept.len().max(CHUNK);
            }
        }
        self.drop_below(k);
    }

    /// Drops what is below the `k`-th score, and returns that.
    fn drop_below(&mut self, k: usize) -> f32 {
        if self.kept.len() <= k {
            return f32::MIN;
        }
        self.scratch.clear();
        self.scratch.extend(self.kept.iter().map(|candidate| candidate.score));
        let (_, &mut bar, _) = self.scratch.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        self.kept.retain(|candidate| candidate.score >= bar);
        bar
    }

    /// Keeps the likeliest tokens up to the one with which their probability reaches `p`, at least one.
    fn top_p(&mut self, p: f64) {
        let bar = p * self.weigh();
        let highest = self.highest();
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
                sum += f64::from((candidate.score - highest).exp());
                if sum >= bar {
                    self.kept.truncate(sorted);
                    return;
                }
            }
            next *= 4;
        }
    }

    fn highest(&self) -> f32 {
        self.kept.iter().map(|candidate| candidate.score).fold(f32::NEG_INFINITY, f32::max)
    }

    /// Fills the scratch with weights proportional to the probabilities and returns their sum.
    fn weigh(&mut self) -> f64 {
        let highest = self.highest();
        self.scratch.clear();
        self.scratch.extend(self.kept.iter().map(|candidate| (candidate.score - highest).exp()));
        self.scratch.iter().map(|&weight| f64::from(weight)).sum()
    }
}

/// Higher scores first, then lower tokens.
fn descending(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(a.token.cmp(&b.token))
}
