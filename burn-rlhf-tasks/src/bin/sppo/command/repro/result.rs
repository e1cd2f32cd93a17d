use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{Read, Write},
    path::Path,
};

use burn_sppo::run::RunDirectory;
use serde::{Deserialize, Serialize};

use super::table::{Row, Table};
use crate::{failure::Failure, history::History};

/// What a finished row has measured: one line of the file of results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowResult {
    pub task: String,
    pub arm: String,
    pub seed: u64,
    pub arguments: Vec<String>,
    pub iterations: u64,
    /// Steps of the environment, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Evaluated before the first iteration, where that was done.
    pub before: BTreeMap<String, f64>,
    /// Evaluated at the end.
    pub after: BTreeMap<String, f64>,
    /// Share of advantages whose sign normalisation changed, the mean over the iterations; `None` where it was not
    /// measured.
    pub sign_change_percent: Option<f64>,
}

impl RowResult {
    /// Reads the files of a finished run.
    pub fn read(row: &Row, table: &Table, run: &Path) -> Result<Self, Failure> {
        let metrics = History::read(&RunDirectory::open(run)?).map_err(Failure::failed)?.metrics;
        let missing = |what: &str| Failure::failed(format!("{} has no {what}", run.display()));
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        for metric in &table.metrics {
            let name = format!("{}/{metric}", table.split);
            let points = metrics.get(&name).ok_or_else(|| missing(&format!("metric {name}")))?;
            if let Some((_, first)) = points.first().filter(|(iteration, _)| *iteration == 0.0) {
                before.insert(metric.clone(), *first);
            }
            let last = &points[points.len().saturating_sub(table.evaluations)..];
            after.insert(metric.clone(), mean(last.iter().map(|point| point.1)));
        }
        let changes = metrics.iter().find(|(name, _)| name.ends_with("/sign_change_percent"));
        let (_, changes) = changes.ok_or_else(|| missing("sign changes"))?;
        let steps = metrics.get("time/total_timesteps").and_then(|steps| steps.last());
        Ok(Self {
            task: row.task.clone(),
            arm: row.arm.clone(),
            seed: row.seed,
            arguments: row.arguments.clone(),
            iterations: changes.len() as u64,
            steps: steps.map(|(_, steps)| *steps as u64),
            before,
            after,
            sign_change_percent: Some(mean(changes.iter().map(|point| point.1))),
        })
    }

    pub fn is_of(&self, row: &Row) -> bool {
        (&self.task, &self.arm, self.seed, &self.arguments) == (&row.task, &row.arm, row.seed, &row.arguments)
    }
}

/// Mean of some numbers; not a number without any.
pub fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}

/// Adds a finished row to a file, in the place of a last one that was not written to its end. One at a time.
pub fn append(path: &Path, result: &RowResult) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut line = serde_json::to_string(result).map_err(Failure::failed)?;
    line.push('\n');
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
    let mut written = Vec::new();
    file.read_to_end(&mut written).map_err(failed)?;
    let whole = written.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    if whole < written.len() {
        file.set_len(whole as u64).map_err(failed)?;
    }
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_lines::read;

    fn row() -> Row {
        Row { task: "imdb".into(), arm: "ppo".into(), seed: 1, arguments: vec!["--noise".into()] }
    }

    fn finished(steps: Option<u64>) -> RowResult {
        let Row { task, arm, seed, arguments } = row();
        let (before, after) = (BTreeMap::new(), BTreeMap::from([("score".to_owned(), 0.75)]));
        RowResult { task, arm, seed, arguments, iterations: 20, steps, before, after, sign_change_percent: Some(12.5) }
    }

    #[test]
    fn finished_rows_are_read_back_and_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/rows.jsonl");
        assert_eq!(read::<RowResult>(&path).unwrap(), []);
        let rows = [finished(None), finished(Some(4096))];
        rows.iter().for_each(|row| append(&path, row).unwrap());
        assert_eq!(read::<RowResult>(&path).unwrap(), rows);
        assert!(rows[0].is_of(&row()));
        for other in [
            Row { seed: 2, ..row() },
            Row { arguments: vec![], ..row() },
            Row { arm: "x".into(), ..row() },
            Row { task: "x".into(), ..row() },
        ] {
            assert!(!rows[0].is_of(&other), "{other:?}");
        }
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", &whole[..40])).unwrap();
        assert_eq!(read::<RowResult>(&path).unwrap(), rows);
        append(&path, &rows[0]).unwrap();
        assert_eq!(read::<RowResult>(&path).unwrap(), [&rows[..], &rows[..1]].concat());
        fs::write(&path, "{\"arm\"\n").unwrap();
        assert!(matches!(read::<RowResult>(&path), Err(Failure::Failed(message)) if message.contains("line 1")));
    }

    #[test]
    fn a_row_is_the_mean_of_the_last_evaluations() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        let metrics = |iteration: u64| {
            format!(
                "{{\"iteration\":{iteration},\"train/sign_change_percent\":{iteration},\"time/total_timesteps\":{}}}\n",
                iteration * 8
            )
        };
        fs::write(directory.metrics(), (1..=3).map(metrics).collect::<String>()).unwrap();
        let evaluation = |iteration: u64, value: f64| {
            format!("{{\"iteration\":{iteration},\"split\":\"eval\",\"metrics\":{{\"mean_reward\":{value}}}}}\n")
        };
        let evaluations = [(0, 1.0), (1, 10.0), (2, 20.0), (3, 40.0)];
        let lines: String = evaluations.map(|(iteration, value)| evaluation(iteration, value)).concat();
        fs::write(directory.evaluation(), lines).unwrap();
        let table = Table { evaluations: 2, ..Table::find("discrete").unwrap() };
        let result = RowResult::read(&row(), &table, folder.path()).unwrap();
        assert_eq!((result.iterations, result.steps, result.sign_change_percent), (3, Some(24), Some(2.0)));
        assert_eq!(result.after, BTreeMap::from([("mean_reward".to_owned(), 30.0)]));
        assert_eq!(result.before, BTreeMap::from([("mean_reward".to_owned(), 1.0)]));
    }
}
