//! Detections as v1beta1 JSON: an object a line, or an array of them.

use std::io;

use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::proto;
use detectors_engine::Detection;

use super::{Ending, Sink};

/// Appends the detection as a line.
pub(crate) fn line(detection: proto::Event, out: &mut Vec<u8>) {
    write_line(&RecordedEvent::from(detection), Flavour::V1beta1, out);
}

/// One object a line.
#[derive(Debug)]
pub(super) struct Ndjson;

impl Sink for Ndjson {
    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        line(*detection.event, out);
        Ok(())
    }
}

/// One array. Each object stands on a line of its own.
#[derive(Debug, Default)]
pub(super) struct Json {
    /// Whether there is an object in front.
    any: bool,
}

impl Sink for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.push(b'[');
        Ok(())
    }

    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        let separator: &[u8] = if self.any { b",\n" } else { b"\n" };
        self.any = true;
        out.extend_from_slice(separator);
        line(*detection.event, out);
        // The line's own end: the separator or the bracket brings another one.
        out.pop();
        Ok(())
    }

    fn end(&mut self, _: &Ending, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(if self.any { b"\n]\n" } else { b"]\n" });
        Ok(())
    }
}
