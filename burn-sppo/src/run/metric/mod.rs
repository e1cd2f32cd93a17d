//! The numbers of a run, in files that people and programs read.

mod events;
mod table;

use super::{JsonLines, RunDirectory, RunError};
use events::Events;
use serde::ser::{Serialize, SerializeMap, Serializer};
use table::Table;

/// Writes the numbers of each iteration to `metrics.jsonl`, `metrics.csv` and TensorBoard's event file, and clock
/// readings to `timing.jsonl` (and the event file), so that the metrics of a run with the same seed are the same bytes.
///
/// In JSON, NaN and the infinities are `null`; in the table they are `NaN`, `inf` and `-inf`.
#[derive(Debug)]
pub struct MetricLog {
    metrics: JsonLines<Entries>,
    timing: JsonLines<Entries>,
    table: Table,
    events: Events,
    last: Option<u64>,
}

/// Names and numbers in the order in which they were given.
#[derive(Clone, Debug)]
struct Entries(Vec<(String, f64)>);

impl Entries {
    fn new(entries: &[(&str, f64)]) -> Self {
        Self(entries.iter().map(|&(key, value)| (key.to_string(), value)).collect())
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl MetricLog {
    /// Opens the metric files of a run. Of what is there, iterations up to `kept` stay, and none if it is `None`: give
    /// the iteration of the checkpoint that the run resumes from.
    ///
    /// # Errors
    ///
    /// A [`RunError`] naming the file and what is wrong with it.
    pub fn open(directory: &RunDirectory, kept: Option<u64>) -> Result<Self, RunError> {
        Ok(Self {
            metrics: JsonLines::open(directory.metrics(), kept)?,
            timing: JsonLines::open(directory.timing(), kept)?,
            table: Table::open(directory.metrics_csv(), kept)?,
            events: Events::open(directory.events(), kept)?,
            last: kept,
        })
    }

    /// Writes the numbers of one iteration, in the order given. The columns of the table are those of its first row:
    /// numbers that come to be logged later are in the other files only.
    ///
    /// # Errors
    ///
    /// [`RunError::Order`] if an iteration is not later than the one before it, or a [`RunError`] of the disk.
    pub fn log(&mut self, iteration: u64, entries: &[(&str, f64)]) -> Result<(), RunError> {
        if let Some(last) = self.last.filter(|&last| iteration <= last) {
            return Err(RunError::Order { iteration, last });
        }
        self.metrics.append(iteration, &Entries::new(entries))?;
        self.table.append(iteration, entries)?;
        self.events.append(iteration, "", entries)?;
        self.last = Some(iteration);
        Ok(())
    }

    /// Writes the clock readings of one iteration.
    ///
    /// # Errors
    ///
    /// A [`RunError`] of the disk.
    pub fn log_timing(&mut self, iteration: u64, entries: &[(&str, f64)]) -> Result<(), RunError> {
        self.timing.append(iteration, &Entries::new(entries))?;
        self.events.append(iteration, "timing/", entries)
    }

    /// Makes everything so far survive a power failure: to be called before a checkpoint is saved, since a run that
    /// resumes from it must find the lines before it.
    ///
    /// # Errors
    ///
    /// A [`RunError`] naming the file.
    pub fn sync(&self) -> Result<(), RunError> {
        self.metrics.sync()?;
        self.timing.sync()?;
        self.table.sync()?;
        self.events.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory() -> (tempfile::TempDir, RunDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        (folder, directory)
    }

    fn log(log: &mut MetricLog, iterations: std::ops::RangeInclusive<u64>) {
        for iteration in iterations {
            let loss = 1.0 / (iteration as f64 + 3.0);
            let entries = [("loss", loss), ("score", f64::from(0.1f32)), ("kl", loss * 1e-9)];
            log.log(iteration, &entries[..if iteration % 2 == 0 { 3 } else { 2 }]).unwrap();
            log.log_timing(iteration, &[("seconds", 0.25)]).unwrap();
        }
    }

    #[test]
    fn numbers_are_written_in_order_and_in_their_shortest_form() {
        let (_folder, directory) = directory();
        let mut log = MetricLog::open(&directory, None).unwrap();
        let entries = [("b", 0.1), ("a", 1e-7), ("c", 3.0), ("d", f64::NAN), ("e", f64::NEG_INFINITY)];
        log.log(1, &entries).unwrap();
        log.log_timing(1, &[("seconds", 2.5)]).unwrap();
        let metrics = fs::read_to_string(directory.metrics()).unwrap();
        assert_eq!(metrics, "{\"iteration\":1,\"b\":0.1,\"a\":1e-7,\"c\":3.0,\"d\":null,\"e\":null}\n");
        let table = fs::read_to_string(directory.metrics_csv()).unwrap();
        assert_eq!(table, "iteration,b,a,c,d,e\n1,0.1,1e-7,3.0,NaN,-inf\n");
        let timing = fs::read_to_string(directory.timing()).unwrap();
        assert_eq!(timing, "{\"iteration\":1,\"seconds\":2.5}\n");
    }

    #[test]
    fn every_number_reads_back_as_itself() {
        let (_folder, directory) = directory();
        let mut log = MetricLog::open(&directory, None).unwrap();
        let values =
            [f64::MIN_POSITIVE, f64::MAX, -0.0, 1.0 / 3.0, 5e-324, f64::from(f32::EPSILON), 9007199254740993.0];
        for (iteration, value) in values.iter().enumerate() {
            log.log(iteration as u64, &[("x", *value)]).unwrap();
        }
        let table = fs::read_to_string(directory.metrics_csv()).unwrap();
        let read = table.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse::<f64>().unwrap());
        assert!(read.map(f64::to_bits).eq(values.map(f64::to_bits)), "{table}");
    }

    #[test]
    fn a_resumed_run_has_the_same_bytes_wherever_it_was_cut() {
        let (_folder, whole) = directory();
        log(&mut MetricLog::open(&whole, None).unwrap(), 0..=5);
        for died in 0..=5 {
            for resumed in 0..=died {
                let (_folder, directory) = directory();
                log(&mut MetricLog::open(&directory, None).unwrap(), 0..=died);
                let torn = fs::read(directory.metrics()).unwrap();
                fs::write(directory.metrics(), [&torn[..], b"{\"itera"].concat()).unwrap();
                log(&mut MetricLog::open(&directory, Some(resumed)).unwrap(), resumed + 1..=5);
                for file in [RunDirectory::metrics, RunDirectory::metrics_csv, RunDirectory::timing] {
                    let (expected, found) = (fs::read(file(&whole)).unwrap(), fs::read(file(&directory)).unwrap());
                    assert_eq!(expected, found, "died after {died}, resumed from {resumed}");
                }
            }
        }
    }

    #[test]
    fn a_run_without_a_checkpoint_starts_over() {
        let (_folder, directory) = directory();
        log(&mut MetricLog::open(&directory, None).unwrap(), 1..=3);
        MetricLog::open(&directory, None).unwrap();
        for file in [directory.metrics(), directory.metrics_csv(), directory.timing()] {
            assert_eq!(fs::read(file).unwrap(), b"");
        }
    }

    #[test]
    fn an_iteration_is_logged_once_and_in_order() {
        let (_folder, directory) = directory();
        let mut log = MetricLog::open(&directory, Some(4)).unwrap();
        assert!(matches!(log.log(4, &[]), Err(RunError::Order { iteration: 4, last: 4 })));
        log.log(5, &[]).unwrap();
        assert!(matches!(log.log(5, &[]), Err(RunError::Order { iteration: 5, last: 5 })));
        assert_eq!(fs::read_to_string(directory.metrics()).unwrap(), "{\"iteration\":5}\n");
    }
}
