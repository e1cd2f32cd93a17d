//! Models and data sets from the Hugging Face Hub, or another server that speaks its language.
//!
//! Files are kept in the cache that Hugging Face's own tools use, so that what one of them downloaded the others find.
//! The transfer is not `hf-hub`'s (0.5): that one sends the token to the servers it is redirected to, takes a whole file
//! for the rest of one, and does not look at the length of what arrived.

mod cache;
mod client;
mod download;
mod error;
mod reach;
mod select;
mod settings;

#[cfg(test)]
mod tests;

pub use error::HubError;
pub use settings::HubSettings;

use std::path::{Path, PathBuf};

use hf_hub::{Repo, RepoType};
use serde::Deserialize;

use cache::{Listing, RepositoryCache};
use client::{Answer, Client};
use download::Wanted;

use super::checkpoint::{LAYOUTS, Layout, index};
use super::configuration::CONFIG;

/// The branch that is taken if none is named.
const BRANCH: &str = "main";
/// Where the Hub keeps the parquet form of data sets that are stored otherwise.
const PARQUET_BRANCH: &str = "refs/convert/parquet";
const TOKENIZER: &str = "tokenizer.json";
/// Small files that a model may have, besides its configuration.
const BESIDES: [&str; 6] = [
    "generation_config.json",
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "vocab.txt",
];
/// Needed beside `vocab.json`.
const MERGES: &str = "merges.txt";
const LARGEST_LISTING: u64 = 64 << 20;

/// Something that happens during a download, for a progress display.
#[derive(Debug)]
pub enum HubEvent<'a> {
    /// `done` bytes of a file have arrived.
    Progress { file: &'a str, done: u64, total: Option<u64> },
    /// The Hub cannot be reached; the files in the cache are used, which may be older.
    UsingCache { repository: &'a str, reason: &'a HubError },
}

type Observer = Box<dyn Fn(&HubEvent) + Send + Sync>;

/// Access to the Hub.
pub struct Hub {
    settings: HubSettings,
    client: Client,
    observer: Option<Observer>,
}

/// A repository at a revision.
struct Repository {
    /// Its name, with `datasets/` in front of a data set's.
    name: String,
    repo: Repo,
    cache: RepositoryCache,
}

impl Repository {
    fn file_url(&self, endpoint: &str, commit: &str, file: &str) -> String {
        format!("{endpoint}/{}/resolve/{}/{}", self.repo.url(), encode(commit), encode(file))
    }
}

impl Hub {
    /// The Hub that the environment describes; see [`HubSettings::from_env`].
    ///
    /// # Errors
    /// If the environment names no usable address or folder.
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(HubSettings::from_env()?)
    }

    /// # Errors
    /// If the endpoint is no address.
    pub fn new(settings: HubSettings) -> Result<Self, HubError> {
        Ok(Self { client: Client::new(&settings)?, settings, observer: None })
    }

    /// Calls `observer` as downloads go on.
    pub fn with_observer(mut self, observer: impl Fn(&HubEvent) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The folder `name` if there is one, else that of the model `name` on the Hub.
    ///
    /// # Errors
    /// If neither is to be had; see [`model_folder`](Self::model_folder).
    pub fn find_model(&self, name: &str, revision: Option<&str>) -> Result<PathBuf, HubError> {
        let path = Path::new(name);
        match () {
            () if path.is_dir() => Ok(path.to_path_buf()),
            () if path.is_absolute() || name.starts_with('.') => Err(HubError::NoFolder { path: path.to_path_buf() }),
            () => self.model_folder(name, revision),
        }
    }

    /// A folder with the model's configuration, tokenizer and weights, all of one commit. Weights are downloaded in one
    /// format only: safetensors if there are any.
    ///
    /// # Errors
    /// If the repository cannot be reached or read, or holds no model.
    pub fn model_folder(&self, repository: &str, revision: Option<&str>) -> Result<PathBuf, HubError> {
        let repository = self.repository(RepoType::Model, repository, revision.unwrap_or(BRANCH))?;
        let listing = self.listing(&repository)?;
        let not_a_model = |wanted| HubError::NotAModel { repository: repository.name.clone(), wanted };
        self.small_files(&repository, &listing)?;
        let has = |file: &str| listing.files.iter().any(|listed| listed == file);
        if !has(CONFIG) {
            return Err(not_a_model(CONFIG));
        }
        let (weights, layout) =
            LAYOUTS.into_iter().find(|(file, _)| has(file)).ok_or_else(|| not_a_model("weights"))?;
        let path = self.file(&repository, &listing.commit, weights)?;
        if let Layout::Index = layout {
            for shard in index::shard_names(&path).map_err(|error| HubError::Index(Box::new(error)))? {
                self.file(&repository, &listing.commit, &shard)?;
            }
        }
        Ok(repository.cache.snapshot(&listing.commit))
    }

    /// A folder with the tokenizer of the model `repository`, without its weights.
    ///
    /// # Errors
    /// If the repository cannot be reached or read.
    pub fn tokenizer_folder(&self, repository: &str, revision: Option<&str>) -> Result<PathBuf, HubError> {
        let repository = self.repository(RepoType::Model, repository, revision.unwrap_or(BRANCH))?;
        let listing = self.listing(&repository)?;
        self.small_files(&repository, &listing)?;
        Ok(repository.cache.snapshot(&listing.commit))
    }

    /// The parquet files of a split of a data set, in order. Where the data set is stored otherwise, those that the Hub
    /// made of it.
    ///
    /// # Errors
    /// If the data set cannot be reached or read, has no such split, or has several configurations and none is named.
    pub fn dataset_files(
        &self,
        repository: &str,
        revision: Option<&str>,
        configuration: Option<&str>,
        split: &str,
    ) -> Result<Vec<PathBuf>, HubError> {
        let branches = match revision {
            Some(revision) => [Some(revision), None],
            None => [Some(BRANCH), Some(PARQUET_BRANCH)],
        };
        let mut found = Vec::new();
        for branch in branches.into_iter().flatten() {
            let repository = self.repository(RepoType::Dataset, repository, branch)?;
            let listing = match self.listing(&repository) {
                // Not every data set has this branch.
                Err(HubError::NoRepository { .. } | HubError::NotCached { .. }) if branch == PARQUET_BRANCH => continue,
                listing => listing?,
            };
            let files = select::split(&listing.files, configuration, split);
            let configurations = select::configurations(&files);
            if configurations.len() > 1 && configuration.is_none() {
                return Err(HubError::SeveralConfigurations { repository: repository.name, found: configurations });
            }
            if !files.is_empty() {
                return files.iter().map(|file| self.file(&repository, &listing.commit, file)).collect();
            }
            found.extend(listing.files.into_iter().filter(|file| select::is_parquet(file)));
        }
        Err(HubError::NoSplit { repository: repository.into(), split: split.into(), found })
    }

    fn repository(&self, kind: RepoType, name: &str, revision: &str) -> Result<Repository, HubError> {
        let valid = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        if name.split('/').count() > 2 || !name.split('/').all(valid) {
            return Err(HubError::InvalidRepository { name: name.into() });
        }
        if !revision.split('/').all(valid) {
            return Err(HubError::InvalidRevision { name: revision.into() });
        }
        let repo = Repo::with_revision(name.into(), kind, revision.into());
        Ok(Repository { name: repo.url(), cache: RepositoryCache::new(&self.settings.cache, &repo), repo })
    }

    /// The files of the repository: as the Hub says, or as the cache knows where there is no Hub to ask.
    fn listing(&self, repository: &Repository) -> Result<Listing, HubError> {
        let known = || repository.cache.listing();
        if self.settings.offline {
            return known().ok_or_else(|| HubError::NotCached {
                repository: repository.name.clone(),
                revision: repository.repo.revision().into(),
                cache: self.settings.cache.clone(),
            });
        }
        match self.ask_listing(repository) {
            Ok(listing) => {
                // A cache that cannot be written to is good enough while nothing is new.
                if known().as_ref() != Some(&listing) {
                    repository.cache.keep_listing(&listing)?;
                }
                Ok(listing)
            }
            Err(error @ (HubError::Unreachable { .. } | HubError::Server { .. })) => match known() {
                Some(listing) => {
                    self.report(&HubEvent::UsingCache { repository: &repository.name, reason: &error });
                    Ok(listing)
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn ask_listing(&self, repository: &Repository) -> Result<Listing, HubError> {
        #[derive(Deserialize)]
        struct File {
            rfilename: String,
        }
        #[derive(Deserialize)]
        struct Information {
            sha: String,
            siblings: Vec<File>,
        }
        let answer = self.client.get(&format!("{}/api/{}", self.settings.endpoint, repository.repo.api_url()), None)?;
        self.check(&answer, repository, None)?;
        let malformed = |message: String| HubError::Malformed { url: answer.url.clone(), message };
        let body = answer.response.into_body().into_with_config().limit(LARGEST_LISTING).read_to_vec();
        let text = body.map_err(|error| malformed(error.to_string()))?;
        let Information { sha, siblings } =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if sha.is_empty() || !sha.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(malformed(format!("{sha:?} is no commit")));
        }
        let files: Vec<String> = siblings.into_iter().map(|file| file.rfilename).collect();
        match files.iter().find(|file| !is_below(file)) {
            Some(file) => Err(HubError::UnsafeFile { repository: repository.name.clone(), file: file.clone() }),
            None => Ok(Listing { commit: sha, files }),
        }
    }

    /// The configuration and the files of the tokenizer, as far as there are any.
    fn small_files(&self, repository: &Repository, listing: &Listing) -> Result<(), HubError> {
        let has = |file: &str| listing.files.iter().any(|listed| listed == file);
        let tokenizer = has(TOKENIZER);
        for file in [CONFIG, MERGES].into_iter().chain(BESIDES) {
            let superseded = tokenizer && (file == MERGES || file.starts_with("vocab."));
            if has(file) && !superseded {
                self.file(repository, &listing.commit, file)?;
            }
        }
        Ok(())
    }

    /// A file from the cache, else from the Hub.
    fn file(&self, repository: &Repository, commit: &str, name: &str) -> Result<PathBuf, HubError> {
        match repository.cache.file(commit, name) {
            Some(path) => Ok(path),
            None if self.settings.offline => Err(HubError::FileNotCached {
                repository: repository.name.clone(),
                file: name.into(),
                cache: self.settings.cache.clone(),
            }),
            None => self.download(&Wanted { repository, commit, name }),
        }
    }

    /// The error that an answer's status stands for.
    fn check(&self, answer: &Answer, repository: &Repository, file: Option<&str>) -> Result<(), HubError> {
        let (name, revision) = (repository.name.clone(), repository.repo.revision().to_owned());
        match (answer.status().as_u16(), file) {
            (200..300, _) => Ok(()),
            (401, _) => Err(HubError::Unauthorized { repository: name }),
            (403, _) => Err(HubError::Forbidden { repository: name }),
            (404, None) => Err(HubError::NoRepository { repository: name, revision }),
            (404, Some(file)) => Err(HubError::NoFile { repository: name, file: file.into(), revision }),
            (status @ (408 | 429 | 500..), _) => Err(HubError::Server { url: answer.url.clone(), status }),
            (status, _) => Err(HubError::Status { url: answer.url.clone(), status }),
        }
    }

    fn report(&self, event: &HubEvent) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

/// Whether `file` is a path that stays below the folder it is put in.
fn is_below(file: &str) -> bool {
    !file.is_empty() && !file.contains('\\') && file.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Percent-encodes all but what a path may hold.
fn encode(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
