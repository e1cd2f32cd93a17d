use serde::{Deserialize, Serialize};

/// How a number, such as the learning rate, follows the progress of training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    #[default]
    Constant,
    /// It falls to 0 on a straight line.
    Linear,
    /// It falls to 0 on half a cosine.
    Cosine,
}

/// A value that decays over a number of iterations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The value at the start.
    pub initial: f64,
    pub decay: Decay,
    /// Iterations until the end of the decay; the value stays at 0 after them.
    pub total: u64,
}

impl Schedule {
    pub fn constant(initial: f64) -> Self {
        Self { initial, decay: Decay::Constant, total: 1 }
    }

    /// The value in iteration `iteration`, 0 for the first.
    pub fn value(&self, iteration: u64) -> f64 {
        let done = iteration.min(self.total) as f64 / self.total.max(1) as f64;
        self.initial
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => remaining(done),
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            }
    }

    /// The value when `steps` of `total_steps` environment steps are done, which the last rollout may overshoot: it is
    /// never below 0.
    pub fn at_progress(&self, steps: u64, total_steps: u64) -> f64 {
        Self { total: total_steps, ..*self }.value(steps)
    }
}

fn remaining(done: f64) -> f64 {
    (1.0 - done).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_learning_rates_by_iteration() {
        for case in golden::load("schedules.json").cases_of("kind", "lm") {
            let decay = match case.input("id").as_str().unwrap() {
                "constant" => Decay::Constant,
                "linear" => Decay::Linear,
                "cosine" => Decay::Cosine,
                other => panic!("unknown schedule {other}"),
            };
            let schedule = Schedule {
                initial: case.input("lr").as_f64().unwrap(),
                decay,
                total: ["total_iters", "T_max", "num_training_steps"]
                    .iter()
                    .find_map(|key| case.input(&format!("args.{key}")).as_u64())
                    .unwrap_or(1),
            };
            let rates: Vec<f64> =
                (0..case.input("iterations").as_u64().unwrap()).map(|iteration| schedule.value(iteration)).collect();
            case.check("lr_at_iteration", &rates);
        }
    }

    #[test]
    fn golden_values_by_progress_stop_at_zero() {
        for case in golden::load("schedules.json").cases_of("kind", "control") {
            let (decay, initial) = match case.input("spec").as_str().and_then(|spec| spec.strip_prefix("lin_")) {
                Some(initial) => (Decay::Linear, initial.parse().unwrap()),
                None => (Decay::Constant, case.input("spec").as_f64().unwrap()),
            };
            let total = case.input("total_timesteps").as_u64().unwrap();
            let schedule = Schedule { initial, decay, total };
            let values: Vec<f64> = golden::integers(case.input("num_timesteps"))
                .into_iter()
                .map(|steps| schedule.at_progress(steps as u64, total))
                .collect();
            case.check("values", &values);
        }
    }
}
