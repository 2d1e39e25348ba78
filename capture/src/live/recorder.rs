//! The recording loop.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use detectors_api::stores::Store;
use detectors_stores::Input;
use detectors_stores::container::ContainerInput;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use ebpf::clock::{BootOffset, boot_ns};
use ebpf::kernel::facts;
use ebpf::order::Orderer;
use ebpf::{Scope, Sensor};

use super::command::{RunningCommand, WaitingCommand};
use super::containers::Containers;
use super::convert::Converter;
use super::enrichment::{Enricher, Questions};
use super::host::{header, host_inputs, live_tasks, snapshot_row};
use super::recording::{
    CONTAINER_ENRICHMENT, Config, Ended, LiveError, Observer, Progress, Started, Stop, Summary,
};
use crate::manifest::Manifest;
use crate::{CaptureWriter, Error, Loss};

/// Events that wait for a flush at most: a bound on memory.
const MAX_PENDING: usize = 65_536;
/// Places in the sequence that are remembered, to say between which events others were lost.
const MAX_CHECKPOINTS: usize = 100_000;
/// How often is looked for answers of container runtimes, once everything else is done.
const ANSWER_POLL: Duration = Duration::from_millis(10);

/// Records until `stop` says so, the time is over, the capture is large enough or the command has ended. With an `enricher`,
/// what container runtimes say about the containers that are seen is recorded, too.
///
/// # Errors
/// If the sensor cannot be loaded, the command cannot be run or the capture cannot be written. What was acknowledged stays in the
/// capture, which then says that it is not complete.
pub fn record<'a>(
    config: &'a Config,
    enricher: Option<&'a mut dyn Enricher>,
    observer: &mut dyn Observer,
    stop: &mut dyn Stop,
) -> Result<Summary, LiveError> {
    let mut recorder = Recorder::start(config, enricher, observer)?;
    let ended = loop {
        recorder.take()?;
        if recorder.is_flush_due() {
            recorder.flush(observer)?;
        }
        if let Some(ended) = recorder.ended(stop)? {
            break ended;
        }
    };
    recorder.finish(ended, observer)
}

struct Recorder<'a> {
    config: &'a Config,
    sensor: Sensor,
    orderer: Orderer,
    converter: Converter,
    questions: Questions<'a>,
    writer: CaptureWriter,
    offset: BootOffset,
    command: Option<RunningCommand>,
    /// (Time of the last event, sequence number after it), as of each look into the ring buffer; times are ns since boot.
    checkpoints: Vec<(u64, u64)>,
    last_time: u64,
    begun: Instant,
    flushed: Instant,
    progress: Progress,
    warnings: Vec<String>,
}

impl<'a> Recorder<'a> {
    fn start(
        config: &'a Config,
        enricher: Option<&'a mut dyn Enricher>,
        observer: &mut dyn Observer,
    ) -> Result<Self, LiveError> {
        let facts = facts();
        let command_error = |source| LiveError::Command {
            command: config
                .command
                .first()
                .map(|program| program.to_string_lossy().into_owned())
                .unwrap_or_default(),
            source,
        };
        let waiting = match config.command.as_slice() {
            [] => None,
            argv => Some(WaitingCommand::fork(argv).map_err(command_error)?),
        };
        let mut sensor_config = config.sensor.clone();
        if let Some(waiting) = &waiting {
            sensor_config.scope = Scope::Descendants(waiting.pid());
        }
        let offset = BootOffset::sample();
        let mut warnings = Vec::new();
        // Before the sensor, which fills its buffer while this takes its time.
        let mut inputs = host_inputs(config, offset, &mut warnings);
        let mut sensor = Sensor::load(&sensor_config)?;
        if sensor
            .reports()
            .iter()
            .all(|report| report.status == ebpf::Status::Unavailable)
        {
            return Err(LiveError::NothingToRecord);
        }
        let tasks = live_tasks(&mut sensor, &mut warnings)?;
        let containers = Containers::find(facts.cgroup_v2, offset);
        if !containers.can_look() {
            warnings.push(
                "no cgroup file system is mounted, so containers are known from their making on".to_owned(),
            );
        }
        let mut header = header(config, &sensor_config, &facts, offset, sensor.reports());
        if enricher.is_some() {
            header.enrichments.push(CONTAINER_ENRICHMENT.to_owned());
        }
        let mut writer = CaptureWriter::create(&config.path, header, config.writer.clone())?;
        let rows: Vec<_> = tasks.iter().map(|task| snapshot_row(task, offset)).collect();
        inputs.push(Input {
            store: Store::Process.name().to_owned(),
            seq: 0,
            rows: TaskSnapshot::to_batch(&rows),
        });
        for input in inputs {
            writer.add_input(input)?;
        }
        let window = config.window.max(config.sensor.latency);
        let mut recorder = Self {
            orderer: Orderer::new(window.as_nanos() as u64, sensor.started()),
            converter: Converter::new(offset, &tasks, containers, &sensor_config.events),
            questions: Questions::new(enricher),
            last_time: sensor.started(),
            config,
            sensor,
            writer,
            offset,
            command: None,
            checkpoints: Vec::new(),
            begun: Instant::now(),
            flushed: Instant::now(),
            progress: Progress::default(),
            warnings,
        };
        recorder.tell_containers()?;
        recorder.ask();
        for event in recorder.converter.existing(recorder.last_time) {
            recorder.writer.push(&event);
        }
        recorder.writer.flush()?;
        observer.started(&Started {
            reports: recorder.sensor.reports(),
        });
        if let Some(waiting) = waiting {
            match waiting.start() {
                Ok(running) => recorder.command = Some(running),
                Err(error) => {
                    // Nothing was recorded: leave nothing behind.
                    let path = recorder.writer.path().to_owned();
                    drop(recorder);
                    fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
                    return Err(command_error(error));
                }
            }
        }
        Ok(recorder)
    }

    /// Takes records from the ring buffer and pushes those whose place in the order is settled.
    fn take(&mut self) -> Result<(), LiveError> {
        let drained = self.sensor.wait()?;
        for record in drained.records {
            self.orderer.push(record);
        }
        self.hear()?;
        while let Some(record) = self.orderer.pop(drained.horizon) {
            self.push(&record)?;
        }
        self.ask();
        self.checkpoint();
        self.record_losses(drained.horizon);
        Ok(())
    }

    fn push(&mut self, record: &ebpf::abi::Record) -> Result<(), LiveError> {
        self.last_time = self.last_time.max(record.head.time);
        let events = self.converter.convert(record);
        self.tell_containers()?;
        for event in events {
            self.writer.push(&event);
        }
        Ok(())
    }

    /// Tells the container store what has been learnt beside events, before the next one.
    fn tell_containers(&mut self) -> Result<(), LiveError> {
        let rows = self.converter.containers.take_inputs();
        if !rows.is_empty() {
            self.writer.add_input(Input {
                store: Store::Container.name().to_owned(),
                seq: self.writer.next_seq(),
                rows: ContainerInput::to_batch(&rows),
            })?;
        }
        Ok(())
    }

    /// Asks about containers that have become known.
    fn ask(&mut self) {
        for (container, runtime) in self.converter.containers.take_questions() {
            self.questions.ask(container, runtime);
        }
    }

    /// Takes in the answers that have come.
    fn hear(&mut self) -> Result<(), LiveError> {
        for answer in self.questions.answers(Instant::now()) {
            self.converter.containers.answered(answer);
        }
        self.tell_containers()
    }

    /// Waits for the answers that are outstanding, but not for long.
    fn hear_out(&mut self) -> Result<(), LiveError> {
        let begun = Instant::now();
        self.hear()?;
        while self.questions.is_waiting() && begun.elapsed() < self.config.answer_patience {
            std::thread::sleep(ANSWER_POLL);
            self.hear()?;
        }
        for answer in self.questions.give_up() {
            self.converter.containers.answered(answer);
        }
        self.tell_containers()
    }

    fn checkpoint(&mut self) {
        let next = self.writer.next_seq();
        if self.checkpoints.last().is_none_or(|(_, seq)| *seq != next) {
            if self.checkpoints.len() >= MAX_CHECKPOINTS {
                self.checkpoints.drain(..MAX_CHECKPOINTS / 2);
            }
            self.checkpoints.push((self.last_time, next));
        }
    }

    fn record_losses(&mut self, horizon: u64) {
        let losses = self.orderer.losses(horizon);
        self.write_losses(losses);
    }

    fn write_losses(&mut self, losses: Vec<ebpf::order::Loss>) {
        for loss in losses {
            let before = self.checkpoints.partition_point(|(time, _)| *time <= loss.from);
            let after = self.checkpoints.partition_point(|(time, _)| *time < loss.to);
            let seq_from = before
                .checked_sub(1)
                .map_or(0, |index| self.checkpoints[index].1.saturating_sub(1));
            let seq_to = self
                .checkpoints
                .get(after)
                .map_or(self.writer.next_seq(), |(_, seq)| *seq);
            let time = |boot_ns| Some(self.offset.epoch(boot_ns).cast_signed());
            self.writer.record_loss(Loss {
                seq_from,
                seq_to,
                time_from: time(loss.from),
                time_to: time(loss.to),
                cpu: Some(loss.cpu),
                cause: "ring_full".to_owned(),
                count: loss.count,
            });
        }
    }

    /// Records that were never numbered: they were lost somewhere in the recording.
    fn write_uncounted(&mut self, counters: &ebpf::Counters, end: u64) {
        if counters.no_scratch > 0 {
            let time = |boot_ns| Some(self.offset.epoch(boot_ns).cast_signed());
            self.writer.record_loss(Loss {
                seq_from: 0,
                seq_to: self.writer.next_seq(),
                time_from: time(self.sensor.started()),
                time_to: time(end),
                cpu: None,
                cause: "no_buffer".to_owned(),
                count: counters.no_scratch,
            });
        }
    }

    fn is_flush_due(&self) -> bool {
        self.flushed.elapsed() >= self.config.flush_interval || self.writer.pending() >= MAX_PENDING
    }

    fn flush(&mut self, observer: &mut dyn Observer) -> Result<(), LiveError> {
        let batches = self.writer.flush()?;
        self.flushed = Instant::now();
        for detections in observer
            .flushed(&batches, self.writer.stores())
            .map_err(LiveError::Observer)?
        {
            self.progress.detections += detections.num_rows() as u64;
            self.writer.write_detections(&detections);
        }
        self.progress = Progress {
            acknowledged_seq: self.writer.next_seq().checked_sub(1),
            late: self.orderer.late(),
            bytes: size(&self.config.path),
            detections: self.progress.detections,
            ..totals(self.writer.manifest())
        };
        observer.progress(&self.progress);
        Ok(())
    }

    fn ended(&mut self, stop: &mut dyn Stop) -> Result<Option<Ended>, LiveError> {
        if let Some(command) = &mut self.command {
            let status = command.ended().map_err(|source| LiveError::Command {
                command: self.config.command[0].to_string_lossy().into_owned(),
                source,
            })?;
            if let Some(status) = status {
                return Ok(Some(Ended::Command(status)));
            }
        }
        Ok(if stop.requested() {
            Some(Ended::Requested)
        } else if self
            .config
            .duration
            .is_some_and(|most| self.begun.elapsed() >= most)
        {
            Some(Ended::Duration)
        } else if self
            .config
            .max_bytes
            .is_some_and(|most| self.progress.bytes >= most)
        {
            Some(Ended::Size)
        } else {
            None
        })
    }

    fn finish(mut self, ended: Ended, observer: &mut dyn Observer) -> Result<Summary, LiveError> {
        self.sensor.stop();
        let end = boot_ns();
        loop {
            let drained = self.sensor.drain()?;
            for record in drained.records {
                self.orderer.push(record);
            }
            if drained.empty {
                break;
            }
        }
        while let Some(record) = self.orderer.pop_any() {
            self.push(&record)?;
            if self.writer.pending() >= MAX_PENDING {
                self.checkpoint();
                self.flush(observer)?;
            }
        }
        self.checkpoint();
        let counters = self.sensor.counters()?;
        let losses = self.orderer.finish(&counters.produced, end);
        self.write_losses(losses);
        self.write_uncounted(&counters, end);
        self.warn(&counters);
        self.ask();
        self.hear_out()?;
        self.flush(observer)?;
        // What the observer found in the last flush.
        self.writer.flush()?;
        let reports = self.sensor.reports().to_vec();
        let manifest = self.writer.finish()?;
        let progress = Progress {
            bytes: size(&self.config.path),
            ..self.progress
        };
        Ok(Summary {
            ended,
            progress,
            manifest,
            reports,
            warnings: self.warnings,
            elapsed: self.begun.elapsed(),
        })
    }

    fn warn(&mut self, counters: &ebpf::Counters) {
        if counters.scope_full > 0 {
            self.warnings.push(format!(
                "{} processes were not recorded: the command has more descendants at a time than the sensor's table holds",
                counters.scope_full
            ));
        }
        if self.orderer.late() > 0 {
            self.warnings.push(format!(
                "{} events came too late to be put in order of time",
                self.orderer.late()
            ));
        }
    }
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
