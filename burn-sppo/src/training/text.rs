use toml::{Table, Value};

use super::{ControlConfig, ControlError, preset_config::NONE};

impl ControlConfig {
    /// Every setting as TOML, absent ones as `"none"`, below the run's [label](Self::label): what `config.toml` of a
    /// run holds.
    ///
    /// # Errors
    /// If the seed is larger than TOML can hold.
    pub fn text(&self) -> Result<String, ControlError> {
        let settings = serde_json::to_value(self).ok().and_then(toml_value);
        let Some(Value::Table(table)) = settings else { return Err(ControlError::SeedTooLarge { seed: self.seed }) };
        Ok(format!("# {}\n{table}", self.label()))
    }
}

/// `None` for a whole number that TOML cannot hold.
fn toml_value(value: serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match value {
        Json::Null => Value::String(NONE.into()),
        Json::Bool(flag) => Value::Boolean(flag),
        Json::Number(number) if number.is_f64() => Value::Float(number.as_f64()?),
        Json::Number(number) => Value::Integer(number.as_i64()?),
        Json::String(text) => Value::String(text),
        Json::Array(list) => Value::Array(list.into_iter().map(toml_value).collect::<Option<_>>()?),
        Json::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| Some((key, toml_value(value)?)));
            Value::Table(entries.collect::<Option<Table>>()?)
        }
    })
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
        config.seed = u64::MAX;
        assert!(matches!(config.text(), Err(ControlError::SeedTooLarge { seed: u64::MAX })));
    }
}
