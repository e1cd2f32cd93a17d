use std::path::PathBuf;

use thiserror::Error;

use crate::model::ModelError;

/// Why something could not be had from the Hub.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HubError {
    #[error("{name:?} is neither a folder nor the name of a repository; a repository is called owner/name")]
    InvalidRepository { name: String },

    #[error("{name:?} is not a revision: a branch, a tag or a commit")]
    InvalidRevision { name: String },

    #[error("{path}: no such folder", path = path.display())]
    NoFolder { path: PathBuf },

    #[error("HF_ENDPOINT is {endpoint:?}, which is not an address like https://huggingface.co")]
    InvalidEndpoint { endpoint: String },

    #[error("the home folder is not known; set HF_HOME to a folder for downloads")]
    NoHome,

    #[error(
        "{url}: cannot be reached: {message}. Check the network, or use files that are here already: --data PATH for \
         data, a local folder for models, HF_HUB_OFFLINE=1 for what was downloaded before"
    )]
    Unreachable { url: String, message: String },

    #[error(
        "{repository}: access refused (401): the repository is private or gated, or does not exist. Set HF_TOKEN to a \
         token that may read it"
    )]
    Unauthorized { repository: String },

    #[error(
        "{repository}: access refused (403): accept the repository's conditions on its page, or set HF_TOKEN to another \
         token"
    )]
    Forbidden { repository: String },

    #[error("{repository}: no such repository, or no revision {revision} in it (404)")]
    NoRepository { repository: String, revision: String },

    #[error("{repository}: no file {file} in revision {revision} (404)")]
    NoFile { repository: String, file: String, revision: String },

    #[error("{url}: the server answered {status}; try again later")]
    Server { url: String, status: u16 },

    #[error("{url}: the server answered {status}, which was not expected")]
    Status { url: String, status: u16 },

    #[error("{url}: redirected more than {limit} times")]
    TooManyRedirects { url: String, limit: usize },

    #[error("{url}: the answer is not what the Hub sends: {message}")]
    Malformed { url: String, message: String },

    #[error(
        "{file} of {repository}: the connection was cut after {received} of {total} bytes; run the same command again \
         to go on from there"
    )]
    Interrupted { repository: String, file: String, received: u64, total: u64 },

    #[error("{file} of {repository}: what arrived is not what the Hub announced (sha256 differs); try again")]
    Checksum { repository: String, file: String },

    #[error("{repository}: names a file outside its folder: {file:?}")]
    UnsafeFile { repository: String, file: String },

    #[error(
        "{repository}: revision {revision} is not in the cache {cache}, and HF_HUB_OFFLINE forbids to download it",
        cache = cache.display()
    )]
    NotCached { repository: String, revision: String, cache: PathBuf },

    #[error(
        "{repository}: {file} is not in the cache {cache}, and HF_HUB_OFFLINE forbids to download it",
        cache = cache.display()
    )]
    FileNotCached { repository: String, file: String, cache: PathBuf },

    #[error("{repository}: holds no {wanted}; it is not a model that can be loaded")]
    NotAModel { repository: String, wanted: &'static str },

    #[error(transparent)]
    Index(Box<ModelError>),

    #[error("{repository}: no parquet files of split {split:?}; there are: {}", found.join(", "))]
    NoSplit { repository: String, split: String, found: Vec<String> },

    #[error("{repository}: has several configurations: {}; name one of them", found.join(", "))]
    SeveralConfigurations { repository: String, found: Vec<String> },

    #[error("{path}: cannot be written: {source}", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },
}
