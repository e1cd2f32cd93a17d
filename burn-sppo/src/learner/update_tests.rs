//! What the update step asks of a module.

use std::cell::RefCell;

use burn::{
    module::{Module, Param},
    optim::AdamWConfig,
    tensor::{Device, Tensor},
};

use super::{Evaluate, Evaluation, Request, Rollout, Samples, UpdateConfig, UpdateContext, UpdateError, UpdateReport};
use crate::{
    advantage::{AdvantageKind, Normalization},
    loss::{Algorithm, PolicyLossConfig, ValueLoss},
    run::{Exactness, HealthChecks, HealthConfig, HealthError, Streams},
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

fn scalars(separate: bool) -> Scalars {
    let parameter = |value: f32| Param::from_tensor(Tensor::from_floats([value], &Device::flex()));
    Scalars { policy: parameter(-1.0), critic: parameter(0.5), separate }.train()
}

fn samples() -> Samples {
    Samples {
        per_row: 1,
        old_log_prob: vec![-1.0; 4],
        advantage: vec![1.0, -0.5, 2.0, 0.25],
        returns: vec![1.0; 4],
        ..Samples::default()
    }
}

fn config(minibatch: usize) -> UpdateConfig {
    let loss = PolicyLossConfig::new(Algorithm::Ppo);
    UpdateConfig::new(loss, ValueLoss::Mse, minibatch, minibatch, Normalization::None, AdvantageKind::Normal)
        .with_epochs(1)
}

fn run(
    config: &UpdateConfig,
    module: Scalars,
    samples: Samples,
    health: &mut HealthChecks,
) -> Result<(Scalars, UpdateReport), UpdateError> {
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let context = UpdateContext { streams: Streams::new(1), iteration: 1, learning_rate: 0.1 };
    config.init()?.run(module, &mut optimizer, &Fixed(samples), context, health)
}

/// What is asked in one update, the critic's parameter before and after, and what the update reports.
fn update(separate: bool, vf_coef: f64) -> (Vec<&'static str>, [f32; 2], UpdateReport) {
    let mut health = HealthConfig::default().init(Exactness::Single);
    let config = config(4).with_vf_coef(vf_coef);
    let (module, report) = run(&config, scalars(separate), samples(), &mut health).unwrap();
    (ASKED.take(), [0.5, module.critic.val().into_scalar::<f32>()], report)
}

#[test]
fn a_minibatch_that_is_not_finite_is_kept_in_a_file_and_left_out_of_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut health = HealthConfig::default().init(Exactness::Single).with_dumps(folder.path().join("dumps"));
    let broken = Samples { advantage: vec![1.0, f32::NAN, 2.0, 0.25], ..samples() };
    let (module, report) = run(&config(1), scalars(false), broken.clone(), &mut health).unwrap();
    assert!(module.policy.val().into_scalar::<f32>().is_finite());
    assert_eq!(report.minibatches, 3);
    assert!(report.loss.is_finite() && report.gradient_norm.is_finite() && report.first_log_ratio == 0.0);
    let [skipped] = &report.skipped[..] else { panic!("one is skipped: {:?}", report.skipped) };
    assert_eq!(skipped.rows, [1]);
    let text = std::fs::read_to_string(skipped.dump.as_ref().unwrap()).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&kept["rows"], &kept["old_log_prob"]), (&serde_json::json!([1]), &serde_json::json!([-1.0])));

    let all = Samples { advantage: vec![f32::NAN; 4], ..samples() };
    let error = run(&config(1), scalars(false), all, &mut health).unwrap_err();
    let UpdateError::Health(HealthError::NonFinite { dump: Some(path), .. }) = error else { panic!("{error}") };
    assert!(path.is_file(), "the file that the error names is there");
}

#[test]
fn an_update_ends_before_the_step_that_would_go_too_far() {
    let mut health = HealthConfig::default().init(Exactness::Single);
    let config = config(2).with_epochs(10).with_target_kl(Some(1e-3));
    let (_, report) = run(&config, scalars(false), samples(), &mut health).unwrap();
    assert!(report.stopped_early && report.epochs < 10, "{report:?}");
    assert_eq!(report.minibatches, 1, "the first step changes the log-probability by 0.1, the second is not taken");
    let (_, report) = run(&config.with_target_kl(None), scalars(false), samples(), &mut health).unwrap();
    assert_eq!((report.stopped_early, report.epochs, report.minibatches), (false, 10, 20));
}

#[test]
fn noise_turns_the_signs_of_advantages() {
    let mut health = HealthConfig::default().init(Exactness::Single);
    let mut after = |flip| {
        let config = config(4).with_vf_coef(0.0).with_advantage_flip(flip);
        let (module, report) = run(&config, scalars(false), samples(), &mut health).unwrap();
        (module.policy.val().into_scalar::<f32>() + 1.0, report.sign_changes.percent())
    };
    let (plain, unchanged) = after(0.0);
    let (turned, all) = after(1.0);
    assert_eq!((unchanged, all), (0.0, 100.0));
    assert!(plain > 0.0 && (plain + turned).abs() < 1e-6, "{plain} and {turned}");
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
