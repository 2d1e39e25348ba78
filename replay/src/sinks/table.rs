//! Detections as a table for people.

use std::fmt::Write;
use std::{io, mem};

use comfy_table::{ContentArrangement, Table, presets};
use detectors_api::event::{Event, Value};
use detectors_api::proto;
use detectors_engine::Detection;

use super::words::{brief, cut, printable, severity_name};
use super::{Capture, Ending, Sink};

/// A table, made when everything that it shows is known. It names the captures, if there are several.
#[derive(Debug)]
pub(super) struct Rows {
    width: Option<u16>,
    /// Paths of the captures so far.
    captures: Vec<String>,
    /// Detections that wait, each with the number of captures until then: the widths of columns depend on all of them.
    held: Vec<(usize, Box<proto::Event>)>,
}

impl Rows {
    pub(super) fn new(width: Option<u16>) -> Self {
        Self {
            width,
            captures: Vec::new(),
            held: Vec::new(),
        }
    }
}

impl Sink for Rows {
    fn capture(&mut self, capture: &Capture) {
        self.captures.push(printable(&capture.path));
    }

    fn detection(&mut self, detection: Detection, _: &mut Vec<u8>) -> io::Result<()> {
        self.held.push((self.captures.len(), detection.event));
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let held = mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        let several = self.captures.len() > 1;
        let rows = held.iter().map(|(number, detection)| {
            let capture = number.checked_sub(1).and_then(|place| self.captures.get(place));
            let capture = capture.cloned().unwrap_or_default();
            (several.then_some(capture), &**detection)
        });
        out.extend_from_slice(rendered(several, rows, self.width).as_bytes());
    }

    fn end(&mut self, _: &Ending, out: &mut Vec<u8>) -> io::Result<()> {
        self.flush(out);
        Ok(())
    }
}

/// One detection per row: when, how bad, what, who, from what, and how it came to be.
///
/// `width` is that of the terminal in columns; `None` lets rows be as long as they need.
#[must_use]
pub fn table<'a>(detections: impl IntoIterator<Item = &'a proto::Event>, width: Option<u16>) -> String {
    let rows = detections.into_iter().map(|detection| (None, detection));
    rendered(false, rows, width)
}

/// The table; the capture of each row comes first, if there are `several`.
fn rendered<'a>(
    several: bool,
    rows: impl Iterator<Item = (Option<String>, &'a proto::Event)>,
    width: Option<u16>,
) -> String {
    let titles = [
        "TIME (UTC)",
        "SEVERITY",
        "DETECTION",
        "PROCESS",
        "EVENT",
        "ANCESTRY",
    ];
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(several.then_some("CAPTURE").into_iter().chain(titles));
    match width {
        Some(width) => table.set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for (capture, detection) in rows {
        table.add_row(capture.into_iter().chain(row(detection)));
    }
    // Trailing blanks only make output harder to compare.
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn row(detection: &proto::Event) -> [String; 6] {
    let view = Event::from_message(0, detection);
    let threat = detection.threat.as_ref();
    let severity = threat.map_or("-", |threat| severity_name(threat.severity));
    let name = match threat {
        Some(threat) if !threat.name.is_empty() => format!("{}\n({})", threat.name, detection.name),
        _ => detection.name.clone(),
    };
    [
        view.timestamp_ns().map(time).unwrap_or_default(),
        severity.to_owned(),
        name,
        process(&view),
        origin(detection),
        ancestry(detection),
    ]
    .map(|cell| printable(&cell))
}

fn time(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .map(|time| time.strftime("%Y-%m-%d\n%H:%M:%S.%6f").to_string())
        .unwrap_or_default()
}

fn process(event: &Event<'_>) -> String {
    let process = event.process();
    let mut text = event.thread().name().to_owned();
    if let Some(pid) = process.host_pid() {
        let _ = write!(text, "[{pid}]");
    }
    if !process.executable_path().is_empty() {
        let _ = write!(text, "\n{}", process.executable_path());
    }
    if !event.container().id().is_empty() {
        let id = event.container().id();
        let short = id.get(..12).unwrap_or(id);
        let _ = write!(text, "\nin {} {}", short, event.container().name());
    }
    text
}

/// What triggered it: event and the fields that say most, own output first.
fn origin(detection: &proto::Event) -> String {
    const SHOWN: usize = 3;
    const LONGEST: usize = 60;
    let origin = detection.detected_from.as_ref();
    let mut text = origin.map(|origin| origin.name.clone()).unwrap_or_default();
    let data = detection
        .data
        .iter()
        .chain(origin.into_iter().flat_map(|origin| &origin.data));
    let fields = data.filter_map(|field| Some((field.name.as_str(), brief(&Value::from_message(field)?)?)));
    for (name, value) in fields.filter(|(_, value)| !value.is_empty()).take(SHOWN) {
        let _ = write!(text, "\n{name}={}", cut(&value, LONGEST));
    }
    text
}

fn ancestry(detection: &proto::Event) -> String {
    let process = detection
        .workload
        .as_ref()
        .and_then(|workload| workload.process.as_ref());
    let names = process
        .map(|process| process.ancestors.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|ancestor| {
            let name = ancestor
                .thread
                .as_ref()
                .map(|thread| thread.name.as_str())
                .filter(|name| !name.is_empty());
            let path = ancestor
                .executable
                .as_ref()
                .map(|executable| executable.path.as_str());
            let name = name.or(path).unwrap_or("?");
            format!(
                "{name}[{}]",
                ancestor.host_pid.map_or("?".to_owned(), |pid| pid.to_string())
            )
        });
    names.collect::<Vec<_>>().join(" ← ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_who_did_what() {
        let process = |name: &str, pid, path: &str| proto::Process {
            executable: Some(proto::Executable {
                path: path.to_owned(),
            }),
            host_pid: Some(pid),
            thread: Some(proto::Thread {
                name: name.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let detection = proto::Event {
            timestamp: Some(detectors_api::event::timestamp_from_ns(1_785_571_200_987_654_321)),
            name: "fileless_execution".to_owned(),
            workload: Some(proto::Workload {
                process: Some(proto::Process {
                    ancestors: vec![process("sh", 12, "/usr/bin/dash"), process("", 1, "")],
                    ..process("evil\u{1b}[31m", 4242, "memfd:x")
                }),
                ..Default::default()
            }),
            threat: Some(proto::Threat {
                name: "Fileless execution detected".to_owned(),
                severity: 3,
                ..Default::default()
            }),
            detected_from: Some(proto::DetectedFrom {
                name: "sched_process_exec".to_owned(),
                data: vec![proto::EventValue {
                    name: "pathname".to_owned(),
                    value: Some(proto::event_value::Value::Str("memfd:x".to_owned())),
                }],
                ..Default::default()
            }),
            ..Default::default()
        };
        insta::assert_snapshot!(table([&detection], Some(120)));
    }
}
