use burn::{
    data::dataloader::Progress,
    train::{AgentEvaluationEvent, EpisodeSummary, EvaluationItem, EventProcessorTraining, Interrupter, RLEvent},
};

use crate::{
    environment::Episode,
    training::{ControlEvaluation, ControlObserver, ControlReport},
};

/// Passes on what training does to Burn's metrics and dashboard.
pub(super) struct Events<'a, P> {
    pub processor: &'a mut P,
    pub interrupter: Interrupter,
}

impl<P> ControlObserver for Events<'_, P>
where
    P: EventProcessorTraining<RLEvent<ControlReport, ()>, AgentEvaluationEvent<()>>,
{
    fn on_iteration(&mut self, report: &ControlReport) {
        // The last rollout may go beyond the end.
        let done = report.steps.min(report.total_steps);
        let progress = Progress::new(done as usize, report.total_steps as usize, Some("steps".into()));
        let episodes = report.finished.iter().map(|episode| RLEvent::EpisodeEnd(item(summary(episode), &progress)));
        let iteration = [
            RLEvent::TrainStep(item(report.clone(), &progress)),
            // What moves the progress bar.
            RLEvent::EnvStep(item((), &progress)),
        ];
        for event in episodes.chain(iteration) {
            self.interrupter.fail_on_error(self.processor.process_train(event));
        }
    }

    fn on_evaluation(&mut self, evaluation: &ControlEvaluation) {
        let scores = &evaluation.scores;
        let count = scores.returns.len();
        let episodes = scores.returns.iter().zip(&scores.lengths).enumerate();
        let episodes = episodes.map(|(index, (&episode_return, &length))| {
            let progress = Progress::new(index + 1, count, Some("episodes".into()));
            AgentEvaluationEvent::EpisodeEnd(item(summary(&Episode { episode_return, length }), &progress))
        });
        let events = [AgentEvaluationEvent::Start(count)].into_iter().chain(episodes);
        for event in events.chain([AgentEvaluationEvent::End]) {
            self.interrupter.fail_on_error(self.processor.process_valid(event));
        }
    }
}

fn item<T>(item: T, progress: &Progress) -> EvaluationItem<T> {
    EvaluationItem::new(item, progress.clone(), None)
}

fn summary(episode: &Episode) -> EpisodeSummary {
    EpisodeSummary { episode_length: episode.length as usize, cum_reward: episode.episode_return }
}
