//! Presets, a file and arguments, laid over each other.

use super::nearest::nearest;
use super::preset::{self, Preset};
use super::reader::{Entry, FaultKind, LIST, TEXT, read};
use super::{ConfigError, Origin, RunConfig};
use serde::{Serialize, de::DeserializeOwned};
use std::fs;
use std::path::PathBuf;
use toml::{Table, Value};

/// What a user says beyond the presets, in rising order of precedence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Arguments of their own that stand for a key.
    pub arguments: Vec<Argument>,
    /// `section.key=value` each. A value that is not a TOML literal is text; a list may do without its brackets.
    pub set: Vec<String>,
}

/// An argument that stands for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// As it was written, for messages.
    pub written: String,
    /// `section.key`
    pub key: String,
    /// As after `--set`.
    pub value: String,
}

impl Argument {
    /// `--name value`, or `value` alone where it has no name, standing for `key`.
    pub fn new(name: &str, key: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { written: format!("{name} {value}").trim_start().to_owned(), key: key.into(), value }
    }
}

/// One table of values, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    origin: Origin,
    table: Table,
    /// For a single value: its key, and the text it was read from.
    raw: Option<(String, String)>,
}

impl RunConfig {
    /// Lays defaults, presets and overrides over each other, checks every key and value, and that they fit together.
    ///
    /// The presets follow from what the overrides say of `task.name`, `algorithm.name`, `size` and `compat`.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] naming the key, where it was given and what it should be.
    pub fn resolve(overrides: &Overrides) -> Result<Self, ConfigError> {
        let user = overrides.layers()?;
        // The user's values say which task it is, the task's presets which size, unless the user says that too.
        let config: Self = stack(&[], &user)?;
        let mut presets = Layer::presets(&preset::of_job(config.task.name, config.algorithm.name))?;
        let config: Self = stack(&presets, &user)?;
        presets.extend(Layer::presets(&preset::of_shape(config.size, config.compat))?);
        let config: Self = stack(&presets, &user)?;
        config.check()?;
        Ok(config)
    }

    /// Reads the configuration that was saved with a run; presets that have changed since have no part in it.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] naming the key and what it should be.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let config: Self = stack(&[], &[Layer::saved(path.into())?])?;
        config.check()?;
        Ok(config)
    }
}

/// A configuration whose types are its schema, and which has a value for every key.
pub trait Layered: Serialize + DeserializeOwned + Default {
    /// The seed of every random number.
    fn seed(&self) -> u64;
}

impl Layered for RunConfig {
    fn seed(&self) -> u64 {
        self.seed
    }
}

/// Every key and its value, in order.
pub(super) fn entries<T: Layered>(config: &T) -> Result<Vec<Entry>, ConfigError> {
    if i64::try_from(config.seed()).is_err() {
        return Err(ConfigError::TooLarge { key: "seed".into(), value: config.seed() });
    }
    let table = Value::try_from(config)
        .map_err(|error| ConfigError::Syntax { origin: Origin::Defaults, message: error.to_string() })?;
    let (_, entries) = read::<T>(&table).map_err(|fault| explain(fault, &Origin::Defaults, &[]))?;
    Ok(entries)
}

impl Overrides {
    /// One layer for each thing that was said.
    pub(super) fn layers(&self) -> Result<Vec<Layer>, ConfigError> {
        let mut layers = Vec::new();
        if let Some(path) = &self.file {
            layers.push(Layer::file(path.clone())?);
        }
        for Argument { written, key, value } in &self.arguments {
            layers.push(Layer::single(Origin::Argument(written.clone()), key, value)?);
        }
        for text in &self.set {
            let origin = Origin::Set(text.clone());
            match text.split_once('=') {
                Some((key, value)) => layers.push(Layer::single(origin, key.trim(), value.trim())?),
                None => return Err(ConfigError::Assignment { origin }),
            }
        }
        Ok(layers)
    }
}

impl Layer {
    pub(super) fn file(path: PathBuf) -> Result<Self, ConfigError> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        Self::parse(Origin::File(path), &text)
    }

    /// The file that was saved with a run.
    pub(super) fn saved(path: PathBuf) -> Result<Self, ConfigError> {
        let layer = Self::file(path)?;
        match (&layer.origin, layer.table.is_empty()) {
            (Origin::File(path), true) => Err(ConfigError::Empty { path: path.clone() }),
            _ => Ok(layer),
        }
    }

    fn presets(presets: &[&Preset]) -> Result<Vec<Self>, ConfigError> {
        presets.iter().map(|preset| Self::parse(Origin::Preset(preset.name), preset.text)).collect()
    }

    pub(super) fn settings(name: &'static str, table: Table) -> Self {
        Self { origin: Origin::Preset(name), table, raw: None }
    }

    fn parse(origin: Origin, text: &str) -> Result<Self, ConfigError> {
        match text.parse() {
            Ok(table) => Ok(Self { origin, table, raw: None }),
            Err(error) => Err(ConfigError::Syntax { origin, message: error.to_string().trim_end().to_string() }),
        }
    }

    fn single(origin: Origin, key: &str, text: &str) -> Result<Self, ConfigError> {
        if key.split('.').any(str::is_empty) {
            return Err(ConfigError::Assignment { origin });
        }
        let value = text.parse().unwrap_or_else(|_| Value::from(text));
        Ok(Self { origin, table: nest(key, value), raw: Some((key.into(), text.into())) })
    }

    /// The same, if its text can be understood as a value of the expected type after all.
    fn reread(&self, key: &str, expected: &str) -> Option<Table> {
        let (_, text) = self.raw.as_ref().filter(|(own, _)| own == key)?;
        match expected {
            TEXT => Some(nest(key, text.as_str().into())),
            LIST => {
                let items = text.trim_start_matches('[').trim_end_matches(']').split(',').map(str::trim);
                let items = items.filter(|item| !item.is_empty()).map(|item| item.trim_matches('"').into());
                Some(nest(key, Value::Array(items.collect())))
            }
            _ => None,
        }
    }
}

fn nest(key: &str, value: Value) -> Table {
    let mut parts = key.rsplit('.');
    let last = parts.next().unwrap_or(key);
    let innermost = Table::from_iter([(last.to_string(), value)]);
    parts.fold(innermost, |table, part| Table::from_iter([(part.to_string(), Value::Table(table))]))
}

/// Lays presets and the user's layers over the defaults. Checks after each layer, so that whatever is wrong is the fault
/// of that layer.
pub(super) fn stack<T: Layered>(presets: &[Layer], user: &[Layer]) -> Result<T, ConfigError> {
    let defaults = T::default();
    let known = entries(&defaults)?;
    let mut config = defaults;
    let mut table = Table::new();
    for (key, value) in &known {
        merge(&mut table, nest(key, value.clone()));
    }
    for layer in presets.iter().chain(user) {
        let mut merged = table.clone();
        merge(&mut merged, layer.table.clone());
        let mut result = read(&Value::Table(merged.clone()));
        if let Err(fault) = &result
            && let FaultKind::Type { expected, .. } = fault.kind
            && let Some(reread) = layer.reread(&fault.key, expected)
        {
            merged = table.clone();
            merge(&mut merged, reread);
            result = read(&Value::Table(merged.clone()));
        }
        let (read, _) = result.map_err(|fault| explain(fault, &layer.origin, &known))?;
        (config, table) = (read, merged);
    }
    Ok(config)
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn explain(fault: super::reader::Fault, origin: &Origin, known_keys: &[Entry]) -> ConfigError {
    let (key, origin) = (fault.key, origin.clone());
    match fault.kind {
        FaultKind::Key { known } => {
            let nearest = nearest(&key, known_keys.iter().map(|(key, _)| key.as_str())).map(str::to_string);
            let section = key.rsplit_once('.').map_or(String::new(), |(section, _)| format!("{section}."));
            let known = known.iter().map(|field| format!("{section}{field}")).collect();
            ConfigError::UnknownKey { key, origin, nearest, known }
        }
        FaultKind::Type { expected, found } => ConfigError::Type { key, origin, expected, found },
        FaultKind::Choice { value, known } => {
            let nearest = nearest(&value, known.iter().copied()).map(str::to_string);
            let known = known.iter().map(|name| name.to_string()).collect();
            ConfigError::Choice { key, origin, value, nearest, known }
        }
        FaultKind::Missing => ConfigError::Missing { key, origin },
        FaultKind::Other(message) => ConfigError::Invalid { key, origin, message },
    }
}
