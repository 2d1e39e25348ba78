//! Detections as text: one line a field.

use std::fmt::Write as _;

use detectors_api::event::{Event, Value};
use detectors_api::proto;

use crate::Detection;
use crate::filter::shown;

/// A detection, in the form that [`Run::to_text`](super::Run::to_text) describes.
pub(super) fn detection(detection: &Detection) -> String {
    let event = Event::from_message(detection.seq, &detection.event);
    let level = match detection.level {
        1 => String::new(),
        level => format!(", level {level}"),
    };
    let mut text = format!(
        "event {}{level}: {} ({})\n",
        detection.seq, detection.event.name, detection.detector_id
    );
    for (name, value) in event.data() {
        line(
            &mut text,
            name,
            &value.as_ref().map_or_else(|| "nothing".to_owned(), shown),
        );
    }
    if let Some(threat) = event.threat() {
        line(&mut text, "threat", &self::threat(threat));
    }
    if let Some(origin) = event.detected_from() {
        let mut names = vec![origin.name.as_str()];
        let mut at = origin;
        while let Some(parent) = &at.parent {
            names.push(&parent.name);
            at = parent;
        }
        line(&mut text, "detected_from", &names.join(" from "));
    }
    let workload = detection.event.workload.as_ref();
    let process = workload.and_then(|workload| workload.process.as_ref());
    // A parent of whom nothing is known but the number comes with the event; it is no ancestry.
    let ancestors: Vec<_> = process
        .into_iter()
        .flat_map(|process| &process.ancestors)
        .filter_map(ancestor)
        .collect();
    if !ancestors.is_empty() {
        line(&mut text, "ancestors", &ancestors.join(", "));
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "  {name} = {value}");
}

fn threat(threat: &proto::Threat) -> String {
    let severity = match threat.severity() {
        proto::Severity::Info => "info",
        proto::Severity::Low => "low",
        proto::Severity::Medium => "medium",
        proto::Severity::High => "high",
        proto::Severity::Critical => "critical",
    };
    let technique = threat.mitre.as_ref().and_then(|mitre| mitre.technique.as_ref());
    let technique = technique
        .map(|technique| format!(" {}", technique.id))
        .unwrap_or_default();
    format!("{severity} {:?}{technique}", threat.name)
}

fn ancestor(process: &proto::Process) -> Option<String> {
    let executable = process.executable.as_ref().map(|executable| &executable.path);
    let name = executable.or_else(|| process.thread.as_ref().map(|thread| &thread.name))?;
    let pid = process.host_pid.map(|pid| format!("{pid} ")).unwrap_or_default();
    Some(format!("{pid}{name:?}"))
}

/// The fields of an event that say something (not 0, empty or false), after a colon.
pub(super) fn told(event: &Event<'_>) -> String {
    let fields: Vec<_> = event
        .data()
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .filter(|(_, value)| !is_zero(value))
        .map(|(name, value)| format!("{name} = {}", shown(&value)))
        .collect();
    if fields.is_empty() {
        String::new()
    } else {
        format!(": {}", fields.join(", "))
    }
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Str(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Bool(flag) => !flag,
        Value::StrArray(list) => list.is_empty(),
        Value::Int32Array(list) => list.is_empty(),
        Value::UInt64Array(list) => list.is_empty(),
        Value::SockAddr(address) => address.family == 0 && address.address.is_empty(),
        Value::Timespec(seconds) => *seconds == 0.0,
        number => number.as_integer() == Some(0),
    }
}

/// `text` without the indentation that all of its lines share, and without the empty lines around; ends in a line break, unless there
/// is nothing.
pub(super) fn dedented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let indents = lines.iter().filter(|line| !line.is_empty());
    let indent = indents
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<_> = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect();
    let joined = lines.join("\n");
    match joined.trim_matches('\n') {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_indentation_goes() {
        assert_eq!(dedented("\n    a\n      b\n\n    c\n    "), "a\n  b\n\nc\n");
        assert_eq!(dedented("\n   \n"), "");
        assert_eq!(dedented("a"), "a\n");
    }
}
