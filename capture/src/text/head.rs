//! What a text begins with: a YAML document.
//!
//! Of YAML it has no more than mappings and lists in block style, indented by two spaces a level, with JSON as values:
//!
//! ```yaml
//! tracee_cap_capture: "1.2"
//! recording:
//!   capture_id: "0123456789abcdef0123456789abcdef"
//!   host:
//!     name: "web-1"
//!   sensor_plan:
//!     - {"event":"close","status":"hooked"}
//! state: "closed"
//! ```

use std::collections::BTreeMap;
use std::iter::Peekable;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Header, State, Totals};

/// The first member, which tells texts from other files.
pub(super) const MAGIC: &str = "tracee_cap_capture: ";

/// The line after the head.
pub(super) const END: &str = "---";

/// Mappings that are nested deeper are written in one line.
const DEPTH: usize = 4;

/// What the manifest says that nothing else in a text does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The version of the format.
    #[serde(rename = "tracee_cap_capture")]
    pub(super) format: String,
    #[serde(default)]
    pub(super) recording: Header,
    #[serde(default = "closed")]
    pub(super) state: State,
    /// Checked against what follows. Who writes a text by hand may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) totals: Option<Totals>,
}

fn closed() -> State {
    State::Closed
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) reason: String,
}

impl Head {
    /// The head with its last line.
    pub(super) fn to_yaml(&self) -> Result<String, serde_json::Error> {
        let Self {
            format,
            recording,
            state,
            totals,
        } = self;
        let mut text = format!("{MAGIC}{}\n", flow(&serde_json::to_value(format)?));
        add(&mut text, 0, "recording", &serde_json::to_value(recording)?);
        add(&mut text, 0, "state", &serde_json::to_value(state)?);
        if let Some(totals) = totals {
            add(&mut text, 0, "totals", &serde_json::to_value(totals)?);
        }
        text.push_str(END);
        text.push('\n');
        Ok(text)
    }

    /// Reads lines, which have numbers, without the last one.
    pub(super) fn parse(lines: &[(u64, String)]) -> Result<Self, Fault> {
        let mut reader = Reader {
            lines: lines.iter().peekable(),
            places: BTreeMap::new(),
        };
        let members = match reader.block(0, "")? {
            Value::Object(members) => members,
            _ => return Err(fault(1, "a text of a capture begins with a YAML mapping")),
        };
        if let Some((line, _)) = reader.lines.next() {
            return Err(fault(
                *line,
                "the line is indented deeper than the one before allows",
            ));
        }
        // One member after the other, so that a fault has a place.
        let recording = members.get("recording").and_then(Value::as_object);
        for (key, value) in recording.into_iter().flatten() {
            let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
            if let Err(error) = Header::deserialize(alone) {
                let line = reader.places.get(&format!("/recording/{key}"));
                return Err(fault(
                    line.copied().unwrap_or(1),
                    &format!("`{key}` of `recording`: {error}"),
                ));
            }
        }
        for (key, value) in &members {
            let mut alone = Map::from_iter([("tracee_cap_capture".to_owned(), Value::from(""))]);
            alone.insert(key.clone(), value.clone());
            if let Err(error) = Self::deserialize(Value::Object(alone)) {
                let line = reader.places.get(&format!("/{key}"));
                return Err(fault(line.copied().unwrap_or(1), &format!("`{key}`: {error}")));
            }
        }
        Self::deserialize(Value::Object(members)).map_err(|error| fault(1, &error.to_string()))
    }
}

fn fault(line: u64, reason: &str) -> Fault {
    Fault {
        line,
        reason: reason.to_owned(),
    }
}

/// Adds a member, in as many lines as it is worth.
fn add(text: &mut String, depth: usize, key: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members)
            if !members.is_empty() && depth < DEPTH && members.keys().all(|key| is_key(key)) =>
        {
            text.push_str(&format!("{indent}{key}:\n"));
            for (key, value) in sorted(members) {
                add(text, depth + 1, key, value);
            }
        }
        Value::Array(items) if depth < DEPTH && items.iter().any(Value::is_object) => {
            text.push_str(&format!("{indent}{key}:\n"));
            for item in items {
                text.push_str(&format!("{indent}  - {}\n", flow(item)));
            }
        }
        value => text.push_str(&format!("{indent}{key}: {}\n", flow(value))),
    }
}

fn sorted(members: &Map<String, Value>) -> BTreeMap<&String, &Value> {
    members.iter().collect()
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// JSON in one line, with sorted keys, and without what YAML does not let stand as it is.
fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let members = sorted(members).into_iter();
            let members =
                members.map(|(key, value)| format!("{}:{}", flow(&Value::from(key.as_str())), flow(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        value => {
            let mut text = String::new();
            for char in value.to_string().chars() {
                match char {
                    '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                        text.push_str(&format!("\\u{:04x}", u32::from(char)));
                    }
                    char => text.push(char),
                }
            }
            text
        }
    }
}

struct Reader<'a> {
    lines: Peekable<std::slice::Iter<'a, (u64, String)>>,
    /// Lines of members by JSON pointer.
    places: BTreeMap<String, u64>,
}

impl Reader<'_> {
    /// The members or items that are indented by `depth` levels. It goes no deeper than texts are written.
    fn block(&mut self, depth: usize, path: &str) -> Result<Value, Fault> {
        let (mut members, mut items) = (Map::new(), Vec::new());
        while let Some((line, text)) = self.lines.next_if(|(_, text)| indent(text) == 2 * depth) {
            let text = text.trim_ascii();
            if let Some(item) = text.strip_prefix("- ") {
                items.push(json(*line, item)?);
            } else {
                let (key, value) = text
                    .split_once(':')
                    .ok_or_else(|| fault(*line, "this is no `key: value`"))?;
                if !is_key(key) {
                    return Err(fault(*line, &format!("`{key}` is no key")));
                }
                let path = format!("{path}/{key}");
                let value = match value.trim_ascii() {
                    "" if depth < DEPTH => self.block(depth + 1, &path)?,
                    value => json(*line, value).map_err(|fault| Fault {
                        reason: format!("`{key}`: {}", fault.reason),
                        ..fault
                    })?,
                };
                if members.insert(key.to_owned(), value).is_some() {
                    return Err(fault(*line, &format!("`{key}` is there twice")));
                }
                self.places.insert(path, *line);
            }
            if !members.is_empty() && !items.is_empty() {
                return Err(fault(*line, "this is a list and a mapping at once"));
            }
        }
        Ok(match items.is_empty() {
            true => Value::Object(members),
            false => Value::Array(items),
        })
    }
}

fn indent(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

fn json(line: u64, text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| {
        fault(
            line,
            &format!("values are written in JSON, texts in double quotes: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Head, (u64, String)> {
        let lines = text.lines().zip(1..).map(|(text, line)| (line, text.to_owned()));
        Head::parse(&lines.collect::<Vec<_>>()).map_err(|fault| (fault.line, fault.reason))
    }

    #[test]
    fn it_comes_back() {
        let mut head = Head {
            format: "1.2".to_owned(),
            recording: Header::default(),
            state: State::Truncated,
            totals: None,
        };
        let again = |head: &Head| parse(head.to_yaml().expect("it is JSON").trim_end_matches("---\n"));
        assert_eq!(again(&head), Ok(head.clone()));
        head.totals = Some(Totals::default());
        head.recording.argv = vec!["--".to_owned(), "a: \"b\"\n\u{85}".to_owned()];
        head.recording.host.cpus = Some(3);
        head.recording.sensor_plan = Some(serde_json::json!([{"z": 1, "a": {"b c": [[], {}]}}, {}]));
        assert_eq!(again(&head), Ok(head.clone()));
        head.recording.sensor_plan =
            Some(serde_json::json!({"a": {"b": {"c": {"d": [{"e": 1}]}}}, "x y": null}));
        assert_eq!(again(&head), Ok(head));
    }

    #[test]
    fn faults_have_places() {
        let start = "tracee_cap_capture: \"1.2\"\n";
        let found = |rest: &str| {
            let (line, reason) = parse(&format!("{start}{rest}")).expect_err(rest);
            format!("{line}: {reason}")
        };
        for (rest, expected) in [
            ("state: closed", "2: `state`: values are written in JSON"),
            ("state: \"shut\"", "2: `state`: unknown variant"),
            ("recording:\n  argv: 3", "3: `argv` of `recording`: invalid type"),
            ("recording:\n    argv: 3", "3: the line is indented deeper"),
            ("recording:\n  - 3\n  argv: 3", "4: this is a list and a mapping"),
            ("colour: 1", "2: `colour`: unknown field"),
            ("state", "2: this is no `key: value`"),
            ("totals: {}\ntotals: {}", "3: `totals` is there twice"),
            ("\"a b\": 1", "2: `\"a b\"` is no key"),
        ] {
            let found = found(rest);
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(parse("state: \"closed\"").is_err());
        // Deep nesting is no problem.
        assert!(parse(&format!("{start}recording: {}", "[".repeat(100_000))).is_err());
    }
}
