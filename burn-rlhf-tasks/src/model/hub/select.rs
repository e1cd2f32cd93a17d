//! Which files of a data set belong to a split.

use std::collections::BTreeSet;

pub(super) fn is_parquet(file: &str) -> bool {
    file.ends_with(".parquet")
}

/// The parquet files of `split`, in order: `train-00000-of-00002.parquet`, `train.parquet` or `train/0000.parquet`,
/// possibly in a folder for each configuration.
pub(super) fn split(files: &[String], configuration: Option<&str>, split: &str) -> Vec<String> {
    let mut selected: Vec<String> = files
        .iter()
        .filter(|file| is_parquet(file))
        .filter(|file| configuration.is_none_or(|wanted| folders(file).any(|folder| folder == wanted)))
        .filter(|file| belongs(file, split))
        .cloned()
        .collect();
    selected.sort();
    selected
}

fn belongs(file: &str, split: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let named = name.strip_prefix(split).is_some_and(|rest| rest.starts_with(['-', '.']));
    named || folders(file).next_back() == Some(split)
}

fn folders(file: &str) -> impl DoubleEndedIterator<Item = &str> {
    file.rsplit_once('/').into_iter().flat_map(|(folders, _)| folders.split('/'))
}

/// The first folders of `files`, which are their configurations.
pub(super) fn configurations(files: &[String]) -> Vec<String> {
    let first: BTreeSet<&str> = files.iter().filter_map(|file| folders(file).next()).collect();
    first.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(files: &[&str], configuration: Option<&str>, name: &str) -> Vec<String> {
        split(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>(), configuration, name)
    }

    #[test]
    fn splits_are_found_in_every_layout() {
        let plain = ["README.md", "plain_text/test-00000-of-00001.parquet", "plain_text/train-00000-of-00001.parquet"];
        assert_eq!(select(&plain, None, "train"), plain[2..]);
        assert_eq!(select(&["train.parquet", "train.csv", "trainer.parquet"], None, "train"), ["train.parquet"]);
        let converted = ["a/train/0001.parquet", "a/train/0000.parquet", "a/test/0000.parquet", "b/train/0000.parquet"];
        assert_eq!(select(&converted, Some("a"), "train"), ["a/train/0000.parquet", "a/train/0001.parquet"]);
        assert_eq!(configurations(&select(&converted, None, "train")), ["a", "b"]);
        assert!(select(&converted, None, "validation").is_empty());
    }
}
