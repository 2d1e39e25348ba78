//! Writing detections, and the digest of what was written.

use std::io::{self, Write};

use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::proto;

use crate::{Signatures, table};

/// How detections are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table {
        /// Columns of the terminal, if it is one.
        width: Option<u16>,
    },
    /// One v1beta1 JSON object a line.
    Ndjson,
    /// One JSON array of v1beta1 objects.
    Json,
    /// One JSON object a line, in the shape that Tracee's signatures had.
    Findings(Signatures),
}

/// Writes detections in one format.
///
/// The bytes depend on the detections alone.
#[derive(Debug)]
pub struct Writer<W> {
    format: Format,
    out: W,
    digest: blake3::Hasher,
    count: u64,
    /// Detections that wait for the table, whose column widths depend on all of them.
    held: Vec<proto::Event>,
}

impl<W: Write> Writer<W> {
    /// A writer to `out`.
    pub fn new(format: Format, out: W) -> Self {
        Self {
            format,
            out,
            digest: blake3::Hasher::new(),
            count: 0,
            held: Vec::new(),
        }
    }

    /// Writes one detection.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn write(&mut self, detection: proto::Event) -> io::Result<()> {
        self.count += 1;
        let mut line = match (&self.format, self.count) {
            (Format::Table { .. }, _) => {
                self.held.push(detection);
                return Ok(());
            }
            (Format::Findings(signatures), _) => {
                let line = format!("{}\n", signatures.finding(&detection));
                return self.put(line.as_bytes());
            }
            (Format::Json, 1) => b"[\n".to_vec(),
            (Format::Json, _) => b",\n".to_vec(),
            (Format::Ndjson, _) => Vec::new(),
        };
        write_line(&RecordedEvent::from(detection), Flavour::V1beta1, &mut line);
        let text = if self.format == Format::Json {
            line.trim_ascii_end()
        } else {
            &line
        };
        self.put(text)
    }

    /// Hands everything written so far to the reader. A table begins anew after that.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.put_table()?;
        self.out.flush()
    }

    fn put_table(&mut self) -> io::Result<()> {
        if let Format::Table { width } = self.format
            && !self.held.is_empty()
        {
            let text = table(&std::mem::take(&mut self.held), width);
            self.put(text.as_bytes())?;
        }
        Ok(())
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn finish(mut self) -> io::Result<Written> {
        match self.format {
            Format::Table { .. } => self.put_table()?,
            Format::Json if self.count == 0 => self.put(b"[]\n")?,
            Format::Json => self.put(b"\n]\n")?,
            Format::Ndjson | Format::Findings(_) => {}
        }
        self.out.flush()?;
        Ok(Written {
            detections: self.count,
            digest: self.digest.finalize().to_hex().to_string(),
        })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

/// What a [`Writer`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Number of detections.
    pub detections: u64,
    /// BLAKE3 of the output, in hexadecimal.
    pub digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, names: &[&str]) -> (String, Written) {
        let mut out = Vec::new();
        let mut writer = Writer::new(format, &mut out);
        for name in names {
            writer
                .write(proto::Event {
                    name: (*name).to_owned(),
                    ..Default::default()
                })
                .expect("memory");
        }
        let written = writer.finish().expect("memory");
        (String::from_utf8(out).expect("JSON is UTF-8"), written)
    }

    #[test]
    fn json_is_an_array_and_ndjson_is_lines() {
        let (text, report) = written(Format::Json, &["a", "b"]);
        let values: Vec<serde_json::Value> = serde_json::from_str(&text).expect("an array");
        assert_eq!((values.len(), report.detections), (2, 2));
        assert_eq!(report.digest, blake3::hash(text.as_bytes()).to_hex().to_string());
        assert_eq!(written(Format::Json, &[]).0, "[]\n");
        let (text, _) = written(Format::Ndjson, &["a", "b"]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with('\n'));
    }
}
