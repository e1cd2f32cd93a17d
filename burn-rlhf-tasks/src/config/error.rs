use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What is wrong with a configuration. Nothing has been started then.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{} is empty: the program that made this run wrote no configuration (`config_text` does), so that only this \
         program knows how to go on with it",
        .path.display()
    )]
    Empty { path: PathBuf },
    #[error("{origin} is not valid TOML: {message}")]
    Syntax { origin: Origin, message: String },
    #[error("{origin} is no assignment; write --set section.key=value")]
    Assignment { origin: Origin },
    #[error("there is no key `{key}` ({origin}){}", suggestion(.nearest, .known))]
    UnknownKey { key: String, origin: Origin, nearest: Option<String>, known: Vec<String> },
    #[error("`{key}` must be {expected}, but is {found} ({origin})")]
    Type { key: String, origin: Origin, expected: &'static str, found: String },
    #[error("`{key}` cannot be {value:?} ({origin}){}", suggestion(.nearest, .known))]
    Choice { key: String, origin: Origin, value: String, nearest: Option<String>, known: Vec<String> },
    #[error("`{key}` is missing ({origin})")]
    Missing { key: String, origin: Origin },
    #[error("`{key}`: {message} ({origin})")]
    Invalid { key: String, origin: Origin, message: String },
    #[error("`{key}` is {value}, but must be {range}")]
    Range { key: String, value: String, range: &'static str },
    #[error(
        "`{whole_key}` ({whole}) cannot be divided into parts of `{part_key}` ({part}); {}",
        divisors(*.whole, *.part)
    )]
    Divide { whole_key: String, whole: usize, part_key: String, part: usize },
    #[error("`{algorithm}` has no importance ratio, so a rollout serves only once: set update.epochs=1 (is {epochs})")]
    EpochsWithoutRatio { algorithm: &'static str, epochs: usize },
    #[error("`{key}` ({value}) is more than `{other}` ({bound}); change one of them")]
    Order { key: String, value: usize, other: String, bound: usize },
    #[error("`kl.target` is needed by the controller {controller:?}: set kl.target=6, or kl.control=fixed")]
    KlTarget { controller: String },
    #[error(
        "`model.reference` is none, but a KL penalty of `kl.coef` = {coef} is measured against a reference: set \
         kl.coef=0, or model.reference=copy"
    )]
    KlWithoutReference { coef: f64 },
    #[error("`{key}` is {value}, larger than a configuration file can hold ({})", i64::MAX)]
    TooLarge { key: String, value: u64 },
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Defaults,
    /// One of the settings that come with the program.
    Preset(&'static str),
    File(PathBuf),
    /// A `section.key=value` after `--set`.
    Set(String),
    /// Any other argument, as it was written.
    Argument(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => write!(f, "defaults"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Set(text) => write!(f, "--set {text}"),
            Self::Argument(text) => write!(f, "{text}"),
        }
    }
}

fn suggestion(nearest: &Option<String>, known: &[String]) -> String {
    let list = || if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) };
    match nearest {
        Some(nearest) => {
            format!("; did you mean `{nearest}`?{}", if known.len() <= 8 { list() } else { String::new() })
        }
        None => list(),
    }
}

/// The divisors of `whole` next to `part`.
fn divisors(whole: usize, part: usize) -> String {
    let below = (1..=part.min(whole)).rev().find(|size| whole.is_multiple_of(*size));
    let above = (part..=whole).find(|size| *size > 0 && whole.is_multiple_of(*size));
    match (below, above) {
        (Some(below), Some(above)) => format!("use {below} or {above}"),
        (Some(size), None) | (None, Some(size)) => format!("use {size} or less"),
        (None, None) => "use at least 1".into(),
    }
}
