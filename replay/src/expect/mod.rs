//! Comparing what was found with what should have been found.
//!
//! Expected detections are lines as [`Format::Ndjson`](crate::Format::Ndjson) writes them. Lines are compared in step. Those that
//! differ wait, on either side, until the other side has their like: a detection that is missing or came too early shifts all
//! others, and only as many wait as the sides are apart. What still waits at the end is the difference; of two that are about the
//! same event it is told which fields changed.
//!
//! JSON counts, not its spelling: the order of members and white space do not matter.

mod error;
mod report;
mod waiting;

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use detectors_api::definition::DetectorDefinition;
use detectors_api::json::MAX_LINE;
use detectors_engine::Detection;
use serde_json::Value;

pub use self::error::ExpectError;
pub use self::report::Comparison;
use self::waiting::{Line, Waiting};
use crate::sinks::line;

/// Expected detections, compared with those found as these come.
#[derive(Debug)]
pub struct Expectation<R> {
    /// What is expected. `None` once its end was reached.
    input: Option<R>,
    /// Lines of `input` read so far.
    read: u64,
    expected: Waiting,
    found: Waiting,
    equal: u64,
    /// The first detection, counted from 1, that was not the expected one at its place.
    out_of_step: Option<u64>,
    /// Detections found so far.
    detections: u64,
    /// Ids of detectors, by the event that they produce.
    detectors: BTreeMap<String, String>,
    buffer: Vec<u8>,
}

impl<R: BufRead> Expectation<R> {
    /// Expects the detections that `input` has, one a line.
    pub fn new(input: R) -> Self {
        Self {
            input: Some(input),
            read: 0,
            expected: Waiting::default(),
            found: Waiting::default(),
            equal: 0,
            out_of_step: None,
            detections: 0,
            detectors: BTreeMap::new(),
            buffer: Vec::new(),
        }
    }

    /// Names detectors by id in what it reports, besides the event: ids of these detectors.
    #[must_use]
    pub fn naming<'a>(mut self, detectors: impl IntoIterator<Item = &'a DetectorDefinition>) -> Self {
        let names = detectors.into_iter();
        let names = names.map(|definition| (definition.event.name.clone(), definition.id.clone()));
        self.detectors.extend(names);
        self
    }

    /// Compares one more detection. They must come in the order in which they are written.
    ///
    /// # Errors
    /// If the expected detections cannot be read, or one is no JSON object.
    pub fn found(&mut self, detection: &Detection) -> Result<(), ExpectError> {
        self.detections += 1;
        let mut found = std::mem::take(&mut self.buffer);
        found.clear();
        line((*detection.event).clone(), &mut found);
        let expected = self.next()?;
        let found_text = found.trim_ascii_end();
        if expected.as_deref() == Some(found_text) {
            self.equal += 1;
        } else {
            let found = Line::new(detection.seq, value(found_text).map_err(ExpectError::Written)?);
            self.step(expected, Some(found))?;
        }
        self.buffer = found;
        Ok(())
    }

    /// The comparison, once everything was found.
    ///
    /// # Errors
    /// As [`found`](Self::found).
    pub fn finish(mut self) -> Result<Comparison, ExpectError> {
        while let Some(expected) = self.next()? {
            self.step(Some(expected), None)?;
        }
        Ok(Comparison::new(
            self.equal,
            self.expected,
            self.found,
            self.out_of_step,
            &self.detectors,
        ))
    }

    /// What should be at this place, and what is.
    fn step(&mut self, expected: Option<Vec<u8>>, found: Option<Line>) -> Result<(), ExpectError> {
        let number = self.read;
        let expected = match expected {
            Some(text) => {
                let value = value(&text).map_err(|source| ExpectError::Json { line: number, source })?;
                Some(Line::new(number, value))
            }
            None => None,
        };
        if let (Some(expected), Some(found)) = (&expected, &found)
            && expected.text == found.text
        {
            self.equal += 1;
            return Ok(());
        }
        self.out_of_step.get_or_insert(self.detections.max(number));
        if let Some(expected) = expected {
            self.equal += u64::from(!self.found.cancel(&expected, &mut self.expected));
        }
        if let Some(found) = found {
            self.equal += u64::from(!self.expected.cancel(&found, &mut self.found));
        }
        Ok(())
    }

    /// The next line that is not blank, without its end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ExpectError> {
        while let Some(input) = &mut self.input {
            let mut text = Vec::new();
            let limit = MAX_LINE as u64 + 1;
            let length = input.take(limit).read_until(b'\n', &mut text)?;
            if length == 0 {
                self.input = None;
                break;
            }
            self.read += 1;
            if text.last() != Some(&b'\n') && length > MAX_LINE {
                return Err(ExpectError::Long { line: self.read });
            }
            let end = text.trim_ascii_end().len();
            text.truncate(end);
            if !text.trim_ascii_start().is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

/// The object in the line, members sorted at every depth.
fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    let object: serde_json::Map<String, Value> = serde_json::from_slice(text)?;
    let mut value = Value::Object(object);
    value.sort_all_objects();
    Ok(value)
}
