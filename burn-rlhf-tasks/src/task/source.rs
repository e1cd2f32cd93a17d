use std::path::{Path, PathBuf};

use super::DataError;
use super::rows::is_readable;

/// How deep a folder is searched.
const DEPTH: usize = 4;

/// The files of a data set, by what their names say they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub train: Vec<PathBuf>,
    pub test: Vec<PathBuf>,
    pub unsupervised: Vec<PathBuf>,
}

impl Source {
    /// The file `path` as training data, or the files in and below the folder `path` as [`of_files`](Self::of_files)
    /// sorts them.
    ///
    /// # Errors
    /// If `path` does not exist, cannot be listed, or is a folder without training data.
    pub fn find(path: &Path) -> Result<Self, DataError> {
        let metadata = std::fs::metadata(path).map_err(|error| DataError::reading(path, error))?;
        if !metadata.is_dir() {
            return Ok(Self { train: vec![path.to_path_buf()], ..Self::default() });
        }
        let mut files = Vec::new();
        collect(path, DEPTH, &mut files)?;
        let source = Self::of_files(files);
        if source.train.is_empty() {
            return Err(DataError::NoFiles { path: path.to_path_buf(), part: "train" });
        }
        Ok(source)
    }

    /// Every readable file in and below `path`, whatever its name says it is for; or the file `path`.
    ///
    /// # Errors
    /// If `path` does not exist, cannot be listed, or is a folder without a readable file.
    pub fn every_file(path: &Path) -> Result<Vec<PathBuf>, DataError> {
        let metadata = std::fs::metadata(path).map_err(|error| DataError::reading(path, error))?;
        if !metadata.is_dir() {
            return Ok(vec![path.to_path_buf()]);
        }
        let mut files = Vec::new();
        collect(path, DEPTH, &mut files)?;
        files.retain(|file| is_readable(file));
        files.sort();
        match files.is_empty() {
            true => Err(DataError::NoFiles { path: path.to_path_buf(), part: "test" }),
            false => Ok(files),
        }
    }

    /// Sorts files into parts by the words `train`, `test` and `unsupervised` (or `unsup`) in the file name, else in
    /// the name of its folder. Files that name no part or have no known format are left out.
    pub fn of_files(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut source = Self::default();
        let mut files: Vec<PathBuf> = files.into_iter().filter(|file| is_readable(file)).collect();
        files.sort();
        for file in files {
            let parent = file.parent().unwrap_or(Path::new(""));
            match part_of(&file).or_else(|| part_of(parent)) {
                Some(Part::Train) => source.train.push(file),
                Some(Part::Test) => source.test.push(file),
                Some(Part::Unsupervised) => source.unsupervised.push(file),
                None => {}
            }
        }
        source
    }
}

enum Part {
    Train,
    Test,
    Unsupervised,
}

fn part_of(path: &Path) -> Option<Part> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| match word {
        "train" => Some(Part::Train),
        "test" => Some(Part::Test),
        "unsup" | "unsupervised" => Some(Part::Unsupervised),
        _ => None,
    })
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let failed = |error| DataError::reading(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Follows links: the cache of the Hub is made of them.
        if !path.is_dir() {
            files.push(path);
        } else if depth > 1 {
            collect(&path, depth - 1, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_by_the_words_in_their_names() {
        let source = Source::of_files(
            [
                "plain_text/unsupervised-00000-of-00001.parquet",
                "plain_text/train-00001-of-00002.parquet",
                "plain_text/train-00000-of-00002.parquet",
                "imdb_test.jsonl.zst",
                "data/train/0000.parquet",
                "my_TRAIN.csv.gz",
                "training_notes.csv",
                "train.txt",
                "README.md",
            ]
            .map(PathBuf::from),
        );
        let names = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            source.train,
            names(&[
                "data/train/0000.parquet",
                "my_TRAIN.csv.gz",
                "plain_text/train-00000-of-00002.parquet",
                "plain_text/train-00001-of-00002.parquet",
            ])
        );
        assert_eq!(source.test, names(&["imdb_test.jsonl.zst"]));
        assert_eq!(source.unsupervised, names(&["plain_text/unsupervised-00000-of-00001.parquet"]));
    }

    #[test]
    fn a_folder_is_searched_and_a_file_is_training_data() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("plain_text");
        std::fs::create_dir(&inner).unwrap();
        for name in ["train.jsonl", "test.jsonl"] {
            std::fs::write(inner.join(name), "").unwrap();
        }
        let source = Source::find(folder.path()).unwrap();
        assert_eq!((source.train, source.test), (vec![inner.join("train.jsonl")], vec![inner.join("test.jsonl")]));
        let both = [inner.join("test.jsonl"), inner.join("train.jsonl")];
        assert_eq!(Source::every_file(folder.path()).unwrap(), both);
        let file = inner.join("test.jsonl");
        assert_eq!(Source::every_file(&file).unwrap(), both[..1]);
        assert_eq!(Source::find(&file).unwrap().train, [file]);
    }

    #[test]
    fn a_folder_without_training_data_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("test.jsonl"), "").unwrap();
        assert!(matches!(Source::find(folder.path()), Err(DataError::NoFiles { part: "train", .. })));
        let error = Source::find(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(error, DataError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("absent"), "{error}");
    }
}
