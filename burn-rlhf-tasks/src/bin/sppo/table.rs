use std::path::Path;

use burn_rlhf_tasks::training::EvaluationReport;

use crate::{console::Console, failure::Failure};

/// Prints what training has changed, and what to do next.
pub fn print(console: &Console, directory: &Path, evaluations: &[EvaluationReport]) -> Result<(), Failure> {
    if let (Some(first), Some(last)) = (evaluations.first(), evaluations.last())
        && first.epoch != last.epoch
    {
        console.result(&format!("\n{:<40} {:>10} {:>10}", "", "before", "after"));
        for (key, after) in &last.metrics {
            let before = first.metrics.get(key).map_or_else(|| "-".to_owned(), |before| format!("{before:.4}"));
            console.result(&format!("{key:<40} {before:>10} {after:>10.4}"));
        }
    }
    let run = directory.display();
    console.result(&format!(
        "\nrun directory    {run}\nwrite more       sppo sample {run}\ndraw the curves  sppo curves {run}"
    ));
    Ok(())
}
