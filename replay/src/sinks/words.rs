//! What several forms say about a detection, in words.

use std::fmt::Write;

use detectors_api::event::{Event, Value};
use detectors_api::proto;

/// A recording is untrusted: control characters must not reach the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char.is_control() && char != '\n' {
                char::REPLACEMENT_CHARACTER
            } else {
                char
            }
        })
        .collect()
}

/// A time, ns since the Unix epoch, as RFC 3339 in UTC with nine digits after the point, so that it sorts as text.
pub(super) fn rfc3339(ns: i64) -> Option<String> {
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .ok()
        .map(|time| format!("{time:.9}"))
}

/// The name of a severity number.
#[must_use]
pub fn severity_name(severity: i32) -> &'static str {
    proto::Severity::try_from(severity).map_or("?", |severity| severity.as_str_name())
}

/// What a detection is called: the name of its threat, or else of its event.
pub(super) fn title(detection: &proto::Event) -> &str {
    detection
        .threat
        .as_ref()
        .map(|threat| threat.name.as_str())
        .filter(|name| !name.is_empty())
        .unwrap_or(&detection.name)
}

/// A detection in a line: what, who, and what it says of it.
pub(super) fn sentence(detection: &proto::Event) -> String {
    const LONGEST: usize = 200;
    let view = Event::from_message(0, detection);
    let (process, container) = (view.process(), view.container());
    let mut text = title(detection).to_owned();
    let mut who: Vec<String> = Vec::new();
    who.extend(known(view.thread().name()).map(str::to_owned));
    who.extend(process.host_pid().map(|pid| format!("pid {pid}")));
    who.extend(known(process.executable_path()).map(str::to_owned));
    if let Some(name) = known(container.name()).or(known(container.id())) {
        who.push(format!("container {name}"));
    }
    if !who.is_empty() {
        let _ = write!(text, ": {}", who.join(", "));
    }
    let fields = detection.data.iter().filter_map(|field| {
        let value = brief(&Value::from_message(field)?)?;
        Some(format!("{}={}", field.name, cut(&value, LONGEST)))
    });
    let fields: Vec<_> = fields.collect();
    if !fields.is_empty() {
        let _ = write!(text, "; {}", fields.join(", "));
    }
    printable(&text).replace('\n', "\u{fffd}")
}

/// At most the first `longest` characters, with a mark if there are more.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text that says something: the model has empty texts for what is not known.
pub(super) fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The value, if it can be said in a few words.
pub(super) fn brief(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Str(text) => (*text).to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::StrArray(list) => list.iter().collect::<Vec<_>>().join(" "),
        Value::SockAddr(addr) if addr.is_inet() => format!("{} port {}", addr.address, addr.port),
        Value::SockAddr(addr) => addr.address.to_owned(),
        Value::Pointer(address) => format!("{address:#x}"),
        other => other.as_integer()?.to_string(),
    })
}
