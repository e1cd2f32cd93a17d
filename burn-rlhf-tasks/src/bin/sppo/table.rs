use burn_rlhf_tasks::training::{EvaluatedSample, EvaluationReport};
use burn_sppo::run::RunDirectory;

use crate::{console::Console, failure::Failure, json_lines::read};

/// Texts that are shown before and after training.
const TEXTS: usize = 3;
/// Characters of a text that are shown.
const CHARACTERS: usize = 300;

/// Prints what training has changed, read from the files of the run, and what to do next.
pub fn print(console: &Console, directory: &RunDirectory) -> Result<(), Failure> {
    let reports: Vec<EvaluationReport> = read(&directory.evaluation())?;
    let samples: Vec<EvaluatedSample> = read(&directory.samples())?;
    let mut splits: Vec<&str> = reports.iter().map(|report| report.split.as_str()).collect();
    splits.dedup();
    splits.sort_unstable();
    splits.dedup();
    for split in splits {
        let of_split: Vec<&EvaluationReport> = reports.iter().filter(|report| report.split == split).collect();
        if let [first, .., last] = of_split[..] {
            print_metrics(console, first, last);
            print_texts(console, &samples, first, last);
        }
    }
    let run = directory.path().display();
    console.result(&format!(
        "\nrun directory    {run}\nwrite more       sppo sample {run}\ndraw the curves  sppo curves {run}"
    ));
    Ok(())
}

fn print_metrics(console: &Console, first: &EvaluationReport, last: &EvaluationReport) {
    console.result(&format!("\n{:<40} {:>10} {:>10}", last.split, "before", "after"));
    for (key, after) in &last.metrics {
        let before = first.metrics.get(key).map_or_else(|| "-".to_owned(), |before| format!("{before:.4}"));
        console.result(&format!("{key:<40} {before:>10} {after:>10.4}"));
    }
}

fn print_texts(console: &Console, samples: &[EvaluatedSample], first: &EvaluationReport, last: &EvaluationReport) {
    let of = |report: &EvaluationReport| {
        let (epoch, split) = (report.epoch, report.split.clone());
        samples.iter().filter(move |sample| sample.epoch == epoch && sample.split_name == split)
    };
    for after in of(last).take(TEXTS) {
        let Some(before) = of(first).find(|before| before.sample_id == after.sample_id) else { continue };
        console.result(&format!("\n{} …", shortened(&after.prompt_text)));
        console.result(&format!("  before  {}", shortened(&before.generated_text)));
        console.result(&format!("  after   {}", shortened(&after.generated_text)));
    }
}

/// A text on one line.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_on_one_line_of_bounded_length() {
        assert_eq!(shortened(" a\n b\t c "), "a b c");
        let long = shortened(&"é".repeat(2 * CHARACTERS));
        assert_eq!(long.chars().count(), CHARACTERS + 1);
        assert!(long.ends_with('…'));
    }
}
