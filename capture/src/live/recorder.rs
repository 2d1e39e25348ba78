//! Recording what the sensor sees.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use detectors_api::event::RecordedEvent;
use detectors_api::stores::Store;
use detectors_stores::Input;
use detectors_stores::container::ContainerInput;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use ebpf::clock::{BootOffset, boot_ns};
use ebpf::kernel::facts;
use ebpf::order::Orderer;
use ebpf::plan::{self, Chosen};
use ebpf::{ProgramCost, Scope, Sensor};

use super::command::{RunningCommand, WaitingCommand};
use super::containers::Containers;
use super::convert::Converter;
use super::enrichment::{Enricher, Questions};
use super::hashes::Hashes;
use super::host::{header, host_inputs, live_tasks, snapshot_row};
use super::integrity::Looks;
use super::line::Line;
use super::privileges;
use super::recording::{CONTAINER_ENRICHMENT, Config, Ended, LiveError, Observer, Started, Stop, Summary};
use super::session::{MAX_PENDING, Session, Source};
use crate::Loss;

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
    observer: &'a mut dyn Observer,
    stop: &mut dyn Stop,
) -> Result<Summary, LiveError> {
    let (mut recorder, session) = Recorder::start(config, enricher, observer)?;
    let summary = session.run(&mut recorder, stop)?;
    Ok(Summary {
        reports: recorder.sensor.reports().to_vec(),
        programs: recorder.programs,
        ..summary
    })
}

/// The sensor, and all that makes events of its records.
struct Recorder<'a> {
    config: &'a Config,
    sensor: Sensor,
    orderer: Orderer,
    converter: Converter,
    questions: Questions<'a>,
    looks: Looks,
    /// Events on their way into the capture.
    line: Line,
    /// The events that are kept whatever filters say.
    always: HashSet<&'static str>,
    /// How long records wait for earlier ones, ns.
    window: u64,
    offset: BootOffset,
    command: Option<RunningCommand>,
    /// (Time of the last event, sequence number after it), as of each look into the ring buffer; times are ns since boot.
    checkpoints: Vec<(u64, u64)>,
    last_time: u64,
    /// When the sensor stopped, ns since boot.
    stopped: u64,
    /// What its programs had cost by then.
    programs: Vec<ProgramCost>,
}

impl<'a> Recorder<'a> {
    fn start(
        config: &'a Config,
        enricher: Option<&'a mut dyn Enricher>,
        observer: &'a mut dyn Observer,
    ) -> Result<(Self, Session<'a>), LiveError> {
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
        let hashes = match config.hashes {
            Some(mode) if config.gives_up_rights => Some(
                privileges::start_with_few(|| Hashes::start(mode))
                    .map_err(LiveError::Rights)?
                    .map_err(LiveError::Hashes)?,
            ),
            Some(mode) => Some(Hashes::start(mode).map_err(LiveError::Hashes)?),
            None => None,
        };
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
        let rows: Vec<_> = tasks.iter().map(|task| snapshot_row(task, offset)).collect();
        inputs.push(Input {
            store: Store::Process.name().to_owned(),
            seq: 0,
            rows: TaskSnapshot::to_batch(&rows),
        });
        let mut session = Session::begin(&config.recording, header, inputs, observer)?;
        session.warnings = warnings;
        let window = config.window.max(config.sensor.latency).as_nanos() as u64;
        let mut recorder = Self {
            orderer: Orderer::new(window, sensor.started()),
            converter: Converter::new(offset, &tasks, containers, &sensor_config.events),
            questions: Questions::new(enricher),
            looks: Looks::new(),
            line: Line::new(hashes, config.hash_patience),
            always: plan::all()
                .filter(|plan| plan.chosen == Chosen::Always)
                .map(|plan| plan.event)
                .collect(),
            window,
            last_time: sensor.started(),
            config,
            sensor,
            offset,
            command: None,
            checkpoints: Vec::new(),
            stopped: 0,
            programs: Vec::new(),
        };
        recorder.tell_containers(&mut session)?;
        recorder.ask();
        session.writer.flush()?;
        session.observer.started(&Started {
            reports: recorder.sensor.reports(),
        });
        // The observer sees them with the first flush.
        for event in recorder.converter.existing(recorder.last_time) {
            recorder.keep(event, &mut session)?;
        }
        if let Some(waiting) = waiting {
            match waiting.start() {
                Ok(running) => recorder.command = Some(running),
                Err(error) => {
                    session.abandon()?;
                    return Err(command_error(error));
                }
            }
        }
        if config.gives_up_rights {
            privileges::give_up().map_err(LiveError::Rights)?;
        }
        Ok((recorder, session))
    }

    fn push(&mut self, record: &ebpf::abi::Record, session: &mut Session<'_>) -> Result<(), LiveError> {
        self.push_found(record.head.time, session)?;
        self.looks.follow(record);
        self.last_time = self.last_time.max(record.head.time);
        let events = self.converter.convert(record);
        self.tell_containers(session)?;
        for event in events {
            self.keep(event, session)?;
        }
        Ok(())
    }

    fn keep(&mut self, event: RecordedEvent, session: &mut Session<'_>) -> Result<(), LiveError> {
        let kept = self
            .config
            .keep
            .as_ref()
            .is_none_or(|keep| self.always.contains(event.event.name.as_str()) || keep.keeps(&event));
        if kept {
            self.line.event(event, &mut session.writer)?;
        }
        Ok(())
    }

    /// Pushes what was found by looking until `time`, ns since boot.
    fn push_found(&mut self, time: u64, session: &mut Session<'_>) -> Result<(), LiveError> {
        while let Some((time, event)) = self.looks.until(time) {
            self.last_time = self.last_time.max(time);
            if let Some(event) = self.converter.found(time, &event) {
                self.keep(event, session)?;
            }
        }
        Ok(())
    }

    /// Tells the container store what has been learnt beside events, before the next one.
    fn tell_containers(&mut self, session: &mut Session<'_>) -> Result<(), LiveError> {
        let rows = self.converter.containers.take_inputs();
        if !rows.is_empty() {
            let (store, seq) = (Store::Container.name().to_owned(), session.writer.next_seq());
            let rows = ContainerInput::to_batch(&rows);
            let input = Input { store, seq, rows };
            self.line.input(input, &mut session.writer)?;
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
    fn hear(&mut self, session: &mut Session<'_>) -> Result<(), LiveError> {
        for answer in self.questions.answers(Instant::now()) {
            self.converter.containers.answered(answer);
        }
        self.tell_containers(session)
    }

    /// Waits for the answers that are outstanding, but not for long.
    fn hear_out(&mut self, session: &mut Session<'_>) -> Result<(), LiveError> {
        let begun = Instant::now();
        self.hear(session)?;
        while self.questions.is_waiting() && begun.elapsed() < self.config.answer_patience {
            std::thread::sleep(ANSWER_POLL);
            self.hear(session)?;
        }
        for answer in self.questions.give_up() {
            self.converter.containers.answered(answer);
        }
        self.tell_containers(session)
    }

    fn checkpoint(&mut self, session: &Session<'_>) {
        // What waits has no number yet.
        if !self.line.is_empty() {
            return;
        }
        let next = session.writer.next_seq();
        if self.checkpoints.last().is_none_or(|(_, seq)| *seq != next) {
            if self.checkpoints.len() >= MAX_CHECKPOINTS {
                self.checkpoints.drain(..MAX_CHECKPOINTS / 2);
            }
            self.checkpoints.push((self.last_time, next));
        }
    }

    fn write_losses(&self, losses: Vec<ebpf::order::Loss>, session: &mut Session<'_>) {
        for loss in losses {
            let before = self.checkpoints.partition_point(|(time, _)| *time <= loss.from);
            let after = self.checkpoints.partition_point(|(time, _)| *time < loss.to);
            let seq_from = before
                .checked_sub(1)
                .map_or(0, |index| self.checkpoints[index].1.saturating_sub(1));
            let seq_to = self
                .checkpoints
                .get(after)
                .map_or(session.writer.next_seq(), |(_, seq)| *seq);
            let time = |boot_ns| Some(self.offset.epoch(boot_ns).cast_signed());
            session.writer.record_loss(Loss {
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
    fn write_uncounted(&self, counters: &ebpf::Counters, session: &mut Session<'_>) {
        if counters.no_scratch > 0 {
            let time = |boot_ns| Some(self.offset.epoch(boot_ns).cast_signed());
            session.writer.record_loss(Loss {
                seq_from: 0,
                seq_to: session.writer.next_seq(),
                time_from: time(self.sensor.started()),
                time_to: time(self.stopped),
                cpu: None,
                cause: "no_buffer".to_owned(),
                count: counters.no_scratch,
            });
        }
    }

    fn warn(&self, counters: &ebpf::Counters, session: &mut Session<'_>) {
        if counters.scope_full > 0 {
            session.warnings.push(format!(
                "{} processes were not recorded: the command has more descendants at a time than the sensor's table holds",
                counters.scope_full
            ));
        }
        if self.orderer.late() > 0 {
            session.warnings.push(format!(
                "{} events came too late to be put in order of time",
                self.orderer.late()
            ));
        }
    }
}

impl Source for Recorder<'_> {
    /// Takes records from the ring buffer.
    fn take(&mut self, session: &mut Session<'_>) -> Result<(), LiveError> {
        let drained = self.sensor.wait()?;
        for record in drained.records {
            self.orderer.push(record);
        }
        self.hear(session)?;
        while let Some(record) = self.orderer.pop(drained.horizon) {
            self.push(&record, session)?;
        }
        self.push_found(drained.horizon.saturating_sub(self.window), session)?;
        self.line.settle(&mut session.writer)?;
        if let Err(error) = self.looks.look(&mut self.sensor) {
            let warning = format!("from here on, hooks in the kernel's tables are not looked for ({error})");
            session.warnings.push(warning);
        }
        self.ask();
        self.checkpoint(session);
        let losses = self.orderer.losses(drained.horizon);
        self.write_losses(losses, session);
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<Ended>, LiveError> {
        let Some(command) = &mut self.command else {
            return Ok(None);
        };
        let status = command.ended().map_err(|source| LiveError::Command {
            command: self.config.command[0].to_string_lossy().into_owned(),
            source,
        })?;
        Ok(status.map(Ended::Command))
    }

    fn stop(&mut self) -> Result<(), LiveError> {
        self.programs = self.sensor.costs();
        self.sensor.stop();
        self.stopped = boot_ns();
        loop {
            let drained = self.sensor.drain()?;
            for record in drained.records {
                self.orderer.push(record);
            }
            if drained.empty {
                return Ok(());
            }
        }
    }

    fn drain(&mut self, session: &mut Session<'_>) -> Result<bool, LiveError> {
        while session.writer.pending() < MAX_PENDING {
            let Some(record) = self.orderer.pop_any() else {
                self.push_found(u64::MAX, session)?;
                self.line.finish(&mut session.writer)?;
                let counters = self.sensor.counters()?;
                self.checkpoint(session);
                let losses = self.orderer.finish(&counters.produced, self.stopped);
                self.write_losses(losses, session);
                self.write_uncounted(&counters, session);
                self.warn(&counters, session);
                self.ask();
                self.hear_out(session)?;
                return Ok(false);
            };
            self.push(&record, session)?;
        }
        self.checkpoint(session);
        Ok(true)
    }

    fn late(&self) -> u64 {
        self.orderer.late()
    }
}
