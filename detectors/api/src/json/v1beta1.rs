//! Reads the v1beta1 encoding.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::encode::Object;
use super::error::{self, reason};
use super::extension::Extension;
use super::unmapped::{self, Path, Unmapped};
use super::{Encoding, LineError, wire, write};
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
    tracee_cap: Option<&'a RawValue>,
}

/// Reads an event. Fields whose value cannot be read keep their name, and the value becomes unmapped.
pub(super) fn read(line: &str) -> Result<RecordedEvent, LineError> {
    let mut ignored = Vec::new();
    let (event, extension) = match parse(line) {
        Some((event, extension)) if is_written_so(&event, extension, line) => (event, extension),
        _ => parse_noticing(line, &mut ignored)?,
    };
    depth::check(&event)?;
    let mut recorded = match extension {
        Some(extension) => {
            let at = ["tracee_cap".to_owned()];
            let extension: Extension<'_> =
                unmapped::read(extension.get(), &at, &mut ignored).map_err(|error| LineError::Extension {
                    reason: reason(&error),
                })?;
            extension.apply(event)?
        }
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

/// Reads the event and the extension, whatever else there is.
pub(super) fn parse(line: &str) -> Option<(proto::Event, Option<&RawValue>)> {
    serde_json::from_str::<Members<'_>>(line)
        .ok()
        .map(Members::into_parts)
}

/// Whether we would write the line just so. Then it has nothing that we do not know: writing it is much cheaper than
/// taking notice of every key while reading, and most lines are so.
fn is_written_so(event: &proto::Event, extension: Option<&RawValue>, line: &str) -> bool {
    let mut plain = Vec::with_capacity(line.len());
    write::event(&mut Object::open(&mut plain), event);
    let Some(rest) = line.as_bytes().strip_prefix(plain.as_slice()) else {
        return false;
    };
    match extension {
        None => rest == b"}",
        Some(extension) => rest
            .strip_prefix(b",\"tracee_cap\":")
            .and_then(|rest| rest.strip_suffix(b"}"))
            .is_some_and(|rest| rest == extension.get().as_bytes()),
    }
}

/// Reads the event and the extension, and notes the paths of what is not read.
fn parse_noticing<'a>(
    line: &'a str,
    ignored: &mut Vec<Path>,
) -> Result<(proto::Event, Option<&'a RawValue>), LineError> {
    if let Ok(members) = unmapped::read::<Members<'_>>(line, &[], ignored) {
        return Ok(members.into_parts());
    }
    ignored.clear();
    let (mended, extension) = mend(line, ignored)?;
    let members: Members<'_> = unmapped::read(&mended, &[], ignored).map_err(|_| diagnose(&mended))?;
    Ok((members.into_parts().0, extension))
}

impl<'a> Members<'a> {
    fn into_parts(self) -> (proto::Event, Option<&'a RawValue>) {
        let event = proto::Event {
            timestamp: self.timestamp,
            id: self.id,
            name: self.name,
            policies: self.policies,
            workload: self.workload,
            data: self.data,
            threat: self.threat,
            detected_from: self.detected_from,
        };
        (event, self.tracee_cap)
    }
}

/// The parts of an event in which there are fields.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow, deserialize_with = "wire::or_empty")]
    data: Vec<&'a RawValue>,
    #[serde(borrow)]
    detected_from: Option<Box<OriginFields<'a>>>,
    #[serde(borrow)]
    tracee_cap: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OriginFields<'a> {
    #[serde(borrow, deserialize_with = "wire::or_empty")]
    data: Vec<&'a RawValue>,
    #[serde(borrow)]
    parent: Option<Box<Self>>,
}

/// Blanks out the values that cannot be read of the event's fields and its origins' fields, in place, and notes their
/// paths. Also returns the extension, as it is in the line.
fn mend<'a>(line: &'a str, ignored: &mut Vec<Path>) -> Result<(String, Option<&'a RawValue>), LineError> {
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
    Ok((mended, fields.tracee_cap))
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
