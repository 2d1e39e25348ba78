//! Detections for spreadsheets: RFC 4180, with a header.
//!
//! Cells hold what was recorded, unchanged: a program that takes a cell beginning with `=` for a formula must be told not to.

use std::io;

use csv::{Terminator, WriterBuilder};
use detectors_api::event::Event;
use detectors_engine::Detection;

use super::Sink;
use super::findings::object;
use super::words::{rfc3339, severity_name};

/// The columns, named as SQL over captures names them.
const HEADER: [&str; 14] = [
    "seq",
    "timestamp",
    "detector_id",
    "name",
    "severity",
    "threat",
    "host_pid",
    "pid",
    "comm",
    "exe",
    "uid",
    "container_id",
    "container_name",
    "data",
];

/// One line a detection.
#[derive(Debug)]
pub(super) struct Csv;

impl Sink for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        record(HEADER, out)
    }

    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        let view = Event::from_message(detection.seq, &detection.event);
        let (process, container) = (view.process(), view.container());
        let threat = detection.event.threat.as_ref();
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let cells = [
            detection.seq.to_string(),
            view.timestamp_ns().and_then(rfc3339).unwrap_or_default(),
            detection.detector_id.to_string(),
            detection.event.name.clone(),
            threat
                .map_or("", |threat| severity_name(threat.severity))
                .to_owned(),
            threat.map(|threat| threat.name.clone()).unwrap_or_default(),
            number(process.host_pid()),
            number(process.pid()),
            view.thread().name().to_owned(),
            process.executable_path().to_owned(),
            number(process.uid()),
            container.id().to_owned(),
            container.name().to_owned(),
            object(&detection.event.data).to_string(),
        ];
        record(cells, out)
    }
}

fn record(cells: [impl AsRef<[u8]>; HEADER.len()], out: &mut Vec<u8>) -> io::Result<()> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .buffer_capacity(1 << 10)
        .from_writer(out);
    writer.write_record(cells)?;
    writer.flush()
}
