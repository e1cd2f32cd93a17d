use toml::{Table, Value};

use super::{ControlConfig, ControlError, preset_config::NONE};

impl ControlConfig {
    /// Every setting as TOML, absent ones as `"none"`, below the run's [label](Self::label): what `config.toml` of a
    /// run holds. Counts larger than TOML can hold become the largest that it can, which no training reaches either.
    ///
    /// # Errors
    /// If the seed is larger than TOML can hold.
    pub fn text(&self) -> Result<String, ControlError> {
        if i64::try_from(self.seed).is_err() {
            return Err(ControlError::SeedTooLarge { seed: self.seed });
        }
        let settings: Table = match toml_value(serde_json::json!(self)) {
            Value::Table(table) => table,
            _ => unreachable!("a configuration has sections"),
        };
        Ok(format!("# {}\n{settings}", self.label()))
    }
}

fn toml_value(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::String(NONE.into()),
        Json::Bool(flag) => Value::Boolean(flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None if number.is_u64() => Value::Integer(i64::MAX),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text),
        Json::Array(list) => Value::Array(list.into_iter().map(toml_value).collect()),
        Json::Object(entries) => {
            Value::Table(entries.into_iter().map(|(key, value)| (key, toml_value(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Family;

    #[test]
    fn every_setting_is_written_below_the_name_of_the_run() {
        let mut config = ControlConfig::preset(Family::Reference, "sppo", "Ant-v4", true, &[]).unwrap();
        config.environment.arguments = Some(r#"{"gravity": -5.0}"#.into());
        let text = config.text().unwrap();
        assert!(text.starts_with("# Ant-v4/ntype:none_0.0/ppo/sppo/"), "{text}");
        for line in [
            "[update]",
            "learning_rate = 0.0003",
            "clip_range_vf = \"none\"",
            "total_steps = 2000000",
            r#"arguments = '{"gravity": -5.0}'"#,
        ] {
            assert!(text.lines().any(|there| there == line), "{line} in {text}");
        }
        config.checkpoint.every = u64::MAX;
        assert!(config.text().unwrap().contains("every = 9223372036854775807"));
        config.seed = u64::MAX;
        assert!(matches!(config.text(), Err(ControlError::SeedTooLarge { seed: u64::MAX })));
    }
}
