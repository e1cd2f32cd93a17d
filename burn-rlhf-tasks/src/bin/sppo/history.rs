//! The numbers of a finished or running run, read back from its files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use burn_sppo::run::RunDirectory;
use serde::Deserialize;
use thiserror::Error;

/// Every metric of a run by name: iterations and numbers in ascending order.
#[derive(Debug, Default, PartialEq)]
pub struct History {
    pub metrics: BTreeMap<String, Vec<(f64, f64)>>,
    /// Last lines that were not finished, because the run was killed or is writing them now: they are left out.
    pub torn: Vec<Torn>,
}

/// A last line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub path: PathBuf,
    pub line: usize,
}

/// Why the numbers of a run cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    #[error("{} is not there: name the folder of a run, which holds metrics.jsonl", .path.display())]
    Missing { path: PathBuf },
    #[error("reading {} failed: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}, line {line}: {reason}; mend or delete that line", .path.display())]
    Line { path: PathBuf, line: usize, reason: String },
}

/// A line of `metrics.jsonl`.
#[derive(Deserialize)]
struct Metrics {
    iteration: u64,
    #[serde(flatten)]
    numbers: BTreeMap<String, Option<f64>>,
}

/// A line of `evaluation.jsonl`.
#[derive(Deserialize)]
struct Evaluated {
    iteration: u64,
    split: String,
    metrics: BTreeMap<String, Option<f64>>,
}

impl History {
    /// Reads the metrics and evaluations of a run. Evaluations have their split in front: `val/kl_div`.
    ///
    /// # Errors
    /// If there is no `metrics.jsonl`, or a line is not one that a run has written.
    pub fn read(directory: &RunDirectory) -> Result<Self, HistoryError> {
        let mut history = Self::default();
        history
            .read_lines(&directory.metrics(), true, |line: Metrics| (line.iteration, String::new(), line.numbers))?;
        history.read_lines(&directory.evaluation(), false, |line: Evaluated| {
            (line.iteration, format!("{}/", line.split), line.metrics)
        })?;
        Ok(history)
    }

    fn read_lines<L: for<'a> Deserialize<'a>>(
        &mut self,
        path: &Path,
        required: bool,
        parts: impl Fn(L) -> (u64, String, BTreeMap<String, Option<f64>>),
    ) -> Result<(), HistoryError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(HistoryError::Missing { path: path.to_path_buf() });
            }
            Err(source) => return Err(HistoryError::Read { path: path.to_path_buf(), source }),
        };
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if !line.ends_with(b"\n") {
                self.torn.push(Torn { path: path.to_path_buf(), line: index + 1 });
                continue;
            }
            let line = serde_json::from_slice(line).map_err(|error| HistoryError::Line {
                path: path.to_path_buf(),
                line: index + 1,
                reason: error.to_string(),
            })?;
            let (iteration, prefix, numbers) = parts(line);
            for (name, number) in numbers {
                // JSON has no NaN: it is written as null.
                let point = (iteration as f64, number.unwrap_or(f64::NAN));
                self.metrics.entry(format!("{prefix}{name}")).or_default().push(point);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn_rlhf_tasks::training::EvaluationReport;

    use super::*;

    const METRICS: &str = "{\"iteration\":1,\"a/x\":0.5,\"y\":null}\n{\"iteration\":2,\"a/x\":1.5,\"y\":3}\n";
    const EVALUATIONS: &str = "{\"iteration\":0,\"epoch\":0,\"split\":\"val\",\"metrics\":{\"kl_div\":0.25}}\n";

    fn run(metrics: &str, evaluations: Option<&str>) -> (tempfile::TempDir, Result<History, HistoryError>) {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        fs::write(directory.metrics(), metrics).unwrap();
        if let Some(evaluations) = evaluations {
            fs::write(directory.evaluation(), evaluations).unwrap();
        }
        let history = History::read(&directory);
        (folder, history)
    }

    #[test]
    fn metrics_and_evaluations_are_read_by_name() {
        let history = run(METRICS, Some(EVALUATIONS)).1.unwrap();
        assert_eq!(history.metrics.keys().collect::<Vec<_>>(), ["a/x", "val/kl_div", "y"]);
        assert_eq!(history.metrics["a/x"], [(1.0, 0.5), (2.0, 1.5)]);
        assert_eq!(history.metrics["val/kl_div"], [(0.0, 0.25)]);
        assert!(history.metrics["y"][0].1.is_nan());
        assert_eq!(history.torn, []);
    }

    #[test]
    fn what_a_run_writes_is_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        burn_sppo::run::MetricLog::open(&directory, None).unwrap().log(7, &[("kl", 0.5)]).unwrap();
        let metrics = BTreeMap::from([("kl_div".to_owned(), 0.25)]);
        let report = EvaluationReport { epoch: 7, split: "test".into(), metrics };
        burn_sppo::run::JsonLines::open(directory.evaluation(), None).unwrap().append(7, &report).unwrap();
        let history = History::read(&directory).unwrap();
        assert_eq!(history.metrics["kl"], [(7.0, 0.5)]);
        assert_eq!(history.metrics["test/kl_div"], [(7.0, 0.25)]);
    }

    #[test]
    fn a_run_without_evaluations_has_its_metrics() {
        assert_eq!(run(METRICS, None).1.unwrap().metrics.len(), 2);
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_named() {
        let (folder, history) = run(&METRICS[..METRICS.len() - 4], Some(EVALUATIONS));
        let history = history.unwrap();
        assert_eq!(history.metrics["a/x"], [(1.0, 0.5)]);
        assert_eq!(history.torn, [Torn { path: folder.path().join("metrics.jsonl"), line: 2 }]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let first = METRICS.lines().next().unwrap();
        for broken in
            ["{\"iteration\"", "[]", "{\"a\":1}", "{\"iteration\":-1}", "{\"iteration\":3,\"a\":\"x\"}", "", "\u{fffd}"]
        {
            let (folder, history) = run(&format!("{first}\n{broken}\n"), None);
            let error = history.unwrap_err();
            assert!(matches!(&error, HistoryError::Line { line: 2, .. }), "{broken:?}: {error}");
            assert!(
                error.to_string().starts_with(&format!("{}, line 2: ", folder.path().join("metrics.jsonl").display()))
            );
        }
        let error = run(METRICS, Some("{\"iteration\":1}\n")).1.unwrap_err();
        assert!(error.to_string().contains("evaluation.jsonl, line 1: missing field `split`"), "{error}");
    }

    #[test]
    fn a_folder_without_metrics_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        let error = History::read(&directory).unwrap_err();
        assert!(matches!(&error, HistoryError::Missing { path } if *path == directory.metrics()), "{error}");
    }
}
