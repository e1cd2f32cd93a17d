use burn_sppo::run::float_bits;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How the weight of the KL penalty follows the measured KL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlControl {
    /// The weight stays.
    #[default]
    Fixed,
    /// `k *= 1 + 0.1 (d - T) / T`.
    Adaptive,
    /// `k *= 1 + (d - T) / T * 64 / 750`.
    Scaled,
    /// One Adam step on `k` with gradient `-(d - T)`; may become negative.
    Pid,
    /// As `Pid`, then `max(k, 0)`.
    Ball,
}

/// Settings of a [`KlController`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KlConfig {
    pub control: KlControl,
    /// First weight of the penalty.
    pub coef: f64,
    /// KL of a response, summed over its tokens, that the weight steers to; without it the weight stays.
    pub target: Option<f64>,
    /// Step size of `Pid` and `Ball`.
    pub learning_rate: f64,
    /// Bound on the relative error `(d - T) / T` of `Adaptive` and `Scaled`.
    pub error_clip: Option<f64>,
}

impl Default for KlConfig {
    fn default() -> Self {
        Self { control: KlControl::Fixed, coef: 0.001, target: Some(0.1), learning_rate: 0.01, error_clip: None }
    }
}

/// A setting of [`KlConfig`] that makes no sense.
#[derive(Debug, Error)]
pub enum KlError {
    #[error("the KL target is {0}: it must be above 0 for this controller")]
    Target(f64),
    #[error("the KL coefficient {0} is not a finite number")]
    Coefficient(f64),
}

impl KlConfig {
    /// # Errors
    /// If the coefficient is not finite or a target is not positive where it divides.
    pub fn init(&self) -> Result<KlController, KlError> {
        if !self.coef.is_finite() {
            return Err(KlError::Coefficient(self.coef));
        }
        match (self.control, self.target) {
            (KlControl::Adaptive | KlControl::Scaled, Some(target)) if target <= 0.0 => Err(KlError::Target(target)),
            _ => Ok(KlController { config: self.clone(), state: KlState { coef: self.coef, ..KlState::default() } }),
        }
    }
}

/// Everything of a controller that changes: part of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KlState {
    #[serde(with = "float_bits")]
    pub coef: f64,
    #[serde(with = "float_bits")]
    first_moment: f64,
    #[serde(with = "float_bits")]
    second_moment: f64,
    steps: i32,
}

/// The weight of the KL penalty, stepped once an iteration.
#[derive(Clone, Debug)]
pub struct KlController {
    config: KlConfig,
    state: KlState,
}

impl KlController {
    pub fn coef(&self) -> f64 {
        self.state.coef
    }

    pub fn state(&self) -> KlState {
        self.state
    }

    pub fn restore(&mut self, state: KlState) {
        self.state = state;
    }

    /// Takes the mean over responses of the KL summed over their tokens; acts from the next iteration on.
    pub fn step(&mut self, kl: f64) {
        let Some(target) = self.config.target else { return };
        if !kl.is_finite() {
            return;
        }
        let relative = || {
            let error = (kl - target) / target;
            self.config.error_clip.map_or(error, |bound| error.clamp(-bound, bound))
        };
        match self.config.control {
            KlControl::Fixed => {}
            KlControl::Adaptive => self.state.coef *= 1.0 + 0.1 * relative(),
            KlControl::Scaled => self.state.coef *= 1.0 + relative() * 64.0 / 750.0,
            KlControl::Pid => self.adam(target - kl),
            KlControl::Ball => {
                self.adam(target - kl);
                self.state.coef = self.state.coef.max(0.0);
            }
        }
    }

    /// One Adam step with the usual decay rates (arXiv 1412.6980).
    fn adam(&mut self, gradient: f64) {
        const BETA_1: f64 = 0.9;
        const BETA_2: f64 = 0.999;
        let state = &mut self.state;
        state.steps += 1;
        state.first_moment = BETA_1 * state.first_moment + (1.0 - BETA_1) * gradient;
        state.second_moment = BETA_2 * state.second_moment + (1.0 - BETA_2) * gradient * gradient;
        let mean = state.first_moment / (1.0 - BETA_1.powi(state.steps));
        let scale = (state.second_moment / (1.0 - BETA_2.powi(state.steps))).sqrt() + 1e-8;
        state.coef -= self.config.learning_rate * mean / scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_coefficients_follow_the_measured_kl() {
        for case in golden::load("kl_controllers.json").cases() {
            let control = match case.input("kl_type").as_str().unwrap() {
                "fixedklcontroller" => KlControl::Fixed,
                "klcontroller" => KlControl::Adaptive,
                "scaledklcontroller" => KlControl::Scaled,
                "klpidcontroller" => KlControl::Pid,
                "ballklcontroller" => KlControl::Ball,
                other => panic!("unknown controller {other}"),
            };
            let config = KlConfig {
                control,
                coef: case.input("coeff").as_f64().unwrap(),
                target: case.input("target_kl").as_f64(),
                learning_rate: case.input("kl_lr").as_f64().unwrap(),
                error_clip: None,
            };
            let mut controller = config.init().unwrap();
            let coefficients: Vec<f64> = golden::numbers(case.input("kl"))
                .into_iter()
                .map(|kl| {
                    controller.step(kl);
                    controller.coef()
                })
                .collect();
            case.check("coefficients", &coefficients);
        }
    }

    #[test]
    fn a_restored_controller_goes_on_as_if_never_stopped() {
        let config = KlConfig { control: KlControl::Pid, ..KlConfig::default() };
        let mut whole = config.init().unwrap();
        let mut first = config.init().unwrap();
        for kl in [0.2, 0.05] {
            whole.step(kl);
            first.step(kl);
        }
        let mut second = config.init().unwrap();
        let saved = serde_json::to_string(&first.state()).unwrap();
        second.restore(serde_json::from_str(&saved).unwrap());
        whole.step(0.3);
        second.step(0.3);
        assert_eq!(whole.coef(), second.coef());
    }

    #[test]
    fn a_target_of_zero_is_refused_where_it_divides() {
        let config = KlConfig { control: KlControl::Adaptive, target: Some(0.0), ..KlConfig::default() };
        assert!(config.init().is_err());
    }
}
