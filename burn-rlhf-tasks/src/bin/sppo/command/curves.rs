mod average;
mod table;

use std::path::Path;

use burn_sppo::run::{RunDirectory, write_file};

use self::average::{Group, average, by_seed, single, smooth};
use crate::{
    arguments::CurvesArguments,
    console::Console,
    failure::Failure,
    history::History,
    plot::{self, Panel},
};

/// What is drawn where nothing is asked for, as far as a run has it.
const DEFAULT: [&str; 8] = [
    "rollout_buffer/rewards",
    "rollout_buffer/kl_div",
    "ppo/sign_change_percent",
    "semantic/learned_automodel_metric",
    "eval/mean_reward",
    "rollout/ep_rew_mean",
    "train/sign_change_percent",
    "train/explained_variance",
];
/// What is counted from left to right in an environment, instead of iterations.
const STEPS: &str = "time/total_timesteps";
/// How alike a name must be to be proposed.
const SIMILAR: f64 = 0.75;

/// A run with the name that the legend gives it.
struct Run {
    name: String,
    history: History,
}

pub fn run(arguments: CurvesArguments, console: Console) -> Result<(), Failure> {
    let directories = arguments.runs.iter().map(|run| RunDirectory::open(run).map_err(Failure::usage));
    let directories = directories.collect::<Result<Vec<_>, _>>()?;
    let runs = read(&directories)?;
    if arguments.list {
        for metric in metrics(&runs) {
            console.result(metric);
        }
        return Ok(());
    }
    let groups = if arguments.average { by_seed(&runs, &directories)? } else { single(&runs) };
    let panels = panels(&runs, &groups, &arguments.metrics, arguments.smooth)?;
    let path = arguments.output.or_else(|| Some(directories.first()?.curves()));
    let path = path.ok_or_else(|| Failure::usage("name the folder of a run"))?;
    write_file(&path, draw(&panels, &groups)?.as_bytes())?;
    console.result(&format!("the curves are in {}", path.display()));
    if let Some(path) = arguments.csv {
        write_file(&path, table::csv(&panels, &groups)?.as_bytes())?;
        console.result(&format!("their numbers are in {}", path.display()));
    }
    Ok(())
}

/// Draws the default metrics of one run into its `curves.svg`.
pub fn draw_run(directory: &RunDirectory) -> Result<(), Failure> {
    let runs = read(std::slice::from_ref(directory))?;
    let groups = single(&runs);
    let panels = panels(&runs, &groups, &[], None)?;
    Ok(write_file(&directory.curves(), draw(&panels, &groups)?.as_bytes())?)
}

fn read(directories: &[RunDirectory]) -> Result<Vec<Run>, Failure> {
    let names = names(&directories.iter().map(RunDirectory::path).collect::<Vec<_>>());
    let mut runs = Vec::new();
    for (directory, name) in directories.iter().zip(names) {
        let history = History::read(directory).map_err(Failure::failed)?;
        for torn in &history.torn {
            eprintln!(
                "warning: {}, line {}: left out, because it was not finished when the run stopped, or is being written \
                 now",
                torn.path.display(),
                torn.line
            );
        }
        runs.push(Run { name, history });
    }
    Ok(runs)
}

/// The shortest ends of the paths that tell them apart: the names of the folders, mostly.
fn names(paths: &[&Path]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths
        .iter()
        .map(|path| {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
            path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
        })
        .collect();
    let end = |path: &[String], length: usize| path[path.len().saturating_sub(length)..].join("/");
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let differ = |length: usize| {
        let ends: std::collections::HashSet<String> = parts.iter().map(|path| end(path, length)).collect();
        ends.len() == parts.len()
    };
    let length = (1..longest).find(|&length| differ(length)).unwrap_or(1);
    parts.iter().map(|path| end(path, length)).collect()
}

/// Every metric of any run.
fn metrics(runs: &[Run]) -> Vec<&str> {
    let mut metrics: Vec<&str> = runs.iter().flat_map(|run| run.history.metrics.keys()).map(String::as_str).collect();
    metrics.sort_unstable();
    metrics.dedup();
    metrics
}

/// A panel for each metric that is asked for, with a line for each group.
fn panels(runs: &[Run], groups: &[Group], asked: &[String], smoothing: Option<f64>) -> Result<Vec<Panel>, Failure> {
    let x = if runs.iter().all(|run| run.history.metrics.contains_key(STEPS)) { STEPS } else { "iteration" };
    let panel = |metric: &str| {
        let lines = groups.iter().map(|group| {
            let members = group.runs.iter().map(|&run| points(&runs[run].history, metric, x));
            let mut line = average(&members.collect::<Vec<_>>());
            smoothing.into_iter().for_each(|share| smooth(&mut line, share));
            line
        });
        Panel { metric: metric.to_owned(), x: x.to_owned(), lines: lines.collect() }
    };
    Ok(chosen(&metrics(runs), asked)?.into_iter().map(panel).collect())
}

/// The numbers of a metric, over iterations or over the metric `x` in these iterations.
fn points(history: &History, metric: &str, x: &str) -> Vec<(f64, f64)> {
    let points = history.metrics.get(metric).cloned().unwrap_or_default();
    let Some(scale) = history.metrics.get(x) else { return points };
    let at = |iteration: f64| {
        let found = scale.binary_search_by(|point| point.0.total_cmp(&iteration)).ok()?;
        Some(scale[found].1)
    };
    points.into_iter().filter_map(|(iteration, value)| Some((at(iteration)?, value))).collect()
}

fn draw(panels: &[Panel], groups: &[Group]) -> Result<String, Failure> {
    let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    plot::draw(panels, &names).map_err(Failure::failed)
}

/// The metrics that are meant: by their names, or by the ends of their names after a slash. Without any, the default
/// ones, or all of a run that has none of these.
fn chosen<'a>(there: &[&'a str], asked: &[String]) -> Result<Vec<&'a str>, Failure> {
    if there.is_empty() {
        return Err(Failure::failed("there are no metrics yet: the first iteration is not finished"));
    }
    let mut chosen = Vec::new();
    let mut add = |found: Vec<&'a str>| {
        for metric in found {
            if !chosen.contains(&metric) {
                chosen.push(metric);
            }
        }
    };
    if asked.is_empty() {
        DEFAULT.iter().for_each(|metric| add(meant(there, metric)));
        if chosen.is_empty() {
            chosen = there.to_vec();
        }
        return Ok(chosen);
    }
    for metric in asked {
        match meant(there, metric) {
            found if found.is_empty() => return Err(unknown(there, metric)),
            found => add(found),
        }
    }
    Ok(chosen)
}

fn meant<'a>(there: &[&'a str], asked: &str) -> Vec<&'a str> {
    match there.iter().find(|metric| **metric == asked) {
        Some(exact) => vec![*exact],
        None => there.iter().copied().filter(|metric| metric.ends_with(&format!("/{asked}"))).collect(),
    }
}

fn unknown(there: &[&str], asked: &str) -> Failure {
    let likeness = |metric: &str| {
        let ends = metric.match_indices('/').map(|(slash, _)| &metric[slash + 1..]);
        ends.chain([metric]).map(|end| strsim::jaro_winkler(end, asked)).fold(0.0, f64::max)
    };
    let mut near: Vec<(f64, &str)> = there.iter().map(|metric| (likeness(metric), *metric)).collect();
    near.retain(|(likeness, _)| *likeness >= SIMILAR);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.iter().take(3).map(|(_, metric)| *metric).collect();
    let hint = match near.is_empty() {
        true => "`--list` shows those that there are".to_owned(),
        false => format!("did you mean {}? `--list` shows all", near.join(" or ")),
    };
    Failure::usage(format!("there is no metric {asked}: {hint}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const THERE: [&str; 5] =
        ["ppo/approx_kl", "rollout_buffer/kl_div", "rollout_buffer/rewards", "test/kl_div", "val/semantic/judge"];

    fn asked(names: &[&str]) -> Result<Vec<&'static str>, Failure> {
        chosen(&THERE, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn metrics_are_found_by_name_or_by_the_end_of_it() {
        assert_eq!(asked(&["ppo/approx_kl", "kl_div"]).unwrap(), [THERE[0], THERE[1], THERE[3]]);
        assert_eq!(asked(&["semantic/judge", "judge"]).unwrap(), [THERE[4]]);
    }

    #[test]
    fn without_a_choice_the_default_metrics_are_drawn_or_all() {
        assert_eq!(asked(&[]).unwrap(), [THERE[2], THERE[1]]);
        assert_eq!(chosen(&["loss", "return"], &[]).unwrap(), ["loss", "return"]);
        assert!(matches!(chosen(&[], &[]), Err(Failure::Failed(message)) if message.contains("no metrics yet")));
    }

    #[test]
    fn an_unknown_metric_brings_the_nearest_names() {
        let message = |name: &str| match asked(&[name]) {
            Err(Failure::Usage(message)) => message,
            other => panic!("{other:?}"),
        };
        assert!(message("reward").contains("did you mean rollout_buffer/rewards"), "{}", message("reward"));
        assert!(message("ppo/aprox_kl").contains("ppo/approx_kl"), "{}", message("ppo/aprox_kl"));
        assert!(message("zzz").ends_with("`--list` shows those that there are"), "{}", message("zzz"));
    }

    #[test]
    fn runs_are_named_by_what_tells_them_apart() {
        let name = |paths: &[&str]| names(&paths.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(name(&["/nowhere/imdb/a", "/nowhere/imdb/b/"]), ["a", "b"]);
        assert_eq!(name(&["/nowhere/imdb/a", "/nowhere/tldr/a"]), ["imdb/a", "tldr/a"]);
        assert_eq!(name(&["/nowhere/imdb/a", "/nowhere/imdb/a"]), ["a", "a"]);
    }

    fn folder(metrics: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path(), "").unwrap();
        std::fs::write(directory.metrics(), metrics).unwrap();
        folder
    }

    fn curves(runs: &[&tempfile::TempDir], output: Option<PathBuf>) -> Result<(), Failure> {
        let runs = runs.iter().map(|run| run.path().to_path_buf()).collect();
        let arguments = CurvesArguments { runs, output, ..CurvesArguments::default() };
        run(arguments, Console::new(true))
    }

    #[test]
    fn curves_are_written_into_the_first_run_or_where_they_are_wanted() {
        let first = folder("{\"iteration\":1,\"rollout_buffer/rewards\":0.5}\n");
        let second = folder("{\"iteration\":1,\"rollout_buffer/kl_div\":0.5}\n");
        curves(&[&first, &second], None).unwrap();
        let svg = std::fs::read_to_string(first.path().join("curves.svg")).unwrap();
        let name = |folder: &tempfile::TempDir| folder.path().file_name().unwrap().to_string_lossy().into_owned();
        for text in ["rollout_buffer/rewards", "rollout_buffer/kl_div", &name(&first), &name(&second)] {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert!(!second.path().join("curves.svg").exists());
        let output = second.path().join("both.svg");
        curves(&[&first, &second], Some(output.clone())).unwrap();
        assert_eq!(std::fs::read_to_string(output).unwrap(), svg);
        let error = curves(&[&first], Some(first.path().join("metrics.jsonl/x.svg"))).unwrap_err();
        assert!(matches!(&error, Failure::Failed(message) if message.contains("is a file")), "{error:?}");
    }

    #[test]
    fn a_folder_without_a_run_is_wrong_usage() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(curves(&[&empty], None), Err(Failure::Usage(_))));
    }

    #[test]
    fn runs_of_several_seeds_are_averaged_over_environment_steps() {
        let line = |iteration: u64, value: f64| {
            format!("{{\"iteration\":{iteration},\"time/total_timesteps\":{},\"loss\":{value}}}\n", iteration * 64)
        };
        let runs = [[1.0, 3.0], [3.0, 1.0]].map(|[first, second]| folder(&(line(1, first) + &line(2, second))));
        let csv = runs[0].path().join("curves.csv");
        let arguments = CurvesArguments {
            runs: runs.iter().map(|run| run.path().to_path_buf()).collect(),
            metrics: vec!["loss".into()],
            average: true,
            smooth: Some(1.0),
            csv: Some(csv.clone()),
            ..CurvesArguments::default()
        };
        run(arguments, Console::new(true)).unwrap();
        let text = std::fs::read_to_string(csv).unwrap();
        let numbers: Vec<&str> = text.lines().map(|line| line.splitn(3, ',').nth(2).unwrap()).collect();
        assert_eq!(numbers, ["x,y,error", "64,2,1", "128,2,1"]);
        let svg = std::fs::read_to_string(runs[0].path().join("curves.svg")).unwrap();
        assert!(svg.contains("total_timesteps") && svg.contains("<polygon"), "{svg}");
    }
}
