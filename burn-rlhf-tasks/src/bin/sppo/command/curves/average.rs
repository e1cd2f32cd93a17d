//! One line for runs that differ in their seed alone.

use burn_sppo::run::RunDirectory;
use toml::Table;

use super::Run;
use crate::{failure::Failure, plot::Line};

/// Runs whose configurations are the same but for the seed, under a name of their own.
#[derive(Debug, PartialEq)]
pub struct Group {
    pub name: String,
    /// Places in the list of runs.
    pub runs: Vec<usize>,
}

/// A group for each run.
pub fn single(runs: &[Run]) -> Vec<Group> {
    runs.iter().enumerate().map(|(index, run)| Group { name: run.name.clone(), runs: vec![index] }).collect()
}

/// The groups of runs that differ in their seed alone, in the order of their first ones.
///
/// # Errors
/// If a run's configuration cannot be read.
pub fn by_seed(runs: &[Run], directories: &[RunDirectory]) -> Result<Vec<Group>, Failure> {
    let mut found: Vec<(Table, Vec<usize>)> = Vec::new();
    for (index, directory) in directories.iter().enumerate() {
        let path = directory.config();
        let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
        let mut config: Table = text.parse().map_err(|error| failed(&error))?;
        config.remove("seed");
        match found.iter_mut().find(|(known, _)| *known == config) {
            Some((_, runs)) => runs.push(index),
            None => found.push((config, vec![index])),
        }
    }
    let groups = found.into_iter().map(|(_, members)| {
        let names: Vec<&str> = members.iter().map(|&index| runs[index].name.as_str()).collect();
        Group { name: format!("{} ({})", shared_name(&names), members.len()), runs: members }
    });
    Ok(groups.collect())
}

/// What names begin with alike, up to the seed; the first name if they share nothing.
fn shared_name(names: &[&str]) -> String {
    let [first, others @ ..] = names else { return String::new() };
    let alike =
        |end: &usize| first.is_char_boundary(*end) && others.iter().all(|name| name.starts_with(&first[..*end]));
    let end = (0..=first.len()).rev().find(alike).unwrap_or(0);
    match first[..end].trim_end_matches(|letter: char| !letter.is_alphanumeric()) {
        "" => (*first).to_owned(),
        shared => shared.to_owned(),
    }
}

/// Mean and standard error of several lines, point by point up to the end of the shortest. Lines without a point have no
/// part in it.
pub fn average(lines: &[Vec<(f64, f64)>]) -> Line {
    let lines: Vec<&Vec<(f64, f64)>> = lines.iter().filter(|line| !line.is_empty()).collect();
    let (count, length) = (lines.len() as f64, lines.iter().map(|line| line.len()).min().unwrap_or(0));
    let mut line = Line::default();
    for index in 0..length {
        let mean = |part: fn(&(f64, f64)) -> f64| lines.iter().map(|line| part(&line[index])).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        line.points.push((x, y));
        if lines.len() > 1 {
            let squares: f64 = lines.iter().map(|line| (line[index].1 - y).powi(2)).sum();
            line.errors.push((squares / (count - 1.0) / count).sqrt());
        }
    }
    line
}

/// Simple exponential smoothing of a line and its errors: `share` of a point is its own, the rest that of the one before.
pub fn smooth(line: &mut Line, share: f64) {
    let mut last = None;
    for point in &mut line.points {
        // A number that is missing leaves the line as it was.
        if point.1.is_finite() {
            point.1 = last.map_or(point.1, |last| share * point.1 + (1.0 - share) * last);
            last = Some(point.1);
        }
    }
    let mut last = None;
    for error in line.errors.iter_mut().filter(|error| error.is_finite()) {
        *error = last.map_or(*error, |last| share * *error + (1.0 - share) * last);
        last = Some(*error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;

    #[test]
    fn lines_are_averaged_up_to_the_end_of_the_shortest() {
        let lines = [vec![(1.0, 1.0), (2.0, 4.0), (3.0, 9.0)], vec![(1.0, 3.0), (4.0, 4.0)], vec![]];
        let line = average(&lines);
        assert_eq!(line.points, [(1.0, 2.0), (3.0, 4.0)]);
        assert_eq!(line.errors, [1.0, 0.0]);
        let alone = average(&lines[..1]);
        assert_eq!((alone.points, alone.errors), (lines[0].clone(), vec![]));
        assert_eq!(average(&[]), Line::default());
    }

    #[test]
    fn smoothing_keeps_a_share_of_each_point() {
        let points = vec![(1.0, 4.0), (2.0, f64::NAN), (3.0, 0.0), (4.0, 0.0)];
        let mut line = Line { points, errors: vec![1.0, f64::NAN, 0.0, 2.0] };
        smooth(&mut line, 0.25);
        assert_eq!([line.points[0].1, line.points[2].1, line.points[3].1], [4.0, 3.0, 2.25]);
        assert!(line.points[1].1.is_nan());
        assert_eq!([line.errors[0], line.errors[2], line.errors[3]], [1.0, 0.75, 1.0625]);
    }

    #[test]
    fn runs_that_differ_in_their_seed_alone_are_one_group() {
        let folder = tempfile::tempdir().unwrap();
        let configs = [("ppo-1", "seed = 1\na = 2"), ("sppo-1", "seed = 1\na = 3"), ("ppo-2", "seed = 2\na = 2")];
        let make = |(name, config): (&str, &str)| RunDirectory::create(folder.path().join(name), config).unwrap();
        let directories = configs.map(make);
        let runs = configs.map(|(name, _)| Run { name: name.into(), history: History::default() });
        let group = |name: &str, runs: &[usize]| Group { name: name.into(), runs: runs.to_vec() };
        assert_eq!(by_seed(&runs, &directories).unwrap(), [group("ppo (2)", &[0, 2]), group("sppo-1 (1)", &[1])]);
        assert_eq!(single(&runs[..1]), [group("ppo-1", &[0])]);
        std::fs::write(directories[1].config(), "a =").unwrap();
        let Err(Failure::Failed(message)) = by_seed(&runs, &directories) else { panic!() };
        assert!(message.contains("sppo-1"), "{message}");
    }

    #[test]
    fn a_group_has_the_name_that_its_runs_begin_with() {
        assert_eq!(shared_name(&["ppo-noise-1-ab", "ppo-noise-2-ab"]), "ppo-noise");
        assert_eq!(shared_name(&["a/x", "b/x"]), "a/x");
        assert_eq!(shared_name(&["é1", "è1"]), "é1");
    }
}
