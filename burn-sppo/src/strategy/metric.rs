use std::sync::Arc;

use burn::{
    tensor::{ExecutionError, TensorReadError},
    train::{
        ItemLazy,
        metric::{
            Adaptor, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
            SerializedEntry,
            state::{FormatOptions, NumericMetricState},
        },
    },
};

use crate::training::ControlReport;

/// A number of the [`ControlReport`], as a metric of Burn's. Its point in a plot is an iteration.
#[derive(Clone)]
pub struct ReportMetric {
    name: MetricName,
    higher_is_better: bool,
    value: fn(&ControlReport) -> f64,
    state: NumericMetricState,
}

impl ReportMetric {
    pub fn new(name: &str, higher_is_better: bool, value: fn(&ControlReport) -> f64) -> Self {
        Self { name: Arc::new(name.to_owned()), higher_is_better, value, state: NumericMetricState::new() }
    }

    pub fn policy_loss() -> Self {
        Self::new("Policy loss", false, |report| report.update.policy_loss)
    }

    pub fn value_loss() -> Self {
        Self::new("Value loss", false, |report| report.update.value_loss)
    }

    pub fn entropy() -> Self {
        Self::new("Entropy", true, |report| report.update.entropy)
    }

    pub fn approximate_kl() -> Self {
        Self::new("Approximate KL", false, |report| report.update.approx_kl_k3)
    }

    pub fn clip_fraction() -> Self {
        Self::new("Clip fraction", false, |report| report.update.clip_fraction)
    }

    /// Of the predictions that the rollout was made with.
    pub fn explained_variance() -> Self {
        Self::new("Explained variance", true, |report| report.explained_variance)
    }

    /// All of the above, for [`RLTraining::metrics_train`](burn::train::RLTraining::metrics_train).
    pub fn usual() -> (Self, Self, Self, Self, Self, Self) {
        (
            Self::policy_loss(),
            Self::value_loss(),
            Self::entropy(),
            Self::approximate_kl(),
            Self::clip_fraction(),
            Self::explained_variance(),
        )
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name.clone()).precision(4)
    }
}

impl Metric for ReportMetric {
    type Input = ControlReport;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: self.higher_is_better }.into()
    }

    fn update(
        &mut self,
        report: &ControlReport,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.state.update((self.value)(report), 1);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for ReportMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

impl ItemLazy for ControlReport {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<ControlReport> for ControlReport {
    fn adapt(&self) -> Self {
        self.clone()
    }
}
