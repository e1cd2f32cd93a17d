use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::ControlEvaluation;
use crate::learner::UpdateReport;

/// `progress.txt`: the table of evaluations as the reference implementation writes it, tab-separated.
///
/// Losses, entropy and sign changes are those of the last update before the evaluation, -1 before the first. Unlike the
/// reference, plain algorithms report their losses too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    rows: Vec<String>,
    /// Largest |advantage| after normalisation of the whole run.
    max_advantage: f32,
    last: Option<LastUpdate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct LastUpdate {
    entropy: f64,
    sign_changes: f64,
    policy_loss: f64,
    value_loss: f64,
}

const HEADER: [&str; 9] = [
    "AverageEpRet",
    "StdEpRet",
    "TotalEnvInteracts",
    "TimeMinute",
    "Entropy",
    "ChangedSignRatio",
    "AdvantageMax",
    "PolicyLoss",
    "ValueLoss",
];

impl Progress {
    pub fn update(&mut self, report: &UpdateReport) {
        if report.minibatches == 0 {
            return;
        }
        self.max_advantage = self.max_advantage.max(report.sign_changes.max_abs);
        self.last = Some(LastUpdate {
            entropy: report.entropy,
            sign_changes: report.sign_changes.percent(),
            policy_loss: report.policy_loss,
            value_loss: report.value_loss,
        });
    }

    /// Adds an evaluation, made `minutes` after the training began.
    pub fn evaluation(&mut self, evaluation: &ControlEvaluation, minutes: u64) {
        let unknown = LastUpdate { entropy: -1.0, sign_changes: -1.0, policy_loss: -1.0, value_loss: -1.0 };
        let last = self.last.unwrap_or(unknown);
        self.rows.push(format!(
            "{}\t{}\t{}\t{minutes}\t{}\t{:.3}\t{:.3}\t{}\t{}",
            evaluation.mean_return,
            evaluation.std_return,
            evaluation.steps,
            last.entropy,
            last.sign_changes,
            self.max_advantage,
            last.policy_loss,
            last.value_loss
        ));
    }

    pub fn table(&self) -> String {
        let mut text = HEADER.join("\t");
        for row in &self.rows {
            let _ = write!(text, "\n{row}");
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::EpisodeScores;

    #[test]
    fn a_row_has_the_numbers_of_the_last_update() {
        let scores = EpisodeScores { returns: vec![1.0, 3.0], lengths: vec![4, 4], wrapped_returns: vec![] };
        let mut progress = Progress::default();
        progress.evaluation(&ControlEvaluation::new(5000, scores.clone()), 0);
        let mut report = UpdateReport::default();
        report.minibatches = 1;
        (report.entropy, report.policy_loss, report.value_loss) = (0.5, -0.25, 2.0);
        progress.update(&report);
        // One of whose minibatches none was stepped on has no numbers.
        let mut nothing = UpdateReport::default();
        nothing.entropy = f64::NAN;
        progress.update(&nothing);
        progress.evaluation(&ControlEvaluation::new(10_000, scores), 7);
        let table = progress.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0].split('\t').count(), 9);
        assert_eq!(lines[1], "2\t1\t5000\t0\t-1\t-1.000\t0.000\t-1\t-1");
        assert_eq!(lines[2], "2\t1\t10000\t7\t0.5\t0.000\t0.000\t-0.25\t2");
    }
}
