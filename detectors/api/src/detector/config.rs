//! The user's settings for a detector.

use std::collections::BTreeMap;

use serde_json::Value;

/// The user's settings for one detector: names and JSON values. A setting that is missing, or that cannot be read as what
/// is asked for, gives the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectorConfig(BTreeMap<String, Value>);

impl DetectorConfig {
    /// Whether there is a setting called `key`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A whole number: a number, its fraction cut off, or a text that is a decimal number.
    #[must_use]
    pub fn get_int(&self, key: &str, default: i64) -> i64 {
        let read = match self.0.get(key) {
            // A cast of floats saturates, which is what is wanted of absurd settings.
            Some(Value::Number(number)) => number
                .as_i64()
                .or_else(|| number.as_f64().map(|float| float as i64)),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        read.unwrap_or(default)
    }

    /// A number, or a text that is one.
    #[must_use]
    pub fn get_float(&self, key: &str, default: f64) -> f64 {
        let read = match self.0.get(key) {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        read.unwrap_or(default)
    }

    /// A truth value, the texts `true`/`True`/`TRUE`/`false`/`False`/`FALSE`, or a number other than 0.
    #[must_use]
    pub fn get_bool(&self, key: &str, default: bool) -> bool {
        let read = match self.0.get(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            Some(Value::Number(number)) => number.as_f64().map(|number| number != 0.0),
            Some(Value::String(text)) => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        };
        read.unwrap_or(default)
    }

    /// A text; numbers and truth values are written out.
    #[must_use]
    pub fn get_string(&self, key: &str, default: &str) -> String {
        match self.0.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => default.to_owned(),
        }
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for DetectorConfig {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(settings: I) -> Self {
        Self(
            settings
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_leniently() {
        let config: DetectorConfig = [
            ("number", Value::from(7)),
            ("fraction", Value::from(7.9)),
            ("text", Value::from("8")),
            ("flag", Value::from("TRUE")),
            ("list", Value::from(vec![1])),
        ]
        .into_iter()
        .collect();
        assert_eq!(config.get_int("number", 0), 7);
        assert_eq!(config.get_int("fraction", 0), 7);
        assert_eq!(config.get_int("text", 0), 8);
        assert_eq!(config.get_int("flag", -1), -1);
        assert!(config.get_bool("flag", false));
        assert!(config.get_bool("number", false));
        assert!((config.get_float("text", 0.0) - 8.0).abs() < f64::EPSILON);
        assert_eq!(config.get_string("number", ""), "7");
        assert_eq!(config.get_string("list", "none"), "none");
        assert!(config.has("list") && !config.has("missing"));
    }
}
