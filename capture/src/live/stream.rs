//! Recording what another program streams.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use detectors_api::event::timestamp_ns;
use ebpf::clock::{BootOffset, boot_ns};
use ebpf::plan::{Chosen, PLAN};

use super::recording::{Ended, LiveError, Observer, Recording, Started, Stop, Summary};
use super::session::{Session, Source};
use crate::manifest::{self, Header, Host, ImportedInput};
use crate::{Content, Loss, Record, Unreadable};

/// Deliveries that wait for the recorder: whoever streams faster has to wait.
const WAITING: usize = 4;
/// How long to wait for a delivery before looking whether the recording is to end.
const PATIENCE: Duration = Duration::from_millis(50);
/// How far time may go back from one event to the next, ns. What goes back further is counted.
const TOLERANCE_NS: i64 = 1_000_000_000;

/// What to record of a stream.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// What is asked of the recording.
    pub recording: Recording,
    /// Filters that are in force, as given, for the manifest.
    pub filters: Vec<String>,
    /// Architecture of the machine that the events are from, as `uname -m`; empty if unknown.
    pub architecture: String,
}

impl StreamConfig {
    /// For a machine of which nothing is known.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self {
            recording,
            filters: Vec::new(),
            architecture: String::new(),
        }
    }
}

/// What a stream brings at a time.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Records, in the order of the stream.
    pub records: Vec<Record>,
    /// Their size in bytes, as the stream had them.
    pub bytes: usize,
    /// Events that the program says it has lost since it was last asked, where it was asked just now.
    pub lost: Option<u64>,
}

/// Where the thread that reads a stream puts what comes.
#[derive(Debug)]
pub struct Outlet {
    deliveries: SyncSender<Delivery>,
    wanted: Arc<AtomicBool>,
}

impl Outlet {
    /// Whether more is wanted than what has come by now. The reader asks several times a second, and ends soon after it is not.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Hands a delivery over; waits as long as the recorder has enough to do. Nobody takes it once the recording has failed.
    pub fn put(&self, delivery: Delivery) {
        // The reader learns it from `is_wanted`.
        let _ = self.deliveries.send(delivery);
    }
}

/// A stream of another program's events, read on a thread of its own.
#[derive(Debug)]
pub struct Stream {
    input: ImportedInput,
    deliveries: Option<Receiver<Delivery>>,
    wanted: Arc<AtomicBool>,
    reader: Option<JoinHandle<Result<(), String>>>,
}

impl Stream {
    /// Starts `read` on a thread: it puts what comes into the outlet until the stream ends (`Ok`), breaks off (`Err` says why) or
    /// no more is wanted. `input` says what the stream is: its name, format and producer.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        input: ImportedInput,
        read: impl FnOnce(&Outlet) -> Result<(), String> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, deliveries) = sync_channel(WAITING);
        let wanted = Arc::new(AtomicBool::new(true));
        let outlet = Outlet {
            deliveries: sender,
            wanted: Arc::clone(&wanted),
        };
        let reader = Builder::new()
            .name("stream".to_owned())
            .spawn(move || read(&outlet))?;
        Ok(Self {
            input,
            deliveries: Some(deliveries),
            wanted,
            reader: Some(reader),
        })
    }

    /// The next delivery, if it comes in time; `Err` if there will be none.
    fn next(&self, patience: Duration) -> Result<Option<Delivery>, RecvTimeoutError> {
        let Some(deliveries) = &self.deliveries else {
            return Err(RecvTimeoutError::Disconnected);
        };
        match deliveries.recv_timeout(patience) {
            Ok(delivery) => Ok(Some(delivery)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the thread ended. Waits for that.
    fn outcome(&mut self) -> Result<(), String> {
        match self.reader.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err("the thread that read it panicked".to_owned()),
            None => Ok(()),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.deliveries = None;
        if let Err(reason) = self.outcome() {
            tracing::warn!("{}: {reason}", self.input.name);
        }
    }
}

/// Records a stream until `stop` says so, the time is over, the capture is large enough or the stream has ended. Events are kept
/// if their names are what `keeps` wants, or if they are always recorded.
///
/// Events keep the order of the stream, whatever their times say, as in an import: so the capture is the one that an import of
/// the same records makes. Those whose time is more than a second before that of an earlier one are counted as late.
///
/// # Errors
/// If the capture cannot be written. What was acknowledged stays in the capture, which then says that it is not complete. A
/// stream that breaks off is no error, but [`Ended::Broken`].
pub fn record_stream(
    config: &StreamConfig,
    stream: Stream,
    keeps: &mut dyn FnMut(&str) -> bool,
    observer: &mut dyn Observer,
    stop: &mut dyn Stop,
) -> Result<Summary, LiveError> {
    let header = Header {
        host: Host {
            architecture: config.architecture.clone(),
            ..Host::default()
        },
        filters: config.filters.clone(),
        source: manifest::Source::Import {
            inputs: vec![stream.input.clone()],
        },
        ..config.recording.header(BootOffset::sample().epoch(boot_ns()))
    };
    let inputs = config.recording.inputs.clone();
    let session = Session::begin(&config.recording, header, inputs, observer)?;
    session.observer.started(&Started { reports: &[] });
    let mut source = StreamSource {
        stream,
        keeps,
        latest: i64::MIN,
        late: 0,
        asked: 0,
        lost: None,
        ended: None,
    };
    session.run(&mut source, stop)
}

/// Whether the process tree or the containers are made of these events.
fn is_always_kept(event: &str) -> bool {
    PLAN.iter()
        .any(|plan| plan.chosen == Chosen::Always && plan.event == event)
}

struct StreamSource<'a> {
    stream: Stream,
    keeps: &'a mut dyn FnMut(&str) -> bool,
    /// Time of the latest event, ns since the Unix epoch.
    latest: i64,
    late: u64,
    /// The sequence number that was next when the program was last asked what it has lost.
    asked: u64,
    /// What it then said it had lost since the question before, and the sequence number that was next at that one.
    lost: Option<(u64, u64)>,
    ended: Option<Ended>,
}

impl StreamSource<'_> {
    fn push(&mut self, delivery: Delivery, session: &mut Session<'_>) {
        let Delivery { records, bytes, lost } = delivery;
        session.pending_bytes += bytes;
        self.stream.input.bytes += bytes as u64;
        for record in records {
            self.stream.input.count(&record.content);
            match record.content {
                Content::Event(event)
                    if (self.keeps)(&event.event.name) || is_always_kept(&event.event.name) =>
                {
                    if let Some(time) = event.event.timestamp.as_ref().and_then(timestamp_ns) {
                        self.late += u64::from(time < self.latest.saturating_sub(TOLERANCE_NS));
                        self.latest = self.latest.max(time);
                    }
                    session.writer.push(&event);
                }
                Content::Event(_) => self.stream.input.left_out += 1,
                Content::Log => {}
                Content::Unreadable(reason) => session.observer.unreadable(&Unreadable {
                    input: self.stream.input.name.clone(),
                    line: record.line,
                    reason,
                }),
            }
        }
        if let Some(count) = lost {
            self.asked(count, session);
        }
        session.writer.header_mut().source = manifest::Source::Import {
            inputs: vec![self.stream.input.clone()],
        };
    }

    /// The program was asked, and has lost `count` events more than when it was asked before.
    ///
    /// It lost them between the two questions, and what it saw before the second one may still come after it. So they are placed
    /// between the first question and the one after the second.
    fn asked(&mut self, count: u64, session: &mut Session<'_>) {
        self.write_loss(session);
        self.lost = (count > 0).then_some((self.asked, count));
        self.asked = session.writer.next_seq();
    }

    fn write_loss(&mut self, session: &mut Session<'_>) {
        if let Some((seq, count)) = self.lost.take() {
            session.writer.record_loss(Loss {
                seq_from: seq.saturating_sub(1),
                seq_to: session.writer.next_seq(),
                time_from: None,
                time_to: None,
                cpu: None,
                cause: "upstream".to_owned(),
                count,
            });
        }
    }

    fn warn(&self, session: &mut Session<'_>) {
        if self.late > 0 {
            session.warnings.push(format!(
                "{} events came more than a second after later ones; they are where they came",
                self.late
            ));
        }
    }
}

impl Source for StreamSource<'_> {
    fn take(&mut self, session: &mut Session<'_>) -> Result<(), LiveError> {
        match self.stream.next(PATIENCE) {
            Ok(Some(delivery)) => self.push(delivery, session),
            Ok(None) => {}
            Err(_) => {
                self.ended = Some(match self.stream.outcome() {
                    Ok(()) => Ended::Stream,
                    Err(reason) => Ended::Broken(reason),
                });
            }
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<Ended>, LiveError> {
        Ok(self.ended.clone())
    }

    fn stop(&mut self) -> Result<(), LiveError> {
        self.stream.wanted.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Readers end soon after they are told, so this has an end.
    fn drain(&mut self, session: &mut Session<'_>) -> Result<bool, LiveError> {
        match self.stream.next(PATIENCE) {
            Ok(delivery) => {
                if let Some(delivery) = delivery {
                    self.push(delivery, session);
                }
                Ok(true)
            }
            Err(_) => {
                self.write_loss(session);
                self.warn(session);
                Ok(false)
            }
        }
    }

    fn late(&self) -> u64 {
        self.late
    }
}
