use burn::module::Module;
use burn::tensor::Tensor;

use crate::distribution::ActionDistribution;
use crate::learner::{Evaluate, Evaluation, Request};

/// Observations and the actions taken on them.
#[derive(Clone, Debug)]
pub struct ControlBatch {
    /// As the environment gives them, flattened to `[N, features]`, f32; pixels are 0 to 255.
    pub observations: Tensor<2>,
    /// As the policy drew them, `[N, width]`, f32; choices are indices.
    pub actions: Tensor<2>,
}

/// A module that chooses actions and predicts the value of states. This is all that a network of your own must be able
/// to do: with it comes [`Evaluate`], and so training by every algorithm.
pub trait ActorCritic: Module {
    /// The distribution of actions, and the predicted value `[N]`.
    ///
    /// # Shapes
    /// - observations: `[N, features]`
    fn forward(&self, observations: Tensor<2>) -> (ActionDistribution, Tensor<1>);

    /// The predicted value alone, `[N]`.
    ///
    /// # Shapes
    /// - observations: `[N, features]`
    fn value(&self, observations: Tensor<2>) -> Tensor<1>;

    /// The distribution of actions alone.
    ///
    /// # Shapes
    /// - observations: `[N, features]`
    fn distribution(&self, observations: Tensor<2>) -> ActionDistribution {
        self.forward(observations).0
    }

    /// The mean standard deviation of actions that are numbers, `[1]`, where it is a parameter: for the logs.
    fn mean_std(&self) -> Option<Tensor<1>> {
        None
    }

    /// Whether actor and critic share no parameters, so that each can be trained by itself.
    fn value_is_separate(&self) -> bool {
        false
    }
}

impl<M: ActorCritic> Evaluate<ControlBatch> for M {
    fn evaluate(&self, batch: &ControlBatch, request: Request) -> Evaluation {
        let observations = batch.observations.clone();
        let (distribution, value) = if request.value {
            let (distribution, value) = self.forward(observations);
            (distribution, Some(value))
        } else {
            (self.distribution(observations), None)
        };
        Evaluation {
            log_prob: distribution.log_prob(batch.actions.clone()),
            entropy: request.entropy.then(|| distribution.entropy()).flatten(),
            value,
            full_log_prob: request.full_log_prob.then(|| distribution.full_log_prob().ok()).flatten(),
        }
    }

    fn value(&self, batch: &ControlBatch) -> Option<Tensor<1>> {
        Some(ActorCritic::value(self, batch.observations.clone()))
    }

    fn value_is_separate(&self) -> bool {
        ActorCritic::value_is_separate(self)
    }
}
