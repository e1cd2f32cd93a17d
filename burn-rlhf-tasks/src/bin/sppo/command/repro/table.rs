use serde::Deserialize;

use crate::failure::Failure;

/// The tables that there are.
const TABLES: [(&str, &str); 1] = [("imdb", include_str!("imdb.toml"))];

/// A table of results: arms that differ in some settings, each over several seeds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub task: String,
    /// Split whose evaluation counts.
    pub split: String,
    pub seeds: Vec<u64>,
    /// Settings of all arms.
    pub set: Vec<String>,
    /// Evaluated metrics that are columns.
    pub metrics: Vec<String>,
    #[serde(rename = "arm")]
    pub arms: Vec<Arm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub name: String,
    pub set: Vec<String>,
    /// Instead of the table's.
    pub seeds: Option<Vec<u64>>,
}

/// One training of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub arm: String,
    pub seed: u64,
    /// All settings, in the order in which they are applied.
    pub set: Vec<String>,
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

    /// The rows of the arms and seeds that are asked for (all if none is), arm by arm.
    pub fn rows(&self, arms: &[String], seeds: &[u64], set: &[String]) -> Result<Vec<Row>, Failure> {
        if let Some(unknown) = arms.iter().find(|name| self.arms.iter().all(|arm| arm.name != **name)) {
            let known: Vec<&str> = self.arms.iter().map(|arm| arm.name.as_str()).collect();
            return Err(Failure::usage(format!("there is no arm {unknown}: the arms are {}", known.join(", "))));
        }
        let mut rows = Vec::new();
        for arm in self.arms.iter().filter(|arm| arms.is_empty() || arms.contains(&arm.name)) {
            let own = arm.seeds.as_ref().unwrap_or(&self.seeds);
            for &seed in if seeds.is_empty() { own } else { seeds } {
                let set = [&self.set[..], &arm.set, set].concat();
                rows.push(Row { arm: arm.name.clone(), seed, set });
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use burn_rlhf_tasks::config::{Overrides, RunConfig};

    use super::*;

    #[test]
    fn every_row_of_every_table_resolves() {
        for name in Table::names() {
            let table = Table::find(name).unwrap();
            for row in table.rows(&[], &[], &[]).unwrap() {
                let mut set = vec![format!("task.name={}", table.task)];
                set.extend(row.set.clone());
                let config = RunConfig::resolve(&Overrides { set, ..Overrides::default() }).unwrap();
                assert_eq!(config.model.seed, Some(42), "all arms start from one policy: {row:?}");
            }
        }
    }

    #[test]
    fn arms_and_seeds_can_be_chosen_and_settings_added() {
        let table = Table::find("imdb").unwrap();
        let rows = table.rows(&["sa2c".into()], &[7], &["size=tiny".into()]).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].arm.as_str(), rows[0].seed), ("sa2c", 7));
        assert_eq!(rows[0].set.last().unwrap(), "size=tiny");
        let Failure::Usage(message) = table.rows(&["spo".into()], &[], &[]).unwrap_err() else { panic!() };
        assert!(message.contains("spo") && message.contains("sppo"), "{message}");
        assert!(matches!(Table::find("imbd"), Err(Failure::Usage(message)) if message.contains("imdb")));
    }
}
