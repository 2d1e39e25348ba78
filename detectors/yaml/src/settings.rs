//! The user's settings of detectors: which ones run, and what they are told.
//!
//! ```yaml
//! paths: [rules/, extra/detector.yaml]   # files and directories of detectors, relative to this file
//! detectors:
//!   TRC-105:
//!     enabled: false
//!   ACME-001:
//!     config:
//!       threshold: 5
//!       paths: [/etc/shadow, /etc/sudoers]
//! ```
//!
//! Unquoted values of `config` are read as in YAML 1.2's core schema: numbers (also `0x…` and `0o…`), `true`, `false` and
//! `null`; all else is text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use detectors_api::detector::DetectorConfig;
use serde_json::{Map, Number, Value};

use crate::document::item::{Item, Mapping};
use crate::document::{Kind, Node, Scalar, Style};
use crate::error::{Fault, Faults, FileError, Reason, did_you_mean};
use crate::load::read_file;
use crate::source::{Position, Source};

/// A settings file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Files and directories of detectors. Relative ones were joined to the directory of the settings file.
    pub paths: Vec<PathBuf>,
    /// The settings of detectors, in the order of the file. No id is there twice.
    pub detectors: Vec<DetectorSettings>,
    source: Arc<Source>,
}

/// The settings of one detector.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorSettings {
    /// Its id.
    pub id: String,
    /// Whether it runs, if it is chosen; `true` unless the file says otherwise.
    pub enabled: bool,
    /// What it is told.
    pub config: DetectorConfig,
    /// Where its id stands.
    pub position: Position,
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Vec<FileError>> {
        let source = read_file(path).map_err(|reason| vec![FileError::of_file(path, reason)])?;
        Self::parse(source)
    }

    /// Reads the settings in `source`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(source: Source) -> Result<Self, Vec<FileError>> {
        let mut faults = Faults::default();
        let root = Node::parse(source.text(), &mut faults);
        let mapping = root
            .as_ref()
            .and_then(|root| Item::root(root).mapping(&["paths", "detectors"], &mut faults));
        let (mut paths, mut detectors) = (Vec::new(), Vec::new());
        if let Some(mapping) = &mapping {
            let base = source.path().parent().unwrap_or(Path::new(""));
            let texts = mapping.texts("paths", &mut faults);
            paths.extend(texts.into_iter().map(|(_, text)| base.join(text)));
            if let Some(item) = mapping.get("detectors") {
                detectors = all(&item, &source, &mut faults);
            }
        }
        if !faults.is_empty() {
            let (mut errors, warnings) = faults.within(&source);
            errors.extend(warnings);
            return Err(errors);
        }
        Ok(Self {
            paths,
            detectors,
            source: Arc::new(source),
        })
    }

    /// An error for every id that is none of `known`.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> Vec<FileError> {
        let unknown = self
            .detectors
            .iter()
            .filter(|one| !known.contains(&one.id.as_str()));
        unknown
            .map(|one| {
                let fault = Fault {
                    offset: one.position.offset,
                    field: format!("detectors.{}", one.id),
                    reason: Reason::Unknown {
                        what: "detector",
                        value: one.id.clone(),
                    },
                    hint: did_you_mean(&one.id, known.iter().copied()),
                    harmless: false,
                };
                fault.within(&self.source)
            })
            .collect()
    }
}

fn all(item: &Item<'_>, source: &Source, faults: &mut Faults) -> Vec<DetectorSettings> {
    let Some(mapping) = item.any_mapping(faults) else {
        return Vec::new();
    };
    let one = |entry| {
        let settings = mapping.item_of(entry).mapping(&["enabled", "config"], faults)?;
        let enabled = settings.get("enabled").and_then(|item| item.flag(faults));
        let config = settings.get("config").and_then(|item| item.any_mapping(faults));
        Some(DetectorSettings {
            id: entry.key.clone(),
            enabled: enabled.unwrap_or(true),
            config: config
                .map(|config| config_of(&config, faults))
                .unwrap_or_default(),
            position: source.position(entry.span.start),
        })
    };
    mapping.entries.iter().filter_map(one).collect()
}

fn config_of(mapping: &Mapping<'_>, faults: &mut Faults) -> DetectorConfig {
    let entries = mapping.entries.iter();
    entries
        .filter_map(|entry| Some((entry.key.clone(), json(&mapping.item_of(entry), faults)?)))
        .collect()
}

/// A node as JSON. Its depth is bounded by the document's.
fn json(item: &Item<'_>, faults: &mut Faults) -> Option<Value> {
    Some(match &item.node.kind {
        Kind::Scalar(scalar) => scalar_json(scalar),
        Kind::List(nodes) => {
            let at = |(index, node)| Item {
                node,
                path: format!("{}[{index}]", item.path),
            };
            let items = nodes.iter().enumerate().map(at);
            Value::Array(items.map(|item| json(&item, faults)).collect::<Option<_>>()?)
        }
        Kind::Mapping(_) => {
            let mapping = item.any_mapping(faults)?;
            let entries = mapping.entries.iter();
            let values =
                entries.map(|entry| Some((entry.key.clone(), json(&mapping.item_of(entry), faults)?)));
            Value::Object(values.collect::<Option<Map<_, _>>>()?)
        }
        // Reported when it was read.
        Kind::Invalid => return None,
    })
}

fn scalar_json(scalar: &Scalar) -> Value {
    let text = scalar.value.as_str();
    if scalar.style != Style::Plain {
        return text.into();
    }
    match text {
        _ if scalar.is_null() => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Number::from);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).filter(|_| !digits.starts_with('+'));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).filter(|_| !digits.starts_with('+'));
    }
    // Leaves out what Rust reads and YAML does not: `inf`, `nan` and the like.
    if !text.starts_with(['+', '-', '.']) && !text.starts_with(|c: char| c.is_ascii_digit())
        || text.bytes().any(|byte| !b"+-.0123456789eE".contains(&byte))
    {
        return None;
    }
    let whole = text.parse::<i64>().map(Number::from);
    whole
        .or_else(|_| text.parse::<u64>().map(Number::from))
        .ok()
        .or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, Vec<FileError>> {
        Settings::parse(Source::new("/etc/cap/detectors.yaml", text))
    }

    #[test]
    fn settings_reach_the_detector_as_json() {
        let settings = parse(
            "paths: [rules, /opt/rules]\n\
             detectors:\n  \
               TRC-105: {enabled: no}\n  \
               ACME-001:\n    \
                 config: {n: 0x10, big: 18446744073709551615, f: -1.5, quoted: '7', flag: true, none: ~, \
                          list: [1, two], map: {a: 1}, version: 1.2.3}\n",
        )
        .expect("it is in order");
        assert_eq!(
            settings.paths,
            [Path::new("/etc/cap/rules"), Path::new("/opt/rules")]
        );
        let [off, on] = &settings.detectors[..] else {
            panic!("there are two");
        };
        assert_eq!((off.id.as_str(), off.enabled), ("TRC-105", false));
        assert_eq!((on.position.line, on.position.column), (4, 3));
        let expected: DetectorConfig = [
            ("n", Value::from(16)),
            ("big", Value::from(u64::MAX)),
            ("f", Value::from(-1.5)),
            ("quoted", Value::from("7")),
            ("flag", Value::from(true)),
            ("none", Value::Null),
            ("list", serde_json::json!([1, "two"])),
            ("map", serde_json::json!({"a": 1})),
            ("version", Value::from("1.2.3")),
        ]
        .into_iter()
        .collect();
        assert_eq!(on.config, expected);
    }

    #[test]
    fn what_nobody_knows_is_an_error_with_its_place() {
        let errors = parse("detectors:\n  X:\n    enable: false\n    config: 7\ndetector: {}\n")
            .expect_err("it has three errors");
        let places: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(places, ["detectors.X.enable", "detectors.X.config", "detector"]);
        assert_eq!(errors[2].hint.as_deref(), Some("did you mean detectors?"));

        let settings = parse("detectors:\n  TRC-15: {}\n  TRC-1: {}\n").expect("it is in order");
        let unknown = settings.unknown(&["TRC-105", "TRC-1"]);
        assert_eq!(unknown.len(), 1);
        assert_eq!(
            unknown[0].to_string(),
            "/etc/cap/detectors.yaml:2:3: detectors.TRC-15: there is no detector TRC-15\n  \
               2 |   TRC-15: {}\n    \
                 |   ^\n  \
               help: did you mean TRC-105?"
        );
    }
}
