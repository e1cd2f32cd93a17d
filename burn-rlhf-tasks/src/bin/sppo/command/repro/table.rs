use std::collections::BTreeMap;

use serde::Deserialize;

use crate::failure::Failure;

macro_rules! tables {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!($name, ".toml")))),*]
    };
}

/// The tables that there are.
const TABLES: [(&str, &str); 5] = tables!("imdb" "discrete" "continuous" "zoo" "atari");

/// A table of results: tasks, in each of them arms that differ in some settings, each of these over several seeds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Whether all rows start from models that the first one makes, so that it has to run alone.
    #[serde(default)]
    pub shared_stages: bool,
    /// Split whose evaluation counts.
    pub split: String,
    /// Evaluations at the end of a run whose mean counts.
    #[serde(default = "one")]
    pub evaluations: usize,
    pub seeds: Vec<u64>,
    /// What all rows give to `sppo train`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Settings of all rows, behind `--set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Evaluated metrics that are columns.
    pub metrics: Vec<String>,
    #[serde(rename = "task")]
    pub tasks: Vec<Task>,
    #[serde(rename = "arm")]
    pub arms: Vec<Arm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub name: String,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub set: Vec<String>,
    /// Instead of the table's.
    pub seeds: Option<Vec<u64>>,
    /// What others have measured, by arm.
    #[serde(default)]
    pub published: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub name: String,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub set: Vec<String>,
    /// Instead of the task's.
    pub seeds: Option<Vec<u64>>,
}

/// One training of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub task: String,
    pub arm: String,
    pub seed: u64,
    /// What `sppo train` is given besides task and seed; of settings of one key the last counts.
    pub arguments: Vec<String>,
}

/// Which rows of a table are asked for: all where nothing is said.
#[derive(Debug, Default)]
pub struct Selection<'a> {
    pub tasks: &'a [String],
    pub arms: &'a [String],
    pub seeds: &'a [u64],
    /// Settings beyond the table's.
    pub set: &'a [String],
}

impl Table {
    pub fn names() -> Vec<&'static str> {
        TABLES.iter().map(|(name, _)| *name).collect()
    }

    pub fn find(name: &str) -> Result<Self, Failure> {
        let (_, text) = TABLES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            Failure::usage(format!("there is no table {name}: the tables are {}", Self::names().join(", ")))
        })?;
        toml::from_str(text).map_err(Failure::failed)
    }

    /// The selected rows, task by task and arm by arm.
    pub fn rows(&self, selection: &Selection) -> Result<Vec<Row>, Failure> {
        known("task", selection.tasks, self.tasks.iter().map(|task| &task.name))?;
        known("arm", selection.arms, self.arms.iter().map(|arm| &arm.name))?;
        let chosen = |asked: &[String], name: &String| asked.is_empty() || asked.contains(name);
        let mut rows = Vec::new();
        for task in self.tasks.iter().filter(|task| chosen(selection.tasks, &task.name)) {
            for arm in self.arms.iter().filter(|arm| chosen(selection.arms, &arm.name)) {
                let own = arm.seeds.as_ref().or(task.seeds.as_ref()).unwrap_or(&self.seeds);
                let mut arguments = Vec::new();
                let parts = [(&self.arguments, &self.set), (&task.arguments, &task.set), (&arm.arguments, &arm.set)];
                for (plain, set) in parts {
                    arguments.extend(plain.iter().cloned());
                    arguments.extend(behind_set(set));
                }
                arguments.extend(behind_set(selection.set));
                for &seed in if selection.seeds.is_empty() { own } else { selection.seeds } {
                    let arguments = arguments.clone();
                    rows.push(Row { task: task.name.clone(), arm: arm.name.clone(), seed, arguments });
                }
            }
        }
        Ok(rows)
    }
}

fn one() -> usize {
    1
}

fn behind_set(set: &[String]) -> impl Iterator<Item = String> {
    set.iter().flat_map(|setting| ["--set".to_owned(), setting.clone()])
}

fn known<'a>(what: &str, asked: &[String], there: impl Iterator<Item = &'a String> + Clone) -> Result<(), Failure> {
    match asked.iter().find(|name| there.clone().all(|known| known != *name)) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = there.map(String::as_str).collect();
            Err(Failure::usage(format!("there is no {what} {unknown} in this table: there are {}", known.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        arguments::{Arguments, Command},
        command::{control, train},
    };

    fn all(name: &str) -> Vec<Row> {
        Table::find(name).unwrap().rows(&Selection::default()).unwrap()
    }

    #[test]
    fn every_row_of_every_table_resolves() {
        for name in Table::names() {
            for row in all(name) {
                let seed = row.seed.to_string();
                let fixed = ["sppo", "train", &row.task, "--seed", &seed];
                let line = fixed.into_iter().chain(row.arguments.iter().map(String::as_str));
                let Command::Train(arguments) = Arguments::try_parse_from(line).unwrap().command else { panic!() };
                let native = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1"];
                if native.contains(&row.task.as_str()) {
                    control::configuration(&arguments).unwrap_or_else(|_| panic!("{row:?}"));
                } else if !control::is_environment(&row.task) {
                    let config = train::configuration(&arguments).unwrap_or_else(|_| panic!("{row:?}"));
                    assert_eq!(config.model.seed, Some(42), "all arms start from one policy: {row:?}");
                }
            }
        }
    }

    #[test]
    fn published_numbers_are_of_arms_of_the_table() {
        for name in Table::names() {
            let table = Table::find(name).unwrap();
            for arm in table.tasks.iter().flat_map(|task| task.published.keys()) {
                assert!(table.arms.iter().any(|known| known.name == *arm), "{name}: {arm}");
            }
        }
    }

    #[test]
    fn tasks_arms_and_seeds_can_be_chosen_and_settings_added() {
        let table = Table::find("discrete").unwrap();
        let (tasks, arms, set) = (["Acrobot-v1".into()], ["sa2c".into()], ["total_steps=10".into()]);
        let selection = Selection { tasks: &tasks, arms: &arms, seeds: &[7], set: &set };
        let rows = table.rows(&selection).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].task.as_str(), rows[0].arm.as_str(), rows[0].seed), ("Acrobot-v1", "sa2c", 7));
        assert_eq!(rows[0].arguments[rows[0].arguments.len() - 2..], ["--set", "total_steps=10"]);
        let unknown = table.rows(&Selection { arms: &["spo".into()], ..Selection::default() }).unwrap_err();
        assert!(matches!(unknown, Failure::Usage(message) if message.contains("spo") && message.contains("sppo")));
        let unknown = table.rows(&Selection { tasks: &["Pong".into()], ..Selection::default() }).unwrap_err();
        assert!(matches!(unknown, Failure::Usage(message) if message.contains("CartPole-v1")));
        assert!(matches!(Table::find("imbd"), Err(Failure::Usage(message)) if message.contains("imdb")));
    }
}
