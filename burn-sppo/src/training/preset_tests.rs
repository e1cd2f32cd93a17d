//! The settings of the reference implementation, number by number: its constructors, hyperparameter files and scripts.

use super::*;
use crate::{
    advantage::AdvantageKind,
    learner::Schedule,
    loss::{Algorithm, ReverseForm},
    policy::{Activation, PolicyKind},
};

const GAME: &str = "WizardOfWorNoFrameskip-v4";

fn preset(algorithm: &str, environment: &str, variations: &[Variation]) -> ControlConfig {
    let continuous = !environment.ends_with("NoFrameskip-v4");
    ControlConfig::preset(Family::Reference, algorithm, environment, continuous, variations).unwrap()
}

/// What is told apart by algorithm alone, wherever it is used.
fn check_algorithm(config: &ControlConfig, algorithm: &str, beta: f64) {
    let (update, section) = (&config.update, &config.algorithm);
    let symmetric = algorithm.starts_with('s') || algorithm.starts_with("ds");
    assert_eq!(section.name.is_symmetric(), symmetric, "{algorithm}");
    assert_eq!(section.advantage, AdvantageKind::Normal);
    assert_eq!(
        (update.gae_lambda, update.max_grad_norm),
        (if section.name.uses_ratio() { 0.95 } else { 1.0 }, Some(0.5))
    );
    if symmetric {
        assert_eq!((section.alpha, section.beta, section.z, section.form), (0.5, beta, -1.0, ReverseForm::Rce));
    } else {
        assert_eq!((section.alpha, section.beta), (1.0, 0.0));
    }
    assert_eq!((update.clip_range_vf, update.target_kl, update.adv_flip), (None, None, 0.0));
    assert!(!config.policy.use_sde && config.optimizer.epsilon == 1e-5);
    assert_eq!((config.environment.noise, config.environment.noise_value), (NoiseName::None, 0.0));
}

#[test]
fn atari_is_trained_as_by_the_reference() {
    for algorithm in ["a2c", "sa2c", "ppo", "sppo"] {
        let config = preset(algorithm, GAME, &[]);
        check_algorithm(&config, algorithm, 1.0);
        let (environment, update) = (&config.environment, &config.update);
        assert_eq!((config.total_steps, environment.frame_stack, config.policy.kind), (5_000_000, 4, PolicyKind::Cnn));
        assert!(!environment.normalize && environment.bins == 0);
        assert_eq!((update.ent_coef, update.gamma), (0.01, 0.99));
        let learning_rate = update.schedule.of(update.learning_rate);
        if config.algorithm.name.uses_ratio() {
            assert_eq!((environment.num_envs, update.rollout_steps, update.epochs), (8, 128, 4));
            assert_eq!(
                (update.minibatch, update.vf_coef, config.optimizer.kind),
                (Some(256), 0.5, OptimizerName::Adam)
            );
            assert_eq!(learning_rate, Schedule::Linear(2.5e-4));
            assert_eq!(update.clip_schedule.of(update.clip_range), Schedule::Linear(0.1));
            // That the script for plain PPO switches normalisation off is an accident of its author's.
            assert!(config.algorithm.normalize_advantage);
        } else {
            assert_eq!((environment.num_envs, update.rollout_steps, update.epochs), (16, 5, 1));
            assert_eq!((update.minibatch, update.vf_coef), (None, 0.25));
            assert_eq!((config.optimizer.kind, learning_rate), (OptimizerName::RmspropTf, Schedule::Constant(7e-4)));
            assert!(!config.algorithm.normalize_advantage);
        }
        assert_eq!((config.evaluation.every, config.evaluation.episodes), (10_000, 10));
        assert!(!config.evaluation.deterministic);
        let noisy = preset(algorithm, GAME, &[Variation::Noise]).environment;
        assert_eq!((noisy.noise, noisy.noise_value), (NoiseName::RewardFlip, 0.1));
    }
}

/// Environment, and steps of PPO and A2C.
const CONTINUOUS: [(&str, u64, u64); 11] = [
    ("Ant-v4", 2_000_000, 2_000_000),
    ("HumanoidStandup-v4", 10_000_000, 2_000_000),
    ("Humanoid-v4", 10_000_000, 10_000_000),
    ("Walker2d-v4", 5_000_000, 2_000_000),
    ("Hopper-v4", 2_000_000, 2_000_000),
    ("HalfCheetah-v4", 2_000_000, 2_000_000),
    ("Swimmer-v4", 2_000_000, 2_000_000),
    ("InvertedDoublePendulum-v4", 2_000_000, 2_000_000),
    ("BipedalWalker-v3", 2_000_000, 2_000_000),
    ("LunarLanderContinuous-v2", 2_000_000, 2_000_000),
    ("LunarLanderContinuous-v3", 2_000_000, 2_000_000),
];

#[test]
fn numbers_are_trained_as_by_the_reference() {
    for (id, ppo_steps, a2c_steps) in CONTINUOUS {
        for algorithm in ["a2c", "sa2c", "ppo", "sppo", "da2c", "dsa2c", "dppo", "dsppo"] {
            let config = preset(algorithm, id, &[]);
            check_algorithm(&config, algorithm, 20.0);
            let (environment, update, policy) = (&config.environment, &config.update, &config.policy);
            let discretised = !matches!(algorithm, "a2c" | "ppo");
            assert_eq!(
                (environment.bins, environment.frame_stack),
                (if discretised { 11 } else { 0 }, 1),
                "{algorithm}"
            );
            assert!(environment.normalize && environment.id == id && policy.kind == PolicyKind::Mlp);
            assert_eq!(update.vf_coef, 0.5);
            let humanoid = id == "Humanoid-v4" && config.algorithm.name.uses_ratio();
            if humanoid {
                assert_eq!((environment.num_envs, update.rollout_steps, update.minibatch), (1, 512, Some(256)));
                assert_eq!((update.epochs, update.gamma, update.learning_rate), (5, 0.95, 3.5e-5));
                assert_eq!((update.ent_coef, update.clip_range), (0.002, 0.3));
                assert_eq!((policy.log_std_init, policy.ortho_init), (-2.0, false));
                assert_eq!((policy.activation, &policy.hidden[..]), (Activation::Relu, &[256, 256][..]));
            } else {
                let swimmer = id == "Swimmer-v4" && !config.algorithm.name.uses_ratio();
                assert_eq!((update.ent_coef, update.gamma), (0.0, if swimmer { 0.9999 } else { 0.99 }), "{id}");
                assert_eq!((policy.log_std_init, policy.ortho_init), (0.0, true));
                assert_eq!((policy.activation, &policy.hidden[..]), (Activation::Tanh, &[64, 64][..]));
            }
            if config.algorithm.name.uses_ratio() {
                assert_eq!((config.total_steps, config.optimizer.kind), (ppo_steps, OptimizerName::Adam), "{id}");
                assert!(config.algorithm.normalize_advantage);
                if !humanoid {
                    assert_eq!((environment.num_envs, update.rollout_steps, update.minibatch), (1, 2048, Some(64)));
                    assert_eq!((update.epochs, update.learning_rate, update.clip_range), (10, 3e-4, 0.2));
                }
            } else {
                assert_eq!((config.total_steps, config.optimizer.kind), (a2c_steps, OptimizerName::Rmsprop), "{id}");
                assert_eq!((environment.num_envs, update.rollout_steps, update.minibatch), (4, 8, None));
                assert_eq!((update.epochs, update.learning_rate), (1, 7e-4));
                assert!(!config.algorithm.normalize_advantage);
            }
            assert_eq!(update.schedule.of(1.0), Schedule::Constant(1.0));
            assert_eq!((config.evaluation.every, config.evaluation.episodes), (5_000, 10));
            assert!(config.evaluation.deterministic);
            let noisy = preset(algorithm, id, &[Variation::Noise]).environment;
            assert_eq!((noisy.noise, noisy.noise_value), (NoiseName::Normal, 0.05));
            let ablation = preset(algorithm, id, &[Variation::Unnormalized]);
            assert!(!ablation.algorithm.normalize_advantage && ablation.environment.normalize);
        }
    }
    let bullet = preset("ppo", "HumanoidBulletEnv-v0", &[]);
    assert_eq!((bullet.total_steps, bullet.environment.num_envs), (10_000_000, 8));
    let none = ControlConfig::preset(Family::Reference, "a2c", "HumanoidBulletEnv-v0", true, &[]);
    assert!(matches!(none, Err(PresetError::Environment { .. })), "the reference has no such entry");
}

#[test]
fn plain_ppo_with_the_coefficient_of_symmetric_ppo_is_what_it_is_called() {
    for (id, coefficient) in [(GAME, 1.5), ("Ant-v4", 20.5)] {
        let [matched, symmetric] = ["matched-ppo", "sppo"].map(|algorithm| preset(algorithm, id, &[]).update());
        let coefficient = Some(coefficient);
        assert_eq!(matched.policy_loss.effective_policy_coefficient(), coefficient);
        assert_eq!(symmetric.policy_loss.effective_policy_coefficient(), coefficient);
        assert_eq!(matched.policy_loss.algorithm, Algorithm::Sppo);
    }
}
