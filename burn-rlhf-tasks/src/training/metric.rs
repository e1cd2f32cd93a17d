use std::sync::Arc;

use burn::{
    data::dataloader::Progress,
    tensor::TensorReadError,
    train::{
        metric::{
            Adaptor, Metric, MetricAttributes, MetricDefinition, MetricEntry, MetricId, MetricMetadata, Numeric,
            NumericAttributes, NumericEntry, SerializedEntry,
        },
        renderer::MetricState,
    },
};

use super::IterationReport;

/// A number of the [`IterationReport`], as a metric of burn-train.
#[derive(Clone)]
pub struct ReportMetric {
    name: Arc<String>,
    higher_is_better: bool,
    value: fn(&IterationReport) -> f64,
    last: Option<f64>,
}

impl ReportMetric {
    pub fn new(name: &str, higher_is_better: bool, value: fn(&IterationReport) -> f64) -> Self {
        Self { name: Arc::new(name.to_owned()), higher_is_better, value, last: None }
    }

    /// The numbers one looks at first.
    pub fn headline() -> Vec<Self> {
        vec![
            Self::new("Reward", true, |report| report.rollout.reward),
            Self::new("KL", false, |report| report.rollout.kl),
            Self::new("Entropy", true, |report| report.rollout.entropy),
            Self::new("Policy loss", false, |report| report.update.policy_loss),
            Self::new("Value loss", false, |report| report.update.value_loss),
            Self::new("Explained variance", true, |report| report.update.explained_variance),
            Self::new("Clip fraction", false, |report| report.update.clip_fraction),
            Self::new("Sign changes %", false, |report| report.update.sign_changes.percent()),
        ]
    }
}

impl Metric for ReportMetric {
    type Input = IterationReport;

    fn name(&self) -> Arc<String> {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: self.higher_is_better }.into()
    }

    fn update(
        &mut self,
        report: &IterationReport,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.last = Some((self.value)(report));
        self.compute()
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(match self.last {
            Some(value) => SerializedEntry::new(format!("{value:.4}"), value.to_string()),
            None => SerializedEntry::not_available(None),
        })
    }

    fn clear(&mut self) {
        self.last = None;
    }
}

impl Numeric for ReportMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.last.map(NumericEntry::Value)
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.value()
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.last.unwrap_or(f64::NAN))
    }
}

/// A metric whose input type has been forgotten.
pub(super) trait ErasedMetric: Send {
    fn definition(&self) -> MetricDefinition;
    fn update(&mut self, report: &IterationReport) -> Result<MetricState, TensorReadError>;
}

struct Registered<M> {
    id: MetricId,
    metric: M,
}

impl<M> ErasedMetric for Registered<M>
where
    M: Metric + Numeric,
    IterationReport: Adaptor<M::Input>,
{
    fn definition(&self) -> MetricDefinition {
        MetricDefinition::new(self.id.clone(), &self.metric)
    }

    fn update(&mut self, report: &IterationReport) -> Result<MetricState, TensorReadError> {
        let metadata = MetricMetadata {
            progress: Progress::new(report.iteration as usize, report.iterations as usize, None),
            iteration: Some(report.iteration as usize),
            lr: None,
        };
        let entry = self.metric.update(&report.adapt(), &metadata)?;
        Ok(MetricState::Numeric(MetricEntry::new(self.id.clone(), entry), self.metric.value()))
    }
}

/// Metrics that can be registered together: one, or a tuple of up to six.
pub trait MetricRegistration {
    /// Adds the metrics to `metrics`.
    fn register(self, metrics: &mut RegisteredMetrics);
}

/// The metrics of a training.
#[derive(Default)]
pub struct RegisteredMetrics(pub(super) Vec<Box<dyn ErasedMetric>>);

impl RegisteredMetrics {
    /// Adds one metric.
    pub fn push<M>(&mut self, metric: M)
    where
        M: Metric + Numeric + 'static,
        IterationReport: Adaptor<M::Input>,
    {
        self.0.push(Box::new(Registered { id: MetricId::new(metric.name()), metric }));
    }
}

macro_rules! register_tuple {
    ($($metric:ident),+) => {
        impl<$($metric),+> MetricRegistration for ($($metric,)+)
        where
            $($metric: Metric + Numeric + 'static, IterationReport: Adaptor<$metric::Input>,)+
        {
            #[allow(non_snake_case)]
            fn register(self, metrics: &mut RegisteredMetrics) {
                let ($($metric,)+) = self;
                $(metrics.push($metric);)+
            }
        }
    };
}

register_tuple!(A);
register_tuple!(A, B);
register_tuple!(A, B, C);
register_tuple!(A, B, C, D);
register_tuple!(A, B, C, D, E);
register_tuple!(A, B, C, D, E, F);

impl<M> MetricRegistration for Vec<M>
where
    M: Metric + Numeric + 'static,
    IterationReport: Adaptor<M::Input>,
{
    fn register(self, metrics: &mut RegisteredMetrics) {
        for metric in self {
            metrics.push(metric);
        }
    }
}
