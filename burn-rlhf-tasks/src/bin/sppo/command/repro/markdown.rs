use std::collections::BTreeMap;

use super::{
    result::{RowResult, mean},
    table::{Table, Task},
};

/// The finished rows in Markdown: a table for each task, in it a line for each arm with mean and standard error over its
/// seeds.
pub fn markdown(table: &Table, results: &[RowResult]) -> String {
    let parts = table.tasks.iter().filter_map(|task| {
        let rows: Vec<&RowResult> = results.iter().filter(|result| result.task == task.name).collect();
        let lines = lines(table, task, &rows)?;
        let heading = if table.tasks.len() > 1 { format!("**{}**\n\n", task.name) } else { String::new() };
        Some(heading + &lines)
    });
    parts.collect::<Vec<_>>().join("\n\n")
}

/// The table of one task; `None` if no row of it is finished.
fn lines(table: &Table, task: &Task, results: &[&RowResult]) -> Option<String> {
    let first = *results.first()?;
    let short = |metric: &str| metric.rsplit('/').next().unwrap_or(metric).replace('_', " ");
    let length = if first.steps.is_some() { "steps" } else { "iterations" };
    let mut head = vec!["arm".to_owned(), "seeds".into(), length.into()];
    head.extend(table.metrics.iter().map(|metric| short(metric)));
    head.push("sign changes %".into());
    let published = !task.published.is_empty();
    if published {
        head.push("published".into());
    }
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    for arm in &table.arms {
        let rows: Vec<&RowResult> = results.iter().copied().filter(|result| result.arm == arm.name).collect();
        let Some(row) = rows.first() else { continue };
        let cells = |name: &str, length: u64, measured: fn(&RowResult) -> &BTreeMap<String, f64>| {
            let mut cells = vec![name.to_owned(), rows.len().to_string(), length.to_string()];
            cells.extend(table.metrics.iter().map(|metric| {
                let numbers = rows.iter().filter_map(|row| measured(row).get(metric).copied());
                spread(&numbers.collect::<Vec<_>>())
            }));
            cells
        };
        // All arms start from one policy: the seeds of the first show how it scores.
        if row.arm == first.arm && !row.before.is_empty() {
            lines.push(line(&[cells("before", 0, |row| &row.before), vec![String::new()]].concat()));
        }
        let changes: Vec<f64> = rows.iter().filter_map(|row| row.sign_change_percent).collect();
        let mut cells = cells(&arm.name, row.steps.unwrap_or(row.iterations), |row| &row.after);
        cells.push(spread(&changes));
        if published {
            cells.push(task.published.get(&arm.name).cloned().unwrap_or_default());
        }
        lines.push(line(&cells));
    }
    Some(lines.join("\n"))
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Mean and standard error of the mean; empty without numbers.
fn spread(numbers: &[f64]) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let center = mean(numbers.iter().copied());
    let digits = if center.abs() < 10.0 { 3 } else { 1 };
    if numbers.len() < 2 {
        return format!("{center:.digits$}");
    }
    let count = numbers.len() as f64;
    let variance = numbers.iter().map(|x| (x - center).powi(2)).sum::<f64>() / (count - 1.0);
    format!("{center:.digits$} ± {:.digits$}", (variance / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(table: &Table, task: &str, arm: &str, seed: u64, value: f64) -> RowResult {
        let all = |value: f64| table.metrics.iter().map(|metric| (metric.clone(), value)).collect();
        RowResult {
            task: task.into(),
            arm: arm.into(),
            seed,
            arguments: vec![],
            iterations: 20,
            steps: None,
            before: all(0.5),
            after: all(value),
            sign_change_percent: Some(12.5),
        }
    }

    #[test]
    fn a_line_has_mean_and_standard_error_of_an_arm() {
        let table = Table::find("imdb").unwrap();
        let rows = [("ppo", 1, 0.25), ("sppo", 1, 0.5), ("sppo", 2, 0.75)];
        let rows = rows.map(|(arm, seed, value)| result(&table, "imdb", arm, seed, value));
        let text = markdown(&table, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[2].starts_with("| before | 1 | 0 | 0.500 |"), "{text}");
        assert!(lines[3].starts_with("| ppo | 1 | 20 | 0.250 |") && lines[3].ends_with(" 12.5 |"), "{text}");
        assert!(lines[4].starts_with("| sppo | 2 | 20 | 0.625 ± 0.125 |"), "{text}");
    }

    #[test]
    fn each_task_has_a_table_of_its_own_with_what_others_have_measured() {
        let table = Table::find("zoo").unwrap();
        let [first, second] = [&table.tasks[0], &table.tasks[1]];
        let mut rows = [first, second].map(|task| result(&table, &task.name, "ppo", 1, 100.0));
        for row in &mut rows {
            (row.steps, row.before) = (Some(4096), BTreeMap::new());
        }
        let text = markdown(&table, &rows);
        let line = |task: &Task| format!("| ppo | 1 | 4096 | 100.0 | 100.0 | 12.5 | {} |", task.published["ppo"]);
        let heading = "| arm | seeds | steps | mean reward | std reward | sign changes % | published |";
        let dashes = "| --- | --- | --- | --- | --- | --- | --- |";
        let part = |task: &Task| format!("**{}**\n\n{heading}\n{dashes}\n{}", task.name, line(task));
        assert_eq!(text, format!("{}\n\n{}", part(first), part(second)));
    }
}
