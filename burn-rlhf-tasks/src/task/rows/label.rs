//! The spellings of a label.

use serde_json::Value;

pub(super) fn of_integer(value: i64) -> Option<u8> {
    u8::try_from(value).ok().filter(|&label| label <= 1)
}

pub(super) fn of_text(value: &str) -> Option<u8> {
    match value.trim().to_ascii_lowercase().as_str() {
        "0" | "neg" | "negative" | "false" => Some(0),
        "1" | "pos" | "positive" | "true" => Some(1),
        _ => None,
    }
}

pub(super) fn of_json(value: &Value) -> Option<u8> {
    match value {
        Value::Bool(value) => Some(u8::from(*value)),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(0),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(1),
        Value::String(text) => of_text(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_known() {
        for (text, label) in [("0", 0), ("1", 1), ("neg", 0), ("Positive", 1), (" TRUE ", 1), ("false", 0)] {
            assert_eq!(of_text(text), Some(label), "{text}");
            assert_eq!(of_json(&Value::from(text)), Some(label), "{text}");
        }
        assert_eq!(of_json(&Value::from(1)), Some(1));
        assert_eq!(of_json(&Value::from(0.0)), Some(0));
        assert_eq!(of_json(&Value::from(true)), Some(1));
        assert_eq!(of_integer(1), Some(1));
    }

    #[test]
    fn other_values_are_no_labels() {
        for text in ["", "2", "-1", "good", "0.5"] {
            assert_eq!(of_text(text), None, "{text}");
        }
        for value in [Value::from(2), Value::from(-1), Value::from(0.5), Value::Null, Value::from(vec![1])] {
            assert_eq!(of_json(&value), None, "{value}");
        }
        for value in [-1, 2, 256, 257, i64::MIN] {
            assert_eq!(of_integer(value), None, "{value}");
        }
    }
}
