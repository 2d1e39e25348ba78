//! The recording loop.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use detectors_api::event::EventBatch;
use detectors_api::stores::Store;
use detectors_stores::container::ContainerInput;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Stores};
use ebpf::clock::{BootOffset, boot_ns};
use ebpf::kernel::{Facts, facts};
use ebpf::order::Orderer;
use ebpf::tasks::{Task, from_procfs};
use ebpf::{EventReport, Scope, Sensor};

use super::command::{RunningCommand, WaitingCommand};
use super::containers::Containers;
use super::convert::Converter;
use super::enrichment::{Enricher, Questions};
use crate::collect;
use crate::manifest::{Clock, Header, Host, Manifest, Source};
use crate::{CaptureWriter, Error, Loss, WriterOptions, format_time};

/// Events that wait for a flush at most: a bound on memory.
const MAX_PENDING: usize = 65_536;
/// Places in the sequence that are remembered, to say between which events others were lost.
const MAX_CHECKPOINTS: usize = 100_000;
/// How often is looked for answers of container runtimes, once everything else is done.
const ANSWER_POLL: Duration = Duration::from_millis(10);

/// Name in a capture's manifest of the enrichment that container runtimes give.
pub const CONTAINER_ENRICHMENT: &str = "container";

/// What to record, and into what.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the capture is made.
    pub path: PathBuf,
    /// How it is written.
    pub writer: WriterOptions,
    /// What the sensor watches. Its scope is set by [`record`] when there is a command.
    pub sensor: ebpf::Config,
    /// A command to run; then only it and its descendants are recorded, and its end ends the recording.
    pub command: Vec<OsString>,
    /// How often events are acknowledged.
    pub flush_interval: Duration,
    /// How long records wait for others that happened before them; not shorter than the sensor's latency.
    pub window: Duration,
    /// Ends the recording after this time.
    pub duration: Option<Duration>,
    /// Ends the recording when the capture has about this many bytes.
    pub max_bytes: Option<u64>,
    /// Whether to keep the kernel's symbols: about 1 MB a capture.
    pub symbols: bool,
    /// What stores are told from the beginning, beside what the recorder collects.
    pub inputs: Vec<Input>,
    /// How long stores keep what has ended; for ever, if `None`. It bounds their memory, and replay follows it.
    pub stores_retention: Option<Duration>,
    /// How long the end of the recording waits for container runtimes that have not answered yet.
    pub answer_patience: Duration,
    /// The recorder's command line, for the manifest.
    pub argv: Vec<String>,
}

impl Config {
    /// Everything the sensor knows, into a new capture at `path`, until told to stop.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let sensor = ebpf::Config::default();
        Self {
            path: path.into(),
            writer: WriterOptions::default(),
            window: sensor.latency,
            sensor,
            command: Vec::new(),
            flush_interval: Duration::from_secs(1),
            duration: None,
            max_bytes: None,
            symbols: true,
            inputs: Vec::new(),
            stores_retention: None,
            answer_patience: Duration::from_secs(2),
            argv: Vec::new(),
        }
    }

    /// The stores that detectors can ask while this is recorded, and later.
    #[must_use]
    pub fn stores(&self) -> Vec<Store> {
        let mut stores = vec![Store::Container, Store::Process, Store::Syscall, Store::System];
        if self.symbols {
            stores.push(Store::Symbol);
        }
        stores
    }
}

/// A recording that has begun.
#[derive(Debug)]
pub struct Started<'a> {
    /// How each event is got on this kernel.
    pub reports: &'a [EventReport],
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sequence number of the last event that is safe; none before the first.
    pub acknowledged_seq: Option<u64>,
    /// Events that the kernel had: `written + lost`.
    pub received: u64,
    /// Events that are safe.
    pub written: u64,
    /// Events that are known to be lost.
    pub lost: u64,
    /// Events that came too late to be put in order.
    pub late: u64,
    /// Size of the capture, bytes.
    pub bytes: u64,
    /// Rows of detections that the observer has handed back.
    pub detections: u64,
}

/// Sees a recording as it is made. All calls come from the recording thread: as long as they take, the ring buffer fills.
pub trait Observer {
    /// The sensor is attached.
    fn started(&mut self, _started: &Started<'_>) {}

    /// These events have been acknowledged: one batch per event type. `stores` can be asked as of each of them. What it hands
    /// back goes into the capture's detections.
    ///
    /// # Errors
    /// An error ends the recording; what was acknowledged stays.
    fn flushed(
        &mut self,
        _batches: &[EventBatch],
        _stores: &Stores,
    ) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Vec::new())
    }

    /// A flush is done, even if there was nothing to flush.
    fn progress(&mut self, _progress: &Progress) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// Whether to stop; asked at least as often as the sensor's latency says.
pub trait Stop {
    /// Whether somebody wants the recording to end.
    fn requested(&mut self) -> bool;
}

impl<F: FnMut() -> bool> Stop for F {
    fn requested(&mut self) -> bool {
        self()
    }
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody wanted it.
    Requested,
    /// Its time was over.
    Duration,
    /// It was large enough.
    Size,
    /// The command ended like this.
    Command(ExitStatus),
}

/// A recording that is complete.
#[derive(Debug)]
pub struct Summary {
    /// Why it ended.
    pub ended: Ended,
    /// The last progress.
    pub progress: Progress,
    /// What the capture holds.
    pub manifest: Manifest,
    /// How each event was got.
    pub reports: Vec<EventReport>,
    /// What else the user should know, in sentences.
    pub warnings: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a recording cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The sensor.
    #[error(transparent)]
    Sensor(#[from] ebpf::Error),
    /// The capture.
    #[error(transparent)]
    Capture(#[from] Error),
    /// The command to record.
    #[error("cannot run {command}")]
    Command {
        /// Its program.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// The tasks that are alive could not be listed.
    #[error("cannot list the processes that are alive: {0}")]
    Tasks(String),
    /// None of the events can be seen on this kernel.
    #[error("this kernel shows none of the selected events; tracee-cap doctor says why")]
    NothingToRecord,
    /// The observer.
    #[error("the recording's observer failed: {0}")]
    Observer(Box<dyn std::error::Error + Send + Sync>),
}

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
            converter: Converter::new(offset, &tasks, containers),
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
        let event = self.converter.convert(record);
        self.tell_containers()?;
        if let Some(event) = event {
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

/// What stores are told about the host.
fn host_inputs(config: &Config, offset: BootOffset, warnings: &mut Vec<String>) -> Vec<Input> {
    let system = collect::system(0, offset, boot_ns());
    warnings.extend(system.warnings);
    let mut inputs = vec![system.input];
    if config.symbols {
        match collect::symbols(0) {
            Ok(symbols) => {
                warnings.extend(symbols.warnings);
                inputs.push(symbols.input);
            }
            Err(error) => warnings.push(error.to_string()),
        }
    }
    inputs.extend(config.inputs.iter().cloned());
    inputs
}

fn live_tasks(sensor: &mut Sensor, warnings: &mut Vec<String>) -> Result<Vec<Task>, LiveError> {
    sensor.tasks().or_else(|error| {
        warnings.push(format!(
            "the start times of processes that were alive are cut to 10 ms, so their entity ids can be wrong ({error})"
        ));
        from_procfs().map_err(|error| LiveError::Tasks(error.to_string()))
    })
}

fn snapshot_row(task: &Task, offset: BootOffset) -> TaskSnapshot {
    TaskSnapshot {
        host_pid: task.pid,
        host_tid: task.tid,
        pid: task.ns_pid,
        tid: task.ns_tid,
        host_ppid: task.ppid,
        ppid: task.ns_ppid,
        start_ns: offset.epoch(task.start),
        parent_start_ns: if task.ppid == 0 {
            0
        } else {
            offset.epoch(task.parent_start)
        },
        comm: task.comm.clone(),
        exe: task.exe.clone(),
        uid: task.uid,
        gid: task.gid,
        cgroup_id: task.cgroup_id,
        kernel_thread: task.kernel_thread,
        coarse: task.coarse,
    }
}

fn header(
    config: &Config,
    sensor: &ebpf::Config,
    facts: &Facts,
    offset: BootOffset,
    reports: &[EventReport],
) -> Header {
    let mut filters = vec![format!("events={}", sensor.events.join(","))];
    if let Scope::Descendants(pid) = sensor.scope {
        filters.push(format!("descendants={pid}"));
    }
    Header {
        capture_id: String::new(),
        created: Some(format_time(offset.epoch(boot_ns()).cast_signed())),
        argv: config.argv.clone(),
        host: Host {
            name: facts.node.clone(),
            kernel: facts.release.clone(),
            architecture: facts.machine.clone(),
            os: os_name(),
            cpus: Some(facts.cpus),
            boot_id: read_line("/proc/sys/kernel/random/boot_id"),
        },
        clock: Some(Clock {
            boot_offset_ns: offset.ns().cast_signed(),
            uncertainty_ns: offset.uncertainty_ns(),
        }),
        sensor_plan: serde_json::to_value(reports).ok(),
        filters,
        enrichments: if sensor.environment {
            vec!["environment".to_owned()]
        } else {
            Vec::new()
        },
        stores_retention_ns: config
            .stores_retention
            .map(|kept| u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX)),
        source: Source::Live,
    }
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn os_name() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned()
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
