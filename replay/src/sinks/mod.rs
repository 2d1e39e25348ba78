//! The forms in which detections leave, and the digest of what left.
//!
//! Every form is a [`Sink`]: it turns detections into bytes, one at a time and in their order. [`Writer`] hands the bytes on and
//! takes their digest. The bytes depend on the detections, on what the detectors say about themselves, and, in the forms that
//! tell it, on which capture they were found in and how the run ended: never on time, threads or how often
//! [`flush`](Writer::flush) is called. Tables are the exception to the last: people want to see them as they come.
//!
//! Memory does not grow with the number of detections, tables excepted, whose column widths depend on all rows.

mod about;
mod csv;
mod findings;
mod junit;
mod lines;
mod ocsf;
mod parquet;
mod rows;
mod sarif;
mod table;
mod threat;
mod tool;
mod words;

use std::fmt;
use std::io::{self, Write};

use detectors_engine::Detection;

pub use self::about::{Capture, Ending, Roster};
pub use self::findings::Signatures;
pub(crate) use self::lines::line;
pub use self::rows::{detection_rows, detection_schema};
pub use self::table::table;
pub(crate) use self::words::printable;
pub use self::words::severity_name;

/// How detections are written.
#[derive(Clone, Debug)]
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
    /// A Parquet file with the columns of [`detection_schema`]: what a capture keeps of detections.
    Parquet,
    /// One line a detection, for spreadsheets (RFC 4180).
    Csv,
    /// One SARIF 2.1.0 document, for code-scanning services and editors.
    Sarif(Roster),
    /// One JUnit document, for continuous integration: a test case for each detector.
    Junit(Roster),
    /// One OCSF Detection Finding a line, for security lakes.
    Ocsf(Roster),
}

impl Format {
    /// Whether it is made of bytes that mean nothing to a person.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Parquet)
    }

    fn sink(self) -> Box<dyn Sink> {
        match self {
            Self::Table { width } => Box::new(table::Rows::new(width)),
            Self::Ndjson => Box::new(lines::Ndjson),
            Self::Json => Box::new(lines::Json::default()),
            Self::Findings(signatures) => Box::new(signatures),
            Self::Parquet => Box::new(parquet::Parquet::new()),
            Self::Csv => Box::new(csv::Csv),
            Self::Sarif(roster) => Box::new(sarif::Sarif::new(roster)),
            Self::Junit(roster) => Box::new(junit::Junit::new(roster)),
            Self::Ocsf(roster) => Box::new(ocsf::Ocsf::new(roster)),
        }
    }
}

/// A form: makes bytes of detections. What is appended to `out` is written.
trait Sink: fmt::Debug + Send {
    /// What comes before the first detection, even if there is none.
    ///
    /// # Errors
    /// If the form cannot be made.
    fn begin(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    /// The detections from here on were found in `capture`.
    fn capture(&mut self, _capture: &Capture) {}

    /// One detection.
    ///
    /// # Errors
    /// If the form has no room for it.
    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()>;

    /// What a reader should see now.
    fn flush(&mut self, _out: &mut Vec<u8>) {}

    /// What comes after the last detection.
    ///
    /// # Errors
    /// If the form cannot be completed.
    fn end(&mut self, _ending: &Ending, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are gathered before they are written.
const GATHERED: usize = 64 << 10;

/// Writes detections in one form.
#[derive(Debug)]
pub struct Writer<W> {
    sink: Box<dyn Sink>,
    begun: bool,
    gathered: Vec<u8>,
    out: W,
    digest: blake3::Hasher,
    count: u64,
}

impl<W: Write> Writer<W> {
    /// A writer to `out`.
    pub fn new(format: Format, out: W) -> Self {
        Self {
            sink: format.sink(),
            begun: false,
            gathered: Vec::new(),
            out,
            digest: blake3::Hasher::new(),
            count: 0,
        }
    }

    /// Says in which capture the detections that follow were found, for the forms that tell it.
    pub fn capture(&mut self, capture: &Capture) {
        self.sink.capture(capture);
    }

    /// Writes one detection.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn write(&mut self, detection: Detection) -> io::Result<()> {
        self.begin()?;
        self.count += 1;
        self.sink.detection(detection, &mut self.gathered)?;
        if self.gathered.len() >= GATHERED {
            self.put()?;
        }
        Ok(())
    }

    /// Hands everything written so far to the reader, as far as the form allows. A table begins anew after that.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.begin()?;
        self.sink.flush(&mut self.gathered);
        self.put()?;
        self.out.flush()
    }

    /// Ends the output of a run of which nothing else is to be told.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn finish(self) -> io::Result<Written> {
        self.finish_with(&Ending::default())
    }

    /// Ends the output, and says how the run ended in the forms that tell it.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn finish_with(mut self, ending: &Ending) -> io::Result<Written> {
        self.begin()?;
        self.sink.end(ending, &mut self.gathered)?;
        self.put()?;
        self.out.flush()?;
        Ok(Written {
            detections: self.count,
            digest: self.digest.finalize().to_hex().to_string(),
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.sink.begin(&mut self.gathered)?;
        }
        Ok(())
    }

    fn put(&mut self) -> io::Result<()> {
        self.digest.update(&self.gathered);
        self.out.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
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
