//! Event data as JSON text.
//!
//! Numbers are written as numbers, whatever their size; bytes in base64; what has no flat form (addresses, DNS, HTTP,
//! credentials …) as in exported events.

use std::io::Write;

use detectors_api::event::{Event, RecordedEvent, Value};
use detectors_api::json::{Flavour, write_line};
use detectors_api::proto;
use prost::Message;
use serde_json::value::RawValue;

/// The fields of an event as an object, in the order of the event. If a name repeats, so does the key.
pub(crate) fn data(event: &Event<'_>) -> String {
    let mut out = vec![b'{'];
    for (index, (name, value)) in event.data().into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(&mut out, name);
        out.push(b':');
        match value {
            Some(value) => write_value(&mut out, &value),
            None => out.extend(b"null"),
        }
    }
    out.push(b'}');
    into_text(out)
}

/// A value that is kept as the protobuf bytes of an event field. `None` if the bytes are none.
pub(crate) fn message(bytes: &[u8]) -> Option<String> {
    let value = proto::EventValue::decode(bytes).ok()?.value?;
    Some(into_text(exported(value)))
}

/// An event that is kept as protobuf bytes, as exported events are. `None` if the bytes are none.
pub(crate) fn event(bytes: &[u8]) -> Option<String> {
    let event = proto::Event::decode(bytes).ok()?;
    let mut line = Vec::new();
    write_line(&RecordedEvent::from(event), Flavour::V1beta1, &mut line);
    line.truncate(line.trim_ascii_end().len());
    Some(into_text(line))
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Str(value) => text(out, value),
        Value::Bool(value) => display(out, value),
        Value::StrArray(items) => list(out, items.iter(), text),
        Value::Int32Array(items) => list(out, items, display),
        Value::UInt64Array(items) => list(out, items, display),
        // JSON has no other numbers.
        Value::Timespec(seconds) if !seconds.is_finite() => out.extend(b"null"),
        Value::Timespec(seconds) => display(out, seconds),
        other => match other.as_integer() {
            Some(number) => display(out, number),
            None => out.extend(exported(other.to_message())),
        },
    }
}

/// A value as exported events have it.
fn exported(value: proto::event_value::Value) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        data: Vec<std::collections::BTreeMap<&'a str, &'a RawValue>>,
    }

    let event = RecordedEvent::from(proto::Event {
        data: vec![proto::EventValue {
            name: String::new(),
            value: Some(value),
        }],
        ..Default::default()
    });
    let mut line = Vec::new();
    write_line(&event, Flavour::V1beta1, &mut line);
    serde_json::from_slice::<Line<'_>>(&line)
        .ok()
        .and_then(|line| {
            let field = line.data.into_iter().next()?;
            let (_, value) = field.into_iter().find(|(key, _)| *key != "name")?;
            Some(value.get().as_bytes().to_vec())
        })
        .unwrap_or_else(|| b"null".to_vec())
}

fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector grows");
}

fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a vector grows");
}

fn into_text(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
