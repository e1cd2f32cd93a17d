//! What must not change a result: how a minibatch is cut, how much padding there is, how rows are generated.

use std::sync::Arc;

use burn::{module::Module, optim::AdamWConfig, tensor::Device};
use burn_rlhf_tasks::{
    generate::{SamplingConfig, SpecialTokens},
    model::gpt2::Gpt2Config,
    policy::{CriticKind, LanguageActorCritic, LanguageActorCriticConfig},
    reward::Response,
    rollout::{KlConfig, PromptSource, ResponseMask, RolloutConfig, TextDecoder, TruncationSide},
    task::builtin::BuiltinConfig,
    training::{RlhfLearner, RlhfResult, RlhfTraining, TrainError},
};
use burn_sppo::{
    advantage::{AdvantageKind, Gae, Normalization},
    learner::{LearningRateSchedule, UpdateConfig},
    loss::{Algorithm, PolicyLossConfig, ReverseForm, Symmetry, ValueLoss},
    run::{Exactness, HealthConfig, HealthError, Purpose, Streams},
};

const END: u32 = 256;

#[derive(Clone)]
struct Setting {
    loss: PolicyLossConfig,
    microbatch: usize,
    generation_rows: usize,
    critic: CriticKind,
    target_coef: f64,
    frozen_blocks: Option<usize>,
    reference: bool,
    normalization: Normalization,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            loss: PolicyLossConfig::new(Algorithm::Sppo).with_symmetry(Symmetry {
                alpha: 0.5,
                beta: 0.4,
                z: -1.0,
                form: ReverseForm::Rce,
            }),
            microbatch: 8,
            generation_rows: 16,
            critic: CriticKind::Separate,
            target_coef: 0.1,
            frozen_blocks: None,
            reference: true,
            normalization: Normalization::Minibatch,
        }
    }
}

fn length_reward(responses: &[Response]) -> Vec<f32> {
    responses.iter().map(|response| response.response.matches('e').count() as f32).collect()
}

fn launch(setting: &Setting) -> Result<RlhfResult<LanguageActorCritic>, TrainError> {
    launch_with(setting, |responses| Ok(length_reward(responses)))
}

fn launch_with(
    setting: &Setting,
    reward: impl FnMut(&[Response]) -> Result<Vec<f32>, burn_rlhf_tasks::reward::RewardError> + 'static,
) -> Result<RlhfResult<LanguageActorCritic>, TrainError> {
    let device = Device::flex();
    let streams = Streams::new(3);
    let samples = BuiltinConfig::new().with_train(64).with_validation(2).with_test(2).generate().train;
    let special = SpecialTokens { pad: END, eos: END };
    let encode = |text: &str| text.bytes().map(u32::from).collect();
    let prompts = PromptSource::new(samples, encode, 12, TruncationSide::Left, special).unwrap();
    let decoder: TextDecoder =
        Arc::new(|tokens| tokens.iter().filter_map(|&token| u8::try_from(token).ok()).map(char::from).collect());
    let shape =
        Gpt2Config { vocab_size: 257, n_positions: 24, n_embd: 32, n_layer: 2, n_head: 2, ..Gpt2Config::default() };
    let actor = shape.init(&mut streams.stream(Purpose::Initialization, 0, 0), &device);
    let critic = LanguageActorCriticConfig { critic: setting.critic, mlp_head: false };
    let mut policy = critic.init(actor, &mut streams.stream(Purpose::Initialization, 1, 0), &device).train();
    if let Some(blocks) = setting.frozen_blocks {
        policy = policy.with_frozen_trunk(blocks);
    }
    let update = UpdateConfig::new(
        setting.loss.clone(),
        ValueLoss::Max { range: Some(0.2) },
        8,
        setting.microbatch,
        setting.normalization,
        AdvantageKind::Normal,
    )
    .with_epochs(2)
    .with_max_grad_norm(Some(1.0));
    RlhfTraining::without_directory(prompts, decoder).reward(reward).num_iterations(3).launch(RlhfLearner {
        reference: setting.reference,
        policy,
        optimizer: AdamWConfig::new().with_weight_decay(0.0).init(),
        learning_rate: 1e-3,
        schedule: LearningRateSchedule::Constant,
        rollout: RolloutConfig {
            rollouts: 16,
            generation_rows: setting.generation_rows,
            scoring_rows: 8,
            sampling: SamplingConfig { top_k: 0, max_new_tokens: 10, ..SamplingConfig::default() },
            mask: ResponseMask::EosInclusive,
            gae: Gae { gamma: 0.99, lambda: 0.95 },
            target_coef: setting.target_coef,
            missing_eos_reward: 0.0,
            keep_distribution: setting.loss.needs_distribution(),
        },
        update: update.init()?,
        kl: KlConfig { coef: if setting.reference { 0.01 } else { 0.0 }, ..KlConfig::default() },
        health: HealthConfig::default(),
        exactness: Exactness::Single,
        seed: 3,
    })
}

fn numbers(result: &RlhfResult<LanguageActorCritic>) -> Vec<(&'static str, f64)> {
    result.last.as_ref().unwrap().entries()
}

fn assert_close(left: &[(&str, f64)], right: &[(&str, f64)], tolerance: f64) {
    for ((name, left), (_, right)) in left.iter().zip(right) {
        let bound = tolerance * (1.0 + left.abs().max(right.abs()));
        assert!((left - right).abs() <= bound || (left.is_nan() && right.is_nan()), "{name}: {left} and {right}");
    }
}

#[test]
fn a_minibatch_may_be_cut_in_any_way() {
    let whole = numbers(&launch(&Setting::default()).unwrap());
    for microbatch in [1, 4] {
        let cut = numbers(&launch(&Setting { microbatch, ..Setting::default() }).unwrap());
        assert_close(&whole, &cut, 2e-3);
    }
}

#[test]
fn rows_may_be_generated_in_any_groups() {
    let together = numbers(&launch(&Setting::default()).unwrap());
    let apart = numbers(&launch(&Setting { generation_rows: 3, ..Setting::default() }).unwrap());
    assert_close(&together, &apart, 2e-3);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    assert_eq!(
        format!("{:?}", numbers(&launch(&Setting::default()).unwrap())),
        format!("{:?}", numbers(&launch(&Setting::default()).unwrap()))
    );
}

/// The reverse term of symmetric PPO only scales the gradient of PPO: alpha - beta z.
#[test]
fn symmetric_ppo_coincides_with_ppo_of_the_matched_coefficient() {
    let symmetric = launch(&Setting::default()).unwrap();
    let matched = PolicyLossConfig::new(Algorithm::Ppo).with_coefficient(0.9);
    let matched = launch(&Setting { loss: matched, ..Setting::default() }).unwrap();
    let same =
        ["rollout_buffer/rewards", "rollout_buffer/kl_div", "ppo/value_loss", "ppo/approx_kl", "ppo/gradient_norm"];
    let pick = |result: &RlhfResult<LanguageActorCritic>| -> Vec<(&'static str, f64)> {
        numbers(result).into_iter().filter(|(name, _)| same.contains(name)).collect()
    };
    assert_close(&pick(&symmetric), &pick(&matched), 2e-3);
}

#[test]
fn every_algorithm_and_form_trains() {
    for algorithm in Algorithm::ALL {
        for form in [ReverseForm::Rce, ReverseForm::Mae, ReverseForm::PerActionRatio, ReverseForm::Unnormalised] {
            if !algorithm.is_symmetric() && form != ReverseForm::Rce {
                continue;
            }
            let symmetry = Symmetry { alpha: 0.5, beta: 0.4, z: -1.0, form };
            let loss = PolicyLossConfig::new(algorithm).with_symmetry(symmetry);
            match launch(&Setting { loss, critic: CriticKind::SharedTrunk, ..Setting::default() }) {
                Ok(result) => {
                    let broken: Vec<_> = numbers(&result)
                        .into_iter()
                        .filter(|(name, value)| !value.is_finite() && *name != "ppo/policy_coefficient")
                        .collect();
                    assert!(broken.is_empty(), "{algorithm} {form:?}: {broken:?}");
                }
                // A form that divides by the old probability has no place in A2C.
                Err(TrainError::Update(error)) => assert!(!algorithm.uses_ratio(), "{algorithm} {form:?}: {error}"),
                Err(error) => panic!("{algorithm} {form:?}: {error}"),
            }
        }
    }
}

#[test]
fn a_frozen_trunk_stays_and_the_rest_learns() {
    let weights = |result: RlhfResult<LanguageActorCritic>, block: usize| {
        let actor = result.model.valid().into_actor();
        let read = |tensor: burn::tensor::Tensor<2>| tensor.into_data().try_into_vec::<f32>().unwrap();
        (read(actor.wte.weight.val()), read(actor.h[block].mlp.c_fc.weight.val()))
    };
    let setting = Setting { frozen_blocks: Some(1), ..Setting::default() };
    let [first, second] = [0, 1].map(|block| weights(launch(&setting).unwrap(), block));
    let all = Setting { frozen_blocks: Some(2), ..Setting::default() };
    let [start_first, start_second] = [0, 1].map(|block| weights(launch(&all).unwrap(), block));
    assert_eq!(first, start_first, "embeddings and the first block are shared with the reference");
    assert_ne!(second.1, start_second.1, "the second block learns");
}

/// Normalisation moves the mean to 0, whatever it is taken over, and so turns the sign of what lies between.
#[test]
fn sign_changes_are_counted_for_every_scope_of_normalisation() {
    let changed = |normalization| {
        let result = launch(&Setting { normalization, ..Setting::default() }).unwrap();
        result.last.unwrap().update.sign_changes.percent()
    };
    for scope in [Normalization::Minibatch, Normalization::Rollout, Normalization::AllTokens] {
        assert!(changed(scope) > 0.0, "{scope:?}");
    }
    assert_eq!(changed(Normalization::None), 0.0);
}

#[test]
fn without_a_reference_there_is_no_kl() {
    let setting = Setting { reference: false, ..Setting::default() };
    let result = launch(&setting).unwrap();
    let kl = numbers(&result).into_iter().find(|(name, _)| *name == "rollout_buffer/kl_div").unwrap().1;
    assert_eq!(kl, 0.0);
    assert_ne!(numbers(&launch(&Setting::default()).unwrap()), numbers(&result));
}

#[test]
fn a_failing_reward_stops_training_with_its_own_words() {
    let error = launch_with(&Setting::default(), |_| Err("the scorer is away".into())).err().unwrap();
    assert!(error.to_string().contains("the scorer is away"));
}

#[test]
fn a_reward_that_is_not_a_number_is_named() {
    let reward = |responses: &[Response]| {
        let mut rewards = length_reward(responses);
        rewards[5] = f32::NAN;
        Ok(rewards)
    };
    match launch_with(&Setting::default(), reward) {
        Err(TrainError::Health(HealthError::Reward { row, .. })) => assert_eq!(row, 5),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("NaN was accepted"),
    }
}

#[test]
fn rewards_must_be_as_many_as_responses() {
    let error = launch_with(&Setting::default(), |_| Ok(vec![1.0])).err().unwrap();
    assert!(error.to_string().contains("16 responses"), "{error}");
}

#[test]
fn equal_rewards_do_not_break_training() {
    assert!(launch_with(&Setting::default(), |responses| Ok(vec![1.0; responses.len()])).is_ok());
}
