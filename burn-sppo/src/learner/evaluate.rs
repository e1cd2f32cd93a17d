use burn::tensor::Tensor;

/// What a trainer wants of one evaluation. Whatever is not asked for costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Entropy of each distribution.
    pub entropy: bool,
    /// Prediction of the critic, if the module has one.
    pub value: bool,
    /// Log-probabilities of all actions, for reverse forms that need the whole distribution.
    pub full_log_prob: bool,
}

/// What a module says of the `N` samples of a batch: environment steps, or tokens of responses row by row.
pub struct Evaluation {
    /// Log-probability of each action taken, `[N]`, f32.
    pub log_prob: Tensor<1>,
    /// Entropy, `[N]`; `None` if not asked for, or if it has no closed form (`-log_prob` stands in for it then).
    pub entropy: Option<Tensor<1>>,
    /// Value predictions, `[N]`; `None` if not asked for or without a critic.
    pub value: Option<Tensor<1>>,
    /// Log-probabilities of all `K` actions, `[N, K]`; `None` if not asked for or not discrete.
    pub full_log_prob: Option<Tensor<2>>,
}

/// The seam between trainers and modules: control's actor-critics and language models' policies both are this.
pub trait Evaluate<B> {
    /// Log-probabilities, entropies and values of the samples in `batch`, differentiable on a training device.
    fn evaluate(&self, batch: &B, request: Request) -> Evaluation;

    /// Value predictions of the samples alone, `[N]`; `None` without a critic.
    fn value(&self, batch: &B) -> Option<Tensor<1>> {
        self.evaluate(batch, Request { value: true, ..Request::default() }).value
    }

    /// Whether values come from a network that shares no parameters with the policy. Training then asks for them by
    /// [`value`](Self::value) and never holds the activations of both networks at once.
    fn value_is_separate(&self) -> bool {
        false
    }

    /// A further loss of the module on this batch, `[1]`, already weighted: target regularisation, for example.
    ///
    /// Must be a sum over rows divided by a number that does not depend on how the minibatch is cut into
    /// microbatches, so that gradient accumulation stays exact.
    fn auxiliary_loss(&self, _batch: &B) -> Option<Tensor<1>> {
        None
    }
}
