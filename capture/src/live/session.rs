//! The recording loop: what is the same wherever events come from.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use detectors_stores::Input;
use nix::sys::resource::{UsageWho, getrusage};

use super::recording::{Ended, LiveError, Observer, Progress, Recording, Stop, Summary};
use crate::manifest::{Header, Manifest};
use crate::{CaptureWriter, Error};

/// Events that wait for a flush at most: a bound on memory.
pub(super) const MAX_PENDING: usize = 65_536;
/// Bytes that wait for a flush at most, where the source tells how many have come: a bound on memory, and well within what a
/// frame of the journal holds.
const MAX_PENDING_BYTES: usize = 32 << 20;

/// Where the events of a recording come from.
pub(super) trait Source {
    /// Waits for events, but not for long, and pushes those whose place in the order is settled.
    fn take(&mut self, session: &mut Session<'_>) -> Result<(), LiveError>;

    /// Why there will be no more events, once that is so.
    fn ended(&mut self) -> Result<Option<Ended>, LiveError>;

    /// No more events are wanted than those that have happened by now. Called once.
    fn stop(&mut self) -> Result<(), LiveError>;

    /// Pushes what there still is after [`stop`](Self::stop), no more than a flush should have. Called until it gives `false`,
    /// which says that this was all.
    fn drain(&mut self, session: &mut Session<'_>) -> Result<bool, LiveError>;

    /// Events that came too late to be put in order.
    fn late(&self) -> u64;
}

/// A recording that is under way.
pub(super) struct Session<'a> {
    recording: &'a Recording,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) writer: CaptureWriter,
    /// Size, as the source had them, of the events that wait for a flush.
    pub(super) pending_bytes: usize,
    /// What the user should know at the end, in sentences.
    pub(super) warnings: Vec<String>,
    begun: Instant,
    /// What this process had used by then.
    cpu: Duration,
    flushed: Instant,
    progress: Progress,
}

impl<'a> Session<'a> {
    /// Makes the capture.
    pub(super) fn begin(
        recording: &'a Recording,
        header: Header,
        inputs: Vec<Input>,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, LiveError> {
        let mut writer = CaptureWriter::create(&recording.path, header, recording.writer.clone())?;
        for input in inputs {
            writer.add_input(input)?;
        }
        Ok(Self {
            recording,
            observer,
            writer,
            pending_bytes: 0,
            warnings: Vec::new(),
            begun: Instant::now(),
            cpu: cpu_time(),
            flushed: Instant::now(),
            progress: Progress::default(),
        })
    }

    /// Nothing was recorded: leaves nothing behind.
    pub(super) fn abandon(self) -> Result<(), Error> {
        let path = self.recording.path.clone();
        drop(self);
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))
    }

    /// Records until `stop` says so, a limit is reached or the source has ended.
    pub(super) fn run(mut self, source: &mut dyn Source, stop: &mut dyn Stop) -> Result<Summary, LiveError> {
        let ended = loop {
            source.take(&mut self)?;
            if self.is_full() || self.flushed.elapsed() >= self.recording.flush_interval {
                self.flush(source.late())?;
            }
            if let Some(ended) = source.ended()?.or_else(|| self.ended(stop)) {
                break ended;
            }
        };
        source.stop()?;
        while source.drain(&mut self)? {
            if self.is_full() {
                self.flush(source.late())?;
            }
        }
        self.flush(source.late())?;
        // What the observer found in the last flush.
        self.writer.flush()?;
        let manifest = self.writer.finish()?;
        let progress = Progress {
            bytes: size(&self.recording.path),
            ..self.progress
        };
        Ok(Summary {
            ended,
            progress,
            manifest,
            reports: Vec::new(),
            programs: Vec::new(),
            cpu: cpu_time().saturating_sub(self.cpu),
            warnings: self.warnings,
            elapsed: self.begun.elapsed(),
        })
    }

    fn is_full(&self) -> bool {
        self.writer.pending() >= MAX_PENDING || self.pending_bytes >= MAX_PENDING_BYTES
    }

    fn flush(&mut self, late: u64) -> Result<(), LiveError> {
        let batches = self.writer.flush()?;
        self.pending_bytes = 0;
        self.flushed = Instant::now();
        for detections in self
            .observer
            .flushed(&batches, self.writer.stores())
            .map_err(LiveError::Observer)?
        {
            self.progress.detections += detections.num_rows() as u64;
            self.writer.write_detections(&detections);
        }
        self.progress = Progress {
            acknowledged_seq: self.writer.next_seq().checked_sub(1),
            late,
            bytes: size(&self.recording.path),
            detections: self.progress.detections,
            ..totals(self.writer.manifest())
        };
        self.observer.progress(&self.progress);
        Ok(())
    }

    fn ended(&self, stop: &mut dyn Stop) -> Option<Ended> {
        let Recording {
            duration, max_bytes, ..
        } = self.recording;
        if stop.requested() {
            Some(Ended::Requested)
        } else if duration.is_some_and(|most| self.begun.elapsed() >= most) {
            Some(Ended::Duration)
        } else if max_bytes.is_some_and(|most| self.progress.bytes >= most) {
            Some(Ended::Size)
        } else {
            None
        }
    }
}

/// CPU time that this process has used.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| {
            let micros = time
                .tv_sec()
                .saturating_mul(1_000_000)
                .saturating_add(time.tv_usec());
            Duration::from_micros(u64::try_from(micros).unwrap_or_default())
        })
        .sum()
}

fn totals(manifest: &Manifest) -> Progress {
    let totals = manifest.totals;
    Progress {
        received: totals.received,
        written: totals.written,
        lost: totals.lost,
        ..Progress::default()
    }
}

/// Bytes in the files of a directory.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
