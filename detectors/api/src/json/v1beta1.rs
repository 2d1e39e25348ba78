//! Reads the v1beta1 encoding.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{self, reason};
use super::extension::Extension;
use super::unmapped::{self, Path, Unmapped};
use super::{Encoding, LineError, wire};
use crate::depth;
use crate::event::RecordedEvent;
use crate::proto::{self, DetectedFrom, EventValue, Policies, Threat, Workload};

/// The members of a line.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Members<'a> {
    #[serde(deserialize_with = "wire::timestamp")]
    timestamp: Option<prost_types::Timestamp>,
    id: i32,
    name: String,
    policies: Option<Policies>,
    workload: Option<Workload>,
    #[serde(deserialize_with = "wire::or_empty")]
    data: Vec<EventValue>,
    threat: Option<Threat>,
    detected_from: Option<DetectedFrom>,
    #[serde(borrow)]
    tracee_cap: Option<Extension<'a>>,
}

/// Reads an event. Fields whose value cannot be read keep their name, and the value becomes unmapped.
pub(super) fn read(line: &str) -> Result<RecordedEvent, LineError> {
    let mut ignored = Vec::new();
    match unmapped::read(line, &[], &mut ignored) {
        Ok(members) => finish(members, line, ignored),
        Err(_) => {
            ignored.clear();
            let mended = mend(line, &mut ignored)?;
            match unmapped::read(&mended, &[], &mut ignored) {
                Ok(members) => finish(members, line, ignored),
                Err(_) => Err(diagnose(&mended)),
            }
        }
    }
}

fn finish(members: Members<'_>, line: &str, ignored: Vec<Path>) -> Result<RecordedEvent, LineError> {
    let event = proto::Event {
        timestamp: members.timestamp,
        id: members.id,
        name: members.name,
        policies: members.policies,
        workload: members.workload,
        data: members.data,
        threat: members.threat,
        detected_from: members.detected_from,
    };
    depth::check(&event)?;
    let mut recorded = match members.tracee_cap {
        Some(extension) => extension.apply(event)?,
        None => RecordedEvent::from(event),
    };
    if !ignored.is_empty() {
        let mut unmapped = match &recorded.unmapped {
            Some(text) => Unmapped::parse(text).map_err(|error| LineError::Extension {
                reason: format!("`unmapped` is no object: {}", reason(&error)),
            })?,
            None => Unmapped::default(),
        };
        unmapped.collect(line, ignored)?;
        recorded.unmapped = unmapped.finish();
    }
    Ok(recorded)
}

/// The parts of an event in which there are fields.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow, deserialize_with = "wire::or_empty")]
    data: Vec<&'a RawValue>,
    #[serde(borrow)]
    detected_from: Option<Box<OriginFields<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OriginFields<'a> {
    #[serde(borrow, deserialize_with = "wire::or_empty")]
    data: Vec<&'a RawValue>,
    #[serde(borrow)]
    parent: Option<Box<Self>>,
}

/// Blanks out the values that cannot be read of the event's fields and its origins' fields, in place, and notes their paths.
fn mend(line: &str, ignored: &mut Vec<Path>) -> Result<String, LineError> {
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(line) else {
        return Err(diagnose(line));
    };
    let mut mended = line.to_owned();
    let mut at = Path::new();
    let mut data = fields.data;
    let mut origin = fields.detected_from;
    loop {
        for (index, field) in data.iter().enumerate() {
            let text = field.get();
            if serde_json::from_str::<EventValue>(text).is_ok() {
                continue;
            }
            let Some((name, others)) = split(text) else {
                return Err(diagnose(line));
            };
            let start = text.as_ptr().addr() - line.as_ptr().addr();
            blank(&mut mended, start..start + text.len(), name);
            for key in others {
                let mut path = at.clone();
                path.extend(["data".to_owned(), index.to_string(), key]);
                ignored.push(path);
            }
        }
        let Some(next) = origin else { break };
        at.push(if at.is_empty() { "detected_from" } else { "parent" }.to_owned());
        (data, origin) = (next.data, next.parent);
    }
    Ok(mended)
}

/// The name of a field, as JSON text, if it is text, and its other keys; `None` if it is no object.
fn split(field: &str) -> Option<(Option<&str>, Vec<String>)> {
    let members: Vec<(String, &RawValue)> = serde_json::from_str::<Entries<'_>>(field).ok()?.0;
    let mut name = None;
    let mut others = Vec::new();
    for (key, value) in members {
        if key == "name" && name.is_none() && value.get().starts_with('"') {
            name = Some(value.get());
        } else {
            others.push(key);
        }
    }
    Some((name, others))
}

/// Members of an object in order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> serde::de::Visitor<'de> for EntriesVisitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(EntriesVisitor).map(Entries)
    }
}

/// Puts a field of this name and no value into `range`, padded, so that columns stay what they are.
fn blank(line: &mut String, range: Range<usize>, name: Option<&str>) {
    let field = name.map_or("{}".to_owned(), |name| format!("{{\"name\":{name}}}"));
    let width = range.len();
    line.replace_range(range, &format!("{field:width$}"));
}

fn diagnose(line: &str) -> LineError {
    error::diagnose::<Members<'_>>(line, Encoding::V1beta1)
}
