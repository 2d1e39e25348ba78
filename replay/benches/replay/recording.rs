//! What is measured: generated events, as captures and in the forms that others read. Made once, and kept.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use capture::{CaptureReader, CaptureWriter, FORMAT, Header, Host, JournalPolicy, WriterOptions};
use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::protobuf::write_delimited;
use detectors_api::stores::Store;
use detectors_stores::symbol::Kallsyms;
use detectors_stores::{Input, Settings};
use fixtures::generator::{Generator, KALLSYMS, VERSION};

use crate::Failure;

/// Architecture of the made-up host.
pub(crate) const ARCHITECTURE: &str = "x86_64";
/// What was recorded beside the events.
pub(crate) const ENRICHMENTS: [&str; 1] = ["environment"];
/// How long stores keep what has ended, in ns, where they do not keep it for ever.
pub(crate) const RETENTION_NS: u64 = 10_000_000_000;
/// Events that are made, written and flushed at a time.
const CHUNK: usize = 20_000;

/// The first events of the generator, and where their forms are kept.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    directory: PathBuf,
    /// How many there are.
    pub(crate) events: usize,
}

impl Recording {
    /// The first `events` events, kept below `directory`.
    pub(crate) fn new(directory: &Path, events: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            events,
        }
    }

    /// A capture of the events, in which stores keep what has ended for [`RETENTION_NS`], or for ever. Tells how long it took to
    /// write, if it had to.
    pub(crate) fn capture(&self, retention: bool) -> Result<(PathBuf, Option<Duration>), Failure> {
        let kept = if retention { "10s" } else { "for-ever" };
        let path = self.path(&format!("format-{FORMAT}-kept-{kept}.tcap"));
        if CaptureReader::open(&path)
            .is_ok_and(|reader| reader.manifest().totals.written == self.events as u64)
        {
            return Ok((path, None));
        }
        let started = Instant::now();
        let header = Header {
            host: Host {
                architecture: ARCHITECTURE.to_owned(),
                ..Host::default()
            },
            enrichments: ENRICHMENTS.map(str::to_owned).into(),
            stores_retention_ns: retention.then_some(RETENTION_NS),
            ..Header::default()
        };
        let options = WriterOptions {
            journal: JournalPolicy::Off,
            overwrite: true,
            ..WriterOptions::default()
        };
        let mut writer = CaptureWriter::create(&path, header, options)?;
        writer.add_input(symbols()?)?;
        self.each_chunk(|chunk| {
            for event in chunk {
                writer.push(event);
            }
            writer.flush()?;
            Ok(())
        })?;
        writer.finish()?;
        Ok((path, Some(started.elapsed())))
    }

    /// The events as length-delimited protobuf, compressed by zstd at level 1.
    pub(crate) fn stream(&self) -> Result<PathBuf, Failure> {
        self.file("pb.zst", |file| {
            let mut stream = zstd::Encoder::new(file, 1)?;
            let mut messages = Vec::new();
            self.each_chunk(|chunk| {
                messages.clear();
                for event in chunk {
                    write_delimited(&event.event, &mut messages);
                }
                Ok(stream.write_all(&messages)?)
            })?;
            Ok(stream.finish()?)
        })
    }

    /// The events as v1beta1 NDJSON.
    pub(crate) fn lines(&self) -> Result<PathBuf, Failure> {
        self.file("ndjson", |mut file| {
            let mut lines = Vec::new();
            self.each_chunk(|chunk| {
                lines.clear();
                for event in chunk {
                    write_line(event, Flavour::V1beta1, &mut lines);
                }
                Ok(file.write_all(&lines)?)
            })?;
            Ok(file)
        })
    }

    fn path(&self, form: &str) -> PathBuf {
        self.directory
            .join(format!("generator-{VERSION}-{}-{form}", self.events))
    }

    /// The file of this form, which `write` makes if it is not there. It has its name once it is whole.
    fn file(
        &self,
        form: &str,
        write: impl FnOnce(BufWriter<File>) -> Result<BufWriter<File>, Failure>,
    ) -> Result<PathBuf, Failure> {
        let path = self.path(form);
        if !path.exists() {
            fs::create_dir_all(&self.directory)?;
            let half = self.path("half");
            write(BufWriter::new(File::create(&half)?))?.flush()?;
            fs::rename(half, &path)?;
        }
        Ok(path)
    }

    /// Hands on the events; a second thread makes them.
    fn each_chunk(
        &self,
        mut work: impl FnMut(&[RecordedEvent]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let events = self.events;
        std::thread::scope(|scope| {
            let (sender, chunks) = sync_channel(2);
            scope.spawn(move || {
                let mut generator = Generator::new(1);
                for first in (0..events).step_by(CHUNK) {
                    let chunk: Vec<_> = generator.by_ref().take(CHUNK.min(events - first)).collect();
                    // Nobody listens any more if writing failed.
                    if sender.send(chunk).is_err() {
                        return;
                    }
                }
            });
            chunks.into_iter().try_for_each(|chunk| work(&chunk))
        })
    }
}

/// The kernel's symbols, as stores are told.
pub(crate) fn symbols() -> Result<Input, Failure> {
    Ok(Input {
        store: Store::Symbol.name().to_owned(),
        seq: 0,
        rows: Kallsyms::read(KALLSYMS.as_bytes())?.rows,
    })
}

/// What is fixed for the stores of captures with retention.
pub(crate) fn settings() -> Settings {
    Settings {
        retention_ns: Some(RETENTION_NS),
        architecture: ARCHITECTURE.to_owned(),
        dns: true,
    }
}
