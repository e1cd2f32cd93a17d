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
    pub arm: String,
    pub seed: u64,
    pub set: Vec<String>,
    pub iterations: u64,
    /// Evaluated before the first iteration.
    pub before: BTreeMap<String, f64>,
    /// Evaluated after the last.
    pub after: BTreeMap<String, f64>,
    /// Share of advantages whose sign normalisation changed, the mean over the iterations; `None` where it was not
    /// measured.
    pub sign_change_percent: Option<f64>,
}

impl RowResult {
    /// Reads the files of a finished run.
    pub fn read(row: &Row, table: &Table, run: &Path) -> Result<Self, Failure> {
        let history = History::read(&RunDirectory::open(run)?).map_err(Failure::failed)?;
        let missing = |what: &str| Failure::failed(format!("{} has no {what}", run.display()));
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        for metric in &table.metrics {
            let points = history
                .metrics
                .get(&format!("{}/{metric}", table.split))
                .ok_or_else(|| missing(&format!("metric {metric}")))?;
            if let (Some(first), Some(last)) = (points.first(), points.last()) {
                before.insert(metric.clone(), first.1);
                after.insert(metric.clone(), last.1);
            }
        }
        let changes = history.metrics.get("ppo/sign_change_percent").ok_or_else(|| missing("sign changes"))?;
        Ok(Self {
            arm: row.arm.clone(),
            seed: row.seed,
            set: row.set.clone(),
            iterations: changes.len() as u64,
            before,
            after,
            sign_change_percent: Some(mean(changes.iter().map(|point| point.1))),
        })
    }

    pub fn is_of(&self, row: &Row) -> bool {
        (&self.arm, self.seed, &self.set) == (&row.arm, row.seed, &row.set)
    }
}

/// Adds a finished row to a file, in the place of a last one that was not written to its end.
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

/// The table in Markdown: a line for each arm, mean and standard error over its seeds.
pub fn markdown(table: &Table, results: &[RowResult]) -> String {
    let short = |metric: &str| metric.rsplit('/').next().unwrap_or(metric).replace('_', " ");
    let mut head = vec!["arm".to_owned(), "seeds".into(), "iterations".into()];
    head.extend(table.metrics.iter().map(|metric| short(metric)));
    head.push("sign changes %".into());
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    for arm in &table.arms {
        let rows: Vec<&RowResult> = results.iter().filter(|result| result.arm == arm.name).collect();
        let Some(first) = rows.first() else { continue };
        let mut add =
            |name: &str, iterations: u64, measured: fn(&RowResult) -> &BTreeMap<String, f64>, last: String| {
                let mut cells = vec![name.to_owned(), rows.len().to_string(), iterations.to_string()];
                cells.extend(
                    table.metrics.iter().map(|metric| {
                        spread(rows.iter().filter_map(|row| measured(row).get(metric).copied()).collect())
                    }),
                );
                cells.push(last);
                lines.push(line(&cells));
            };
        // All arms start from one policy: the seeds of the first show how it scores.
        if first.arm == results[0].arm {
            add("before", 0, |row| &row.before, String::new());
        }
        let changes = spread(rows.iter().filter_map(|row| row.sign_change_percent).collect());
        add(&arm.name, first.iterations, |row| &row.after, changes);
    }
    lines.join("\n")
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.sum::<f64>() / count
}

/// Mean and standard error of the mean; empty without numbers.
fn spread(numbers: Vec<f64>) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let center = mean(numbers.iter().copied());
    if numbers.len() < 2 {
        return format!("{center:.3}");
    }
    let count = numbers.len() as f64;
    let variance = numbers.iter().map(|x| (x - center).powi(2)).sum::<f64>() / (count - 1.0);
    format!("{center:.3} ± {:.3}", (variance / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_lines::read;

    fn result(arm: &str, seed: u64, value: f64) -> RowResult {
        let metrics = Table::find("imdb").unwrap().metrics;
        let all = |value: f64| metrics.iter().map(|metric| (metric.clone(), value)).collect();
        RowResult {
            arm: arm.into(),
            seed,
            set: vec!["a=1".into()],
            iterations: 20,
            before: all(0.5),
            after: all(value),
            sign_change_percent: Some(12.5),
        }
    }

    #[test]
    fn finished_rows_are_read_back_and_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/rows.jsonl");
        assert_eq!(read::<RowResult>(&path).unwrap(), []);
        let rows = [result("ppo", 1, 0.75), result("sppo", 2, 1.0)];
        rows.iter().for_each(|row| append(&path, row).unwrap());
        assert_eq!(read::<RowResult>(&path).unwrap(), rows);
        let row = Row { arm: "ppo".into(), seed: 1, set: vec!["a=1".into()] };
        assert!(rows[0].is_of(&row));
        for other in
            [Row { seed: 2, ..row.clone() }, Row { set: vec![], ..row.clone() }, Row { arm: "x".into(), ..row }]
        {
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
    fn the_table_has_means_and_standard_errors() {
        let table = Table::find("imdb").unwrap();
        let rows = [result("ppo", 1, 0.25), result("sppo", 1, 0.5), result("sppo", 2, 0.75)];
        let text = markdown(&table, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[2].starts_with("| before | 1 | 0 | 0.500 |"), "{text}");
        assert!(lines[3].starts_with("| ppo | 1 | 20 | 0.250 |"), "{text}");
        assert!(lines[4].starts_with("| sppo | 2 | 20 | 0.625 ± 0.125 |"), "{text}");
    }
}
