//! What the update step asks of a module.

use std::cell::RefCell;

use burn::{
    module::{Module, Param},
    optim::AdamWConfig,
    tensor::{Device, Tensor},
};

use super::{Evaluate, Evaluation, Request, Rollout, Samples, UpdateConfig, UpdateContext, UpdateReport};
use crate::{
    advantage::{AdvantageKind, Normalization},
    loss::{Algorithm, PolicyLossConfig, ValueLoss},
    run::{Exactness, HealthConfig, Streams},
};

thread_local! {
    static ASKED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

#[derive(Module, Debug)]
struct Scalars {
    policy: Param<Tensor<1>>,
    critic: Param<Tensor<1>>,
    separate: bool,
}

impl Evaluate<usize> for Scalars {
    fn evaluate(&self, rows: &usize, request: Request) -> Evaluation {
        ASKED.with_borrow_mut(|asked| asked.push(if request.value { "policy and value" } else { "policy" }));
        let log_prob = self.policy.val().expand([*rows as i64]);
        let value = request.value.then(|| self.critic.val().expand([*rows as i64]));
        Evaluation { log_prob, entropy: None, value, full_log_prob: None }
    }

    fn value(&self, rows: &usize) -> Option<Tensor<1>> {
        ASKED.with_borrow_mut(|asked| asked.push("value"));
        Some(self.critic.val().expand([*rows as i64]))
    }

    fn value_is_separate(&self) -> bool {
        self.separate
    }
}

struct Fixed(Samples);

impl Rollout for Fixed {
    type Batch = usize;

    fn samples(&self) -> &Samples {
        &self.0
    }

    fn batch(&self, rows: &[usize], _minibatch: &[usize], _device: &Device) -> usize {
        rows.len()
    }
}

/// What is asked in one update, the critic's parameter before and after, and what the update reports.
fn update(separate: bool, vf_coef: f64) -> (Vec<&'static str>, [f32; 2], UpdateReport) {
    let device = Device::flex();
    let parameter = |value: f32| Param::from_tensor(Tensor::from_floats([value], &device));
    let module = Scalars { policy: parameter(-1.0), critic: parameter(0.5), separate }.train();
    let samples = Samples {
        per_row: 1,
        old_log_prob: vec![-1.0; 4],
        advantage: vec![1.0, -0.5, 2.0, 0.25],
        returns: vec![1.0; 4],
        ..Samples::default()
    };
    let loss = PolicyLossConfig::new(Algorithm::Ppo);
    let update = UpdateConfig::new(loss, ValueLoss::Mse, 4, 4, Normalization::None, AdvantageKind::Normal)
        .with_vf_coef(vf_coef)
        .with_epochs(1)
        .init()
        .unwrap();
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let context = UpdateContext { streams: Streams::new(1), iteration: 1, learning_rate: 0.1 };
    let mut health = HealthConfig::default().init(Exactness::Single);
    let (module, report) = update.run(module, &mut optimizer, &Fixed(samples), context, &mut health).unwrap();
    (ASKED.take(), [0.5, module.critic.val().into_scalar::<f32>()], report)
}

#[test]
fn a_critic_is_asked_for_once_and_not_at_all_where_its_loss_weighs_nothing() {
    for (separate, asked) in [(false, vec!["policy and value"]), (true, vec!["policy", "value"])] {
        let (found, [before, after], _) = update(separate, 0.5);
        assert_eq!(found, asked);
        assert!(after > before, "the critic learns: {after}");
        let (found, [before, after], _) = update(separate, 0.0);
        assert_eq!(found, ["policy"]);
        assert_eq!(before, after);
    }
}

#[test]
fn the_entropy_is_estimated_from_the_actions_where_it_weighs_nothing() {
    let (_, _, report) = update(false, 0.5);
    assert_eq!(report.entropy, 1.0, "every action has the log-probability -1");
}
