mod markdown;
mod result;
mod table;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use burn_sppo::run::RunDirectory;

use self::{
    markdown::markdown,
    result::{RowResult, append},
    table::{Row, Selection, Table},
};
use super::control::is_environment;
use crate::{
    arguments::{DeviceArguments, ReproArguments},
    console::Console,
    failure::Failure,
    json_lines::read,
};

/// Runs the rows of a table that are not finished yet, each in a process of its own, and prints the table.
pub fn run(arguments: ReproArguments, device: &DeviceArguments) -> Result<(), Failure> {
    let console = Console::new(false);
    let Some(name) = &arguments.table else {
        console.result(&format!("tables: {}", Table::names().join(", ")));
        return Ok(());
    };
    let table = Table::find(name)?;
    let rows = table.rows(&Selection {
        tasks: &arguments.tasks,
        arms: &arguments.arms,
        seeds: &arguments.seeds,
        set: &arguments.sets,
    })?;
    let texts = !rows.iter().any(|row| is_environment(&row.task));
    for (argument, given, suits) in
        [("--data", arguments.data.is_some(), texts), ("--python", arguments.python.is_some(), !texts)]
    {
        if given && !suits {
            return Err(Failure::usage(format!("{argument} is of no use to the table {name}: leave it out")));
        }
    }
    let folder = arguments.output.join("repro").join(name);
    let path = arguments.results.clone().unwrap_or_else(|| folder.with_extension("jsonl"));
    let finished: Vec<RowResult> = read(&path)?;
    if !arguments.summary {
        let open: Vec<Row> =
            rows.iter().filter(|row| finished.iter().all(|result| !result.is_of(row))).cloned().collect();
        console.line(&format!("{}: {} of {} rows are to be run", name, open.len(), rows.len()));
        Queue {
            table: &table,
            arguments: &arguments,
            device,
            console,
            folder,
            path: path.clone(),
            adding: Mutex::new(()),
        }
        .run(open)?;
    }
    let wanted: Vec<RowResult> =
        read(&path)?.into_iter().filter(|result: &RowResult| rows.iter().any(|row| result.is_of(row))).collect();
    console.result(&markdown(&table, &wanted));
    Ok(())
}

/// Rows that wait to be run.
struct Queue<'a> {
    table: &'a Table,
    arguments: &'a ReproArguments,
    device: &'a DeviceArguments,
    console: Console,
    folder: PathBuf,
    path: PathBuf,
    /// Held while a row is added to the file.
    adding: Mutex<()>,
}

impl Queue<'_> {
    /// Runs all rows, several at a time.
    fn run(&self, rows: Vec<Row>) -> Result<(), Failure> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.arguments.jobs.unwrap_or(if self.table.shared_stages { 1 } else { cores }).max(1);
        let mut rows = rows.into_iter();
        if self.table.shared_stages
            && let Some(first) = rows.next()
        {
            self.row(&first, self.device.threads)?;
        }
        let threads = self.device.threads.or((jobs > 1).then(|| (cores / jobs).max(1)));
        let waiting = Mutex::new(rows);
        let (failure, stop) = (Mutex::new(None), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let next = waiting.lock().ok().and_then(|mut rows| rows.next());
                        let Some(row) = next else { break };
                        if let Err(error) = self.row(&row, threads) {
                            stop.store(true, Ordering::Relaxed);
                            if let Ok(mut failure) = failure.lock() {
                                *failure = Some(error);
                            }
                        }
                    }
                });
            }
        });
        match failure.into_inner() {
            Ok(Some(failure)) => Err(failure),
            _ => Ok(()),
        }
    }

    fn row(&self, row: &Row, threads: Option<usize>) -> Result<(), Failure> {
        let name = format!("{}-{}-{}", row.arm, row.seed, digest(&row.arguments));
        let run = self.folder.join(&row.task).join(name);
        self.console.line(&format!("{}, {}, seed {}: {}", row.task, row.arm, row.seed, run.display()));
        let log = run.with_extension("log");
        let mut command = self.command(row, &run, threads)?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log);
        let file = file.map_err(|error| Failure::failed(format!("{}: {error}", log.display())))?;
        let status = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
        match status.code() {
            Some(0) => {}
            Some(130) => {
                return Err(Failure::Interrupted(
                    "the same command goes on with the rows that are not finished".into(),
                ));
            }
            _ => {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let last = text.lines().last().unwrap_or("it said nothing").to_owned();
                return Err(Failure::failed(format!(
                    "{}, {}, seed {} ended with {status}: {last} (all it said is in {})",
                    row.task,
                    row.arm,
                    row.seed,
                    log.display()
                )));
            }
        }
        let result = RowResult::read(row, self.table, &run)?;
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        append(&self.path, &result)
    }

    fn command(&self, row: &Row, run: &Path, threads: Option<usize>) -> Result<Command, Failure> {
        let folder = self.folder.join(&row.task);
        std::fs::create_dir_all(&folder).map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?;
        let mut command = Command::new(std::env::current_exe()?);
        if let Some(backend) = &self.device.backend {
            command.args(["--backend", backend]);
        }
        if let Some(threads) = threads {
            command.args(["--threads", &threads.to_string()]);
        }
        command.args(["train", "--plain"]).arg("--output").arg(&self.arguments.output);
        if let Some(python) = &self.arguments.python {
            command.arg("--python").arg(python);
        }
        if RunDirectory::open(run).is_ok() {
            command.arg("--resume").arg(run);
            return Ok(command);
        }
        command.arg(&row.task).arg("--run").arg(run).args(["--seed", &row.seed.to_string()]);
        if let Some(data) = &self.arguments.data {
            command.arg("--data").arg(data);
        }
        command.args(&row.arguments);
        Ok(command)
    }
}

/// Tells the runs of rows with other settings apart.
fn digest(arguments: &[String]) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(arguments.join("\n"));
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
