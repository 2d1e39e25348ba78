//! What a comparison says.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::waiting::{Line, Waiting};
use crate::sinks::printable;

/// Differences that are shown; all are counted.
const SHOWN: usize = 20;
/// Bytes of a detection whose changed fields are shown.
const LONGEST: usize = 64 << 10;
/// Bytes of a line of a difference.
const LINE: usize = 400;

/// How what was found differs from what was expected. Its text ([`fmt::Display`]) is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Detections that were found as expected.
    pub equal: u64,
    /// Detections that were expected and not found.
    pub missing: u64,
    /// Detections that were found and not expected.
    pub unexpected: u64,
    /// Detections that were found with other fields than expected.
    pub changed: u64,
    /// The first detection, counted from 1, that was not the expected one at its place.
    pub first: Option<u64>,
    /// The first differences, in words.
    shown: Vec<String>,
}

impl Comparison {
    /// `detectors` has the ids of detectors, by the event that they produce.
    pub(super) fn new(
        equal: u64,
        expected: Waiting,
        found: Waiting,
        first: Option<u64>,
        detectors: &BTreeMap<String, String>,
    ) -> Self {
        let (missing, unexpected) = (expected.gone, found.gone);
        let mut comparison = Self {
            equal,
            missing,
            unexpected,
            changed: 0,
            first,
            shown: Vec::new(),
        };
        let mut candidates: BTreeMap<Identity, VecDeque<Line>> = BTreeMap::new();
        for line in found.into_lines() {
            candidates
                .entry(Identity::of(&line, detectors))
                .or_default()
                .push_back(line);
        }
        for line in expected.into_lines() {
            let identity = Identity::of(&line, detectors);
            match candidates.get_mut(&identity).and_then(VecDeque::pop_front) {
                Some(found) => {
                    comparison.changed += 1;
                    comparison.show(|| changed(&identity, &line, &found));
                }
                None => {
                    comparison.missing += 1;
                    comparison.show(|| {
                        format!(
                            "- missing: {identity} (line {} of the expected ones)\n",
                            line.place
                        )
                    });
                }
            }
        }
        let mut rest: Vec<_> = candidates
            .into_iter()
            .flat_map(|(identity, lines)| lines.into_iter().map(move |line| (line.place, identity.clone())))
            .collect();
        rest.sort();
        for (seq, identity) in rest {
            comparison.unexpected += 1;
            comparison.show(|| format!("+ unexpected: {identity} (event {seq})\n"));
        }
        comparison
    }

    /// Whether exactly the expected detections were found, in their order.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.first.is_none()
    }

    fn show(&mut self, text: impl FnOnce() -> String) {
        if self.shown.len() < SHOWN {
            self.shown.push(text());
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences = self.missing + self.unexpected + self.changed;
        let Some(first) = self.first else {
            return writeln!(f, "as expected: {} detections", self.equal);
        };
        self.shown.iter().try_for_each(|text| f.write_str(text))?;
        let hidden = differences - self.shown.len() as u64;
        if hidden > 0 {
            writeln!(f, "and {hidden} more")?;
        }
        if differences == 0 {
            return writeln!(
                f,
                "not as expected: the {} detections are the expected ones in another order, from number {first} on",
                self.equal
            );
        }
        writeln!(
            f,
            "not as expected: {} missing, {} unexpected, {} changed; {} as expected",
            self.missing, self.unexpected, self.changed, self.equal
        )
    }
}

/// What makes two detections the same one with other fields: what was found, when and by whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    time: String,
    name: String,
    /// Id of the detector, if it is known.
    detector: Option<String>,
    process: String,
}

impl Identity {
    fn of(line: &Line, detectors: &BTreeMap<String, String>) -> Self {
        let value: Value = serde_json::from_str(&line.text).unwrap_or_default();
        let text = |pointer: &str| match value.pointer(pointer) {
            Some(Value::String(text)) => printable(text).replace('\n', "\u{fffd}"),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let name = text("/name");
        Self {
            time: text("/timestamp"),
            detector: detectors.get(&name).cloned(),
            name,
            process: text("/workload/process/host_pid"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(detector) = &self.detector {
            write!(f, "{detector} ")?;
        }
        write!(f, "{} at {}", self.name, self.time)?;
        if !self.process.is_empty() {
            write!(f, " by process {}", self.process)?;
        }
        Ok(())
    }
}

/// The fields that changed, as a diff of indented JSON without what is equal.
fn changed(identity: &Identity, expected: &Line, found: &Line) -> String {
    let mut text = format!(
        "~ changed: {identity} (event {}, line {} of the expected ones)\n",
        found.place, expected.place
    );
    if expected.text.len().max(found.text.len()) > LONGEST {
        text.push_str("    (too long to show)\n");
        return text;
    }
    let (old, new) = (leaves(&expected.text), leaves(&found.text));
    let diff = TextDiff::from_lines(&old, &new);
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        let line = printable(change.value().trim_end());
        let end = line.floor_char_boundary(LINE);
        let mark = if end < line.len() { "…" } else { "" };
        text.push_str(&format!("    {sign} {}{mark}\n", &line[..end]));
    }
    text
}

/// A line for each leaf of a JSON text: where it is, as a JSON pointer (RFC 6901), which field that is where fields stand in a list,
/// and what it is.
fn leaves(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let mut lines = String::new();
    add_leaves(&mut String::new(), "", &value, &mut lines);
    lines
}

/// JSON that was parsed is not nested deeper than 128, so neither is this.
fn add_leaves(pointer: &mut String, field: &str, value: &Value, lines: &mut String) {
    let length = pointer.len();
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                add_leaves(pointer, field, member, lines);
                pointer.truncate(length);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                let own = element.get("name").and_then(Value::as_str);
                let own = own.map(|name| format!(" ({name})"));
                add_leaves(pointer, own.as_deref().unwrap_or(field), element, lines);
                pointer.truncate(length);
            }
        }
        leaf => lines.push_str(&format!("{pointer}{field}: {leaf}\n")),
    }
}
