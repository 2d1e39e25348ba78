//! Events from files: NDJSON in either encoding, or length-delimited protobuf; plain, gzip or zstd.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use detectors_api::protobuf;
use rayon::prelude::*;

use crate::manifest::{ImportedInput, Source};
use crate::records::{Content, CutLine, Lines, Record};
use crate::{CaptureWriter, Error};

/// Bytes of records that are parsed together.
pub(crate) const CHUNK: usize = 4 << 20;

/// Bytes that decide whether an input is text.
const SNIFF: usize = 4096;

/// Where events are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, written `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl From<&str> for Input {
    fn from(name: &str) -> Self {
        match name {
            "-" => Self::Stdin,
            name => Self::File(name.into()),
        }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How events are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputFormat {
    /// By content: text is NDJSON.
    #[default]
    Auto,
    /// One JSON object a line, in either encoding.
    Ndjson,
    /// `tracee.v1beta1.Event` messages, each after its length.
    Protobuf,
}

/// An import failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// An input cannot be opened, or its first bytes cannot be read.
    #[error("cannot read {input}")]
    Input {
        /// The input.
        input: String,
        /// Why not.
        source: io::Error,
    },
    /// The capture cannot be written.
    #[error(transparent)]
    Capture(#[from] Error),
}

/// A record that could not be read. What it held is not in the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The input.
    pub input: String,
    /// Line, from 1; absent for protobuf, where the reason names the byte.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.input, self.reason),
            None => write!(f, "{}: {}", self.input, self.reason),
        }
    }
}

/// One input, open and recognised.
pub struct Import {
    name: String,
    format: InputFormat,
    source: Box<dyn BufRead + Send>,
    bytes: Arc<AtomicU64>,
    size: Option<u64>,
}

// By hand: sources have no `Debug`.
impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Import {
    /// Opens an input, and finds out how it is compressed and, for [`InputFormat::Auto`], encoded: both by its content.
    ///
    /// # Errors
    /// If it cannot be opened or its first bytes cannot be read.
    pub fn open(input: &Input, format: InputFormat) -> Result<Self, ImportError> {
        let name = input.to_string();
        let failed = |source| ImportError::Input {
            input: name.clone(),
            source,
        };
        let (file, size): (Box<dyn Read + Send>, _) = match input {
            Input::Stdin => (Box::new(io::stdin()), None),
            Input::File(path) => {
                let file = open_file(path).map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                (Box::new(file), Some(size))
            }
        };
        let bytes = Arc::new(AtomicU64::new(0));
        let counting = Counting {
            source: file,
            bytes: Arc::clone(&bytes),
        };
        let source = decompress(BufReader::with_capacity(1 << 16, counting)).map_err(failed)?;
        let (format, source) = match format {
            InputFormat::Auto => recognise(source).map_err(failed)?,
            format => (format, source),
        };
        Ok(Self {
            name,
            format,
            source,
            bytes,
            size,
        })
    }

    /// Size of the input in bytes, if it is a file.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Reads the input to its end, pushes its events into `writer`, and adds to the manifest what was read.
    ///
    /// A record that cannot be read is counted and told to `unreadable`, and the next is read. An input that breaks off
    /// counts as one such record. `progress` is told the bytes of the input that have been read.
    ///
    /// # Errors
    /// If the capture cannot be written.
    pub fn run(
        mut self,
        writer: &mut CaptureWriter,
        unreadable: &mut dyn FnMut(Unreadable),
        progress: &dyn Fn(u64),
    ) -> Result<ImportedInput, ImportError> {
        let mut records: Box<dyn Records + '_> = match self.format {
            InputFormat::Protobuf => Box::new(Messages {
                reader: protobuf::Reader::new(&mut self.source),
            }),
            InputFormat::Auto | InputFormat::Ndjson => Box::new(Lines::new(&mut self.source)),
        };
        let mut imported = ImportedInput {
            name: self.name.clone(),
            format: match self.format {
                InputFormat::Protobuf => "protobuf",
                InputFormat::Auto | InputFormat::Ndjson => "ndjson",
            }
            .to_owned(),
            ..ImportedInput::default()
        };
        // While one chunk is parsed, the one before is written.
        let mut parsed = Vec::new();
        loop {
            let chunk = records.chunk();
            let ended = chunk.is_none();
            let (next, written) = rayon::join(
                || chunk.map(|chunk| chunk.parse()).unwrap_or_default(),
                || write(&parsed, writer),
            );
            written?;
            parsed = next;
            for record in &parsed {
                imported.count(&record.content);
                if let Content::Unreadable(reason) = &record.content {
                    unreadable(Unreadable {
                        input: self.name.clone(),
                        line: record.line,
                        reason: reason.clone(),
                    });
                }
            }
            imported.bytes = self.bytes.load(Ordering::Relaxed);
            progress(imported.bytes);
            if ended {
                break;
            }
        }
        let header = writer.header_mut();
        match &mut header.source {
            Source::Import { inputs } => inputs.push(imported.clone()),
            Source::Live => {
                header.source = Source::Import {
                    inputs: vec![imported.clone()],
                };
            }
        }
        Ok(imported)
    }
}

fn write(records: &[Record], writer: &mut CaptureWriter) -> Result<(), Error> {
    for record in records {
        if let Content::Event(event) = &record.content {
            writer.push(event);
        }
    }
    writer.flush().map(drop)
}

/// Records that have been read and not yet parsed.
enum Chunk {
    Lines(Vec<CutLine>),
    Parsed(Vec<Record>),
}

trait Records {
    /// The next records; `None` at the end.
    fn chunk(&mut self) -> Option<Chunk>;
}

impl Chunk {
    fn parse(self) -> Vec<Record> {
        match self {
            Self::Parsed(records) => records,
            Self::Lines(lines) => lines.into_par_iter().filter_map(Record::of_line).collect(),
        }
    }
}

impl Records for Lines<'_> {
    fn chunk(&mut self) -> Option<Chunk> {
        Lines::chunk(self, CHUNK).map(Chunk::Lines)
    }
}

struct Messages<R> {
    reader: protobuf::Reader<R>,
}

impl<R: BufRead> Records for Messages<R> {
    fn chunk(&mut self) -> Option<Chunk> {
        let start = self.reader.offset();
        let mut records = Vec::new();
        while self.reader.offset() - start < CHUNK as u64 {
            let Some(event) = self.reader.next() else { break };
            records.push(Record {
                line: None,
                content: match event {
                    Ok(event) => Content::Event(Box::new(event)),
                    Err(error) => Content::Unreadable(error.to_string()),
                },
            });
        }
        (!records.is_empty()).then_some(Chunk::Parsed(records))
    }
}

/// Opens a regular file or a pipe.
fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(file)
}

fn decompress(source: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let (start, source) = peek(source, 4)?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(
            1 << 16,
            flate2::bufread::MultiGzDecoder::new(source),
        ))
    } else if start == [0x28, 0xb5, 0x2f, 0xfd] {
        Box::new(BufReader::with_capacity(
            1 << 16,
            zstd::stream::read::Decoder::with_buffer(source)?,
        ))
    } else {
        Box::new(source)
    })
}

/// Text has no control characters but white space and the escape of coloured log lines; every protobuf event has some, as
/// the tag of its name is one.
fn recognise(source: Box<dyn BufRead + Send>) -> io::Result<(InputFormat, Box<dyn BufRead + Send>)> {
    let (start, source) = peek(source, SNIFF)?;
    let is_text = |byte: &u8| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b);
    let format = if start.iter().all(is_text) {
        InputFormat::Ndjson
    } else {
        InputFormat::Protobuf
    };
    Ok((format, Box::new(source)))
}

/// The first bytes of a source, and the source as it was. A pipe may deliver them one at a time.
fn peek<R: BufRead>(mut source: R, bytes: usize) -> io::Result<(Vec<u8>, impl BufRead + use<R>)> {
    let mut start = Vec::with_capacity(bytes);
    let read = source.by_ref().take(bytes as u64).read_to_end(&mut start);
    // A compressed input may break off early: the records before are read, and the fault is met again after them.
    if start.is_empty() {
        read?;
    }
    Ok((start.clone(), io::Cursor::new(start).chain(source)))
}

/// Counts the bytes that are read.
struct Counting<R> {
    source: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
