//! How deeply an event may be nested.
//!
//! Captures keep parts of events as protobuf, whose readers refuse messages nested more than 100 deep, so an event that
//! comes in must stay below that.

use prost_types::value::Kind;

use crate::proto::event_value::Value;
use crate::proto::{DetectedFrom, Event, EventValue, Process};

/// Deepest event that is read, in messages; leaves room for the messages that captures put around parts of it.
const LIMIT: usize = 80;

/// An event with ancestors, origins or free-form values that are nested too deeply to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is nested {depth} messages deep; at most {LIMIT} are read")]
pub struct TooDeep {
    /// Depth of the event.
    pub depth: usize,
}

/// Refuses an event that is nested too deeply.
pub(crate) fn check(event: &Event) -> Result<(), TooDeep> {
    let process = event
        .workload
        .as_ref()
        .and_then(|workload| workload.process.as_ref());
    let depth = 2 + data(&event.data)
        .max(process.map_or(0, self::process))
        .max(event.detected_from.as_ref().map_or(0, origin));
    if depth > LIMIT {
        return Err(TooDeep { depth });
    }
    Ok(())
}

fn process(process: &Process) -> usize {
    // The thread's stack is the deepest other part.
    1 + process
        .ancestors
        .iter()
        .map(self::process)
        .max()
        .unwrap_or_default()
        .max(3)
}

fn origin(origin: &DetectedFrom) -> usize {
    1 + data(&origin.data).max(origin.parent.as_deref().map_or(0, self::origin))
}

fn data(data: &[EventValue]) -> usize {
    let depth = |field: &EventValue| match &field.value {
        Some(Value::Struct(object)) => free_form_object(object),
        // Records of DNS answers and what they hold are the deepest other part.
        _ => 4,
    };
    1 + data.iter().map(depth).max().unwrap_or_default()
}

fn free_form_object(object: &prost_types::Struct) -> usize {
    // The object and its map entry.
    2 + object.fields.values().map(free_form).max().unwrap_or_default()
}

fn free_form(value: &prost_types::Value) -> usize {
    1 + match &value.kind {
        Some(Kind::StructValue(object)) => free_form_object(object),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(free_form).max().unwrap_or_default(),
        _ => 0,
    }
}
