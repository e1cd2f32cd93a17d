use std::{io::Write, time::Instant};

use burn_rlhf_tasks::training::{EvaluatedSample, EvaluationReport, IterationReport, Observer};
use burn_sppo::{
    run::Damage,
    training::{ControlEvaluation, ControlObserver, ControlReport},
};

/// Plain lines about what goes on; nothing in quiet mode.
#[derive(Clone, Copy)]
pub struct Console {
    start: Instant,
    quiet: bool,
}

impl Console {
    pub fn new(quiet: bool) -> Self {
        Self { start: Instant::now(), quiet }
    }

    /// A line with the seconds since the program started.
    pub fn line(&self, text: &str) {
        if !self.quiet {
            let mut out = std::io::stdout().lock();
            // Whoever closed the pipe does not want the rest.
            let _ = writeln!(out, "[{:>6.1}s] {text}", self.start.elapsed().as_secs_f64());
            let _ = out.flush();
        }
    }

    /// A line that is part of the result: printed in quiet mode, too.
    pub fn result(&self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}

impl Observer for Console {
    fn on_start(&mut self, iteration: u64, iterations: u64, damaged: &[Damage]) {
        for damage in damaged {
            self.line(&format!("passed over a damaged checkpoint: {damage}"));
        }
        match iteration {
            0 => self.line(&format!("training for {iterations} iterations")),
            done => self.line(&format!("going on after iteration {done} of {iterations}")),
        }
    }

    fn on_iteration(&mut self, report: &IterationReport) {
        let (rollout, update) = (&report.rollout, &report.update);
        self.line(&format!(
            "iteration {}/{}  reward {:.3}  kl {:.3}  entropy {:.2}  policy loss {:+.4}  value loss {:.4}  \
             clip {:.2}  signs changed {:.0} %  {:.1} responses/s{}",
            report.iteration,
            report.iterations,
            rollout.reward,
            rollout.kl,
            rollout.entropy,
            update.policy_loss,
            update.value_loss,
            update.clip_fraction,
            update.sign_changes.percent(),
            report.responses_per_second(),
            if update.skipped.is_empty() { String::new() } else { format!("  {} skipped", update.skipped.len()) },
        ));
    }

    fn on_evaluation(&mut self, report: &EvaluationReport, _samples: &[EvaluatedSample]) {
        let metrics: Vec<String> = report.metrics.iter().map(|(key, value)| format!("{key} {value:.3}")).collect();
        self.line(&format!("evaluation after {}: {}", report.epoch, metrics.join("  ")));
    }

    fn on_warning(&mut self, warning: &str) {
        self.line(&format!("warning: {warning}"));
    }
}

impl ControlObserver for Console {
    fn on_start(&mut self, steps: u64, total_steps: u64, damaged: &[Damage]) {
        for damage in damaged {
            self.line(&format!("passed over a damaged checkpoint: {damage}"));
        }
        match steps {
            0 => self.line(&format!("training for {total_steps} environment steps")),
            done => self.line(&format!("going on after {done} of {total_steps} environment steps")),
        }
    }

    /// A line for a hundredth of the run, not for each of thousands of updates.
    fn on_iteration(&mut self, report: &ControlReport) {
        let part = |steps: u64| steps * 100 / report.total_steps.max(1);
        if part(report.steps) == part(report.steps - report.rollout_steps) {
            return;
        }
        let update = &report.update;
        let episodes = report.episodes.map_or_else(
            || "no episode yet".into(),
            |recent| format!("return {:.1}  length {:.0}", recent.mean_return, recent.mean_length),
        );
        self.line(&format!(
            "{}/{} steps  {episodes}  entropy {:.2}  policy loss {:+.4}  value loss {:.4}  clip {:.2}  signs changed \
             {:.0} %  {:.0} steps/s{}",
            report.steps,
            report.total_steps,
            update.entropy,
            update.policy_loss,
            update.value_loss,
            update.clip_fraction,
            update.sign_changes.percent(),
            report.steps_per_second(),
            if update.skipped.is_empty() { String::new() } else { format!("  {} skipped", update.skipped.len()) },
        ));
    }

    fn on_evaluation(&mut self, evaluation: &ControlEvaluation) {
        self.line(&format!(
            "evaluation after {} steps: return {:.1} ± {:.1}  length {:.0}",
            evaluation.steps, evaluation.mean_return, evaluation.std_return, evaluation.mean_length
        ));
    }
}
