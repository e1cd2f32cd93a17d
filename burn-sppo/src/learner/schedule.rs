use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a schedule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a schedule: write a number (3e-4), or lin_ and a number (lin_2.5e-4) that falls to 0")]
pub struct ScheduleError {
    text: String,
}

/// A setting that may fall over a run of a known number of environment steps: learning rate, clip range.
///
/// Written as a number, or as `lin_` and a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Schedule {
    /// The same throughout. Negative numbers pass, since one switches the clipping of values off.
    Constant(f64),
    /// Falls linearly to 0 at the end of the run.
    Linear(f64),
}

impl Schedule {
    /// The value where `progress_remaining` of the run is left, from 1 down to 0.
    pub fn value(self, progress_remaining: f64) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Linear(start) => start * progress_remaining,
        }
    }
}

/// Share of the run that is left after `steps` of `total`. The last rollout may overshoot the total: the share stays
/// 0 then.
pub fn progress_remaining(steps: u64, total: u64) -> f64 {
    progress_remaining_unclamped(steps, total).max(0.0)
}

/// [`progress_remaining`] without the stop at 0, as in the reference implementation: the learning rate and the clip
/// range of an overshooting rollout are slightly negative then. For comparisons.
pub fn progress_remaining_unclamped(steps: u64, total: u64) -> f64 {
    1.0 - steps as f64 / total.max(1) as f64
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let number = |digits: &str| match digits.trim().parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(ScheduleError { text: text.to_owned() }),
        };
        match text.trim().strip_prefix("lin_") {
            Some(start) => number(start).map(Self::Linear),
            None => number(text).map(Self::Constant),
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            Self::Linear(start) => write!(f, "lin_{start}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

impl TryFrom<Written> for Schedule {
    type Error = ScheduleError;

    fn try_from(written: Written) -> Result<Self, ScheduleError> {
        match written {
            Written::Number(value) if value.is_finite() => Ok(Self::Constant(value)),
            Written::Number(value) => Err(ScheduleError { text: value.to_string() }),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Schedule> for Written {
    fn from(schedule: Schedule) -> Self {
        match schedule {
            Schedule::Constant(value) => Self::Number(value),
            Schedule::Linear(_) => Self::Text(schedule.to_string()),
        }
    }
}

/// How a learning rate changes from iteration to iteration. A pure function of the iteration: there is no state to
/// save.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "id", deny_unknown_fields)]
pub enum LearningRateSchedule {
    /// The same throughout.
    #[default]
    Constant,
    /// Falls linearly to 0 within `total_iters` iterations, and stays there.
    Linear {
        /// Number of iterations until 0.
        total_iters: u64,
    },
    /// Falls along half a cosine to `eta_min` within `t_max` iterations, and stays there.
    ///
    /// See [SGDR](https://arxiv.org/abs/1608.03983), equation 5, without restarts.
    Cosine {
        /// Number of iterations until the minimum.
        #[serde(alias = "T_max")]
        t_max: u64,
        /// The minimum.
        #[serde(default)]
        eta_min: f64,
    },
}

impl LearningRateSchedule {
    /// The learning rate of `iteration`, counted from 0, where the first one has `base`.
    pub fn value(self, base: f64, iteration: u64) -> f64 {
        let done = |length: u64| iteration.min(length) as f64 / length.max(1) as f64;
        match self {
            Self::Constant => base,
            Self::Linear { total_iters: 0 } => 0.0,
            Self::Linear { total_iters } => base * (1.0 - done(total_iters)),
            Self::Cosine { t_max: 0, eta_min } => eta_min,
            Self::Cosine { t_max, eta_min } => {
                eta_min + (base - eta_min) * (1.0 + (std::f64::consts::PI * done(t_max)).cos()) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golden::{Case, integers, numbers};
    use serde_json::{Map, Value, json};

    #[test]
    fn golden_schedules_of_progress() {
        for case in golden::load("schedules.json").cases_of("kind", "control") {
            let schedule: Schedule = serde_json::from_value(case.input("spec").clone()).unwrap();
            let total = case.input("total_timesteps").as_u64().unwrap();
            let over_steps = |of: &dyn Fn(u64) -> f64| -> Vec<f64> {
                integers(case.input("num_timesteps")).into_iter().map(|steps| of(steps as u64)).collect()
            };
            case.check("progress_remaining", &over_steps(&|steps| progress_remaining(steps, total)));
            case.check("values", &over_steps(&|steps| schedule.value(progress_remaining(steps, total))));
            let unclamped = over_steps(&|steps| schedule.value(progress_remaining_unclamped(steps, total)));
            case.check("values_unclamped", &unclamped);
        }
    }

    fn schedule_of(case: &Case) -> LearningRateSchedule {
        let mut written: Map<String, Value> = case.input("args").as_object().unwrap().clone();
        written.insert("id".into(), case.input("id").clone());
        serde_json::from_value(Value::Object(written)).unwrap()
    }

    #[test]
    fn golden_schedules_of_iterations() {
        for case in golden::load("schedules.json").cases_of("kind", "lm") {
            let (schedule, base) = (schedule_of(case), case.input("lr").as_f64().unwrap());
            let count = numbers(case.expected("lr_at_iteration")).len() as u64;
            let values: Vec<f64> = (0..count).map(|iteration| schedule.value(base, iteration)).collect();
            case.check("lr_at_iteration", &values);
        }
    }

    #[test]
    fn schedules_are_read_and_written() {
        for (written, schedule) in
            [(json!(3e-4), Schedule::Constant(3e-4)), (json!("lin_0.00025"), Schedule::Linear(2.5e-4))]
        {
            assert_eq!(serde_json::from_value::<Schedule>(written.clone()).unwrap(), schedule);
            assert_eq!(serde_json::to_value(schedule).unwrap(), written);
        }
        for nonsense in ["lin_", "cosine", "lin_nan", "inf", ""] {
            assert!(nonsense.parse::<Schedule>().is_err(), "{nonsense}");
        }
        assert!(serde_json::from_value::<LearningRateSchedule>(json!({"id": "fancy"})).is_err());
    }

    #[test]
    fn a_rate_stays_at_its_end() {
        let cosine = LearningRateSchedule::Cosine { t_max: 4, eta_min: 0.1 };
        assert_eq!((cosine.value(1.0, 4), cosine.value(1.0, 9)), (0.1, 0.1));
        assert_eq!(LearningRateSchedule::Linear { total_iters: 0 }.value(1.0, 0), 0.0);
        assert_eq!(progress_remaining(3, 0), 0.0);
    }
}
