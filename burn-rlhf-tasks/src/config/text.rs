//! A configuration as text: for files, for a plan, and to say what has changed.

use super::layer::entries;
use super::{ConfigError, Layered, RunConfig};
use std::fmt::Write;
use toml::Value;

/// A key whose value differs between two configurations.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub key: String,
    pub before: String,
    pub after: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} instead of {}", self.key, self.after, self.before)
    }
}

/// The whole configuration as TOML, every key in its place, absent values as `"none"`.
///
/// # Errors
///
/// [`ConfigError::TooLarge`] for a seed that TOML cannot hold.
pub fn to_toml<T: Layered>(config: &T) -> Result<String, ConfigError> {
    // The keys of one section together, in whatever order the types declare sections and values.
    let mut sections: Vec<(String, String)> = vec![(String::new(), String::new())];
    for (key, value) in entries(config)? {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", &key));
        let line = format!("{name} = {}\n", literal(&value));
        match sections.iter_mut().find(|(known, _)| known == section) {
            Some((_, lines)) => lines.push_str(&line),
            None => sections.push((section.into(), line)),
        }
    }
    let mut text = String::new();
    for (section, lines) in sections {
        if !section.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[{section}]\n");
        }
        text.push_str(&lines);
    }
    Ok(text)
}

/// What differs in `after`.
///
/// # Errors
///
/// Those of [`to_toml`].
pub fn changes<T: Layered>(before: &T, after: &T) -> Result<Vec<Change>, ConfigError> {
    let both = entries(before)?.into_iter().zip(entries(after)?);
    let changes = both.filter(|((_, before), (_, after))| before != after).map(|((key, before), (_, after))| Change {
        key,
        before: literal(&before),
        after: literal(&after),
    });
    Ok(changes.collect())
}

impl RunConfig {
    /// How one iteration is cut up, in one line.
    pub fn batch_arithmetic(&self) -> String {
        let update = &self.update;
        let minibatches = update.rollouts / update.minibatch.max(1);
        let microbatches = update.minibatch / update.microbatch.max(1);
        let steps = minibatches * update.epochs;
        format!(
            "{} rollouts = {minibatches} x minibatch {}, minibatch {} = {microbatches} x microbatch {}, {} epochs: \
             {steps} steps an iteration, {} in {} iterations",
            update.rollouts,
            update.minibatch,
            update.minibatch,
            update.microbatch,
            update.epochs,
            steps as u64 * self.iterations,
            self.iterations,
        )
    }
}

fn literal(value: &Value) -> String {
    match value {
        // The shortest form that reads back as the same number: `5e-6`, `0.5`, `1.0`.
        Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}
