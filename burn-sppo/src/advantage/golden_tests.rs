use golden::{Case, flags, numbers_f32};

use super::{
    AdvantageKind, Gae, RewardNoise, SignChanges, explained_variance, explained_variance_stabilized, noise, normalize,
};
use crate::loss::{Algorithm, approximate_kl};

fn text<'a>(case: &'a Case, key: &str) -> &'a str {
    case.input(key).as_str().expect("a text")
}

fn number(case: &Case, key: &str) -> f64 {
    case.input(key).as_f64().expect("a number")
}

fn gae_of(case: &Case) -> Gae {
    Gae { gamma: number(case, "gamma"), lambda: number(case, "gae_lambda") }
}

#[test]
fn golden_gae_control() {
    for case in golden::load("gae.json").cases_of("kind", "control") {
        let gae = gae_of(case);
        let mut rewards = numbers_f32(case.input("rewards"));
        let final_values = numbers_f32(case.input("terminal_values"));
        gae.bootstrap_truncated(&mut rewards, &flags(case.input("truncated")), &final_values).unwrap();
        case.check_f32("rewards_bootstrapped", &rewards);
        let values = numbers_f32(case.input("values"));
        let last_values = numbers_f32(case.input("last_values"));
        let estimates = gae.control(&rewards, &values, &flags(case.input("dones")), &last_values).unwrap();
        case.check_f32("advantages", &estimates.advantages);
        case.check_f32("returns", &estimates.returns);
        case.assert_all_compared(&[]);
    }
}

#[test]
fn golden_gae_tokens() {
    for case in golden::load("gae.json").cases_of("kind", "token") {
        let rewards = numbers_f32(case.input("rewards"));
        let values = numbers_f32(case.input("values"));
        let length = golden::shape(case.input("rewards"))[1];
        let estimates = gae_of(case).tokens(&rewards, &values, &flags(case.input("mask")), length).unwrap();
        case.check_f32("advantages", &estimates.advantages);
        case.check_f32("returns", &estimates.returns);
        case.assert_all_compared(&[]);
    }
}

#[test]
fn golden_advantages() {
    for case in golden::load("advantages.json").cases() {
        let kind: AdvantageKind = serde_json::from_value(case.input("advantage_type").clone()).unwrap();
        let _: Algorithm = serde_json::from_value(case.input("algorithm").clone()).unwrap();
        let mut changes = SignChanges::default();
        let (mut normalised, mut used) = (vec![], vec![]);
        for (i, before) in case.input("minibatches").as_array().unwrap().iter().enumerate() {
            let before = numbers_f32(before);
            let mut advantages = before.clone();
            if case.input("flip_masks").is_array() {
                noise::flip(&mut advantages, &flags(case.input(&format!("flip_masks.{i}")))).unwrap();
            }
            if case.input("normalize") == true {
                normalize(&mut advantages, None).unwrap();
            }
            changes.record(&before, &advantages, None).unwrap();
            normalised.extend_from_slice(&advantages);
            kind.apply(&mut advantages);
            used.extend(advantages);
        }
        case.check_f32("after_normalisation", &normalised);
        case.check_f32("advantages", &used);
        case.check("changed", &[changes.changed as f64]);
        case.check("total", &[changes.total as f64]);
        case.check("sign_change_percent", &[changes.percent()]);
        case.check_f32("max_abs", &[changes.max_abs]);
        case.assert_all_compared(&[]);
    }
}

#[test]
fn golden_misc_reward_noise() {
    for case in golden::load("misc_rl.json").cases_of("kind", "reward_noise") {
        let amount = number(case, "noisy_value");
        let noise = match text(case, "noisy_type") {
            "normal" => RewardNoise::Normal(amount),
            "uniform" => RewardNoise::Uniform(amount),
            "reward_flip" => RewardNoise::RewardFlip(amount),
            "sign_flip" => RewardNoise::SignFlip(amount),
            _ => RewardNoise::None,
        };
        let draws = golden::numbers(case.input("draws"));
        let rewards = numbers_f32(case.input("rewards"));
        let noisy: Vec<f32> = rewards.iter().zip(draws).map(|(&reward, draw)| noise.apply(reward, draw)).collect();
        case.check_f32("rewards", &noisy);
    }
}

#[test]
fn golden_misc_explained_variance() {
    for case in golden::load("misc_rl.json").cases_of("kind", "explained_variance") {
        let (returns, predictions) = (numbers_f32(case.input("returns")), numbers_f32(case.input("predictions")));
        let explained = match text(case, "form") {
            "control" => explained_variance(&returns, &predictions),
            "lm" => explained_variance_stabilized(&returns, &predictions),
            other => panic!("{}: unknown form {other}", case.name()),
        };
        case.check("value", &[explained.unwrap()]);
    }
}

#[test]
fn golden_misc_kl_early_stop() {
    for case in golden::load("misc_rl.json").cases_of("kind", "kl_early_stop") {
        let target = case.input("target_kl").as_f64();
        let estimates = golden::numbers(case.input("approx_kl"));
        let steps = estimates.iter().take_while(|kl| !approximate_kl::exceeds_target(**kl, target)).count();
        case.check("optimiser_steps", &[steps as f64]);
        if steps < estimates.len() {
            case.check("stop_at", &[steps as f64]);
        } else {
            assert!(case.expected("stop_at").is_null(), "{}", case.name());
        }
    }
}
