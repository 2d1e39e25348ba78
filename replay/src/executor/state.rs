//! The stores of a run, folded only as far as somebody asks.
//!
//! Stores answer as of an event, so they may know more than was asked for, and may begin at any keyframe before it. That leaves
//! three ways to be ready for a window: to go on from the window before; to fold what was passed over since nobody asked; or to
//! begin anew at a keyframe. All give the same answers, unless events that stores need cannot be read. Then the last keyframe
//! before the window decides, whichever way was taken: what it holds, no gap before it can spoil.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use capture::{CaptureReader, ScanPart, ScanTask};
use detectors_api::event::EventBatch;
use detectors_stores::{Input, StoreSource, Stores};

use super::feed::parts;
use super::queue::{Done, Due, Queue};
use crate::{Error, Gap};

/// Sequence numbers of which passed-over events are in memory at a time.
const STRETCH: u64 = 1 << 18;

/// The stores, and the events that they have yet to take.
#[derive(Debug)]
pub(crate) struct State {
    reader: CaptureReader,
    /// What the user brings along.
    inputs: Vec<Input>,
    stores: Stores,
    /// Where stores can begin, in order.
    keyframes: Vec<u64>,
    queue: Queue,
    /// Events that have been read, and not been taken.
    waiting: Vec<EventBatch>,
    /// What could not be read, and has not been passed.
    unread: Vec<Gap>,
    /// What could not be read since the stores began.
    doubts: Vec<Gap>,
    /// Time spent folding, ns.
    pub(crate) folding_ns: u64,
}

/// What was read for stores.
pub(crate) type ReadForStores = Done<Result<Vec<EventBatch>, Gap>>;

impl State {
    /// Stores that can be asked about events from `from` to `to`.
    pub(crate) fn new(
        reader: &CaptureReader,
        inputs: Vec<Input>,
        range: RangeInclusive<u64>,
    ) -> Result<Self, Error> {
        let stores = reader.stores_with(*range.start(), inputs.clone())?;
        let recorded = reader.event_types();
        let mut found = Vec::new();
        for event_type in Stores::event_types() {
            let Some(columns) = Stores::columns(event_type).filter(|_| recorded.contains(&event_type)) else {
                continue;
            };
            let wanted = stores.settled()..=*range.end();
            found.extend(parts(reader, event_type, columns, &wanted)?);
        }
        Ok(Self {
            reader: reader.clone(),
            inputs,
            keyframes: reader.keyframes()?,
            stores,
            queue: Queue::new(found),
            waiting: Vec::new(),
            unread: Vec::new(),
            doubts: Vec::new(),
            folding_ns: 0,
        })
    }

    pub(crate) fn retention_ns(&self) -> Option<u64> {
        self.stores.retention_ns()
    }

    /// Files that have not been opened.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &ScanPart> {
        self.queue.parts()
    }

    /// Row groups that begin in `stretch`, to be read ahead.
    pub(crate) fn due(&mut self, stretch: &RangeInclusive<u64>) -> Due {
        self.queue.due(stretch)
    }

    /// Takes what was read.
    pub(crate) fn take(&mut self, mut read: ReadForStores) {
        self.queue.put_back(&mut read);
        self.unread.extend(read.gaps);
        for row_group in read.results {
            match row_group {
                Ok(batches) => self.waiting.extend(batches),
                Err(gap) => self.unread.push(gap),
            }
        }
    }

    /// Lets the stores take all events up to the end of `window`, a stretch at a time.
    fn advance(&mut self, window: &RangeInclusive<u64>) -> Result<(), Error> {
        let started = Instant::now();
        self.begin_at_keyframe(*window.start())?;
        let passed_over = self.stores.settled()..=window.start().saturating_sub(1);
        let reader = self.reader.clone();
        for stretch in reader.windows(passed_over, STRETCH) {
            self.fold(stretch.end().saturating_add(1))?;
            self.stores.compact(stretch.end().saturating_add(1));
        }
        self.fold(window.end().saturating_add(1))?;
        self.folding_ns += u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Lets the stores take all events before `end`.
    fn fold(&mut self, end: u64) -> Result<(), Error> {
        let Some(last) = end.checked_sub(1) else {
            return Ok(());
        };
        let due = self.due(&(0..=last));
        self.take(due.read_here(row_group)?);
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for batch in std::mem::take(&mut self.waiting) {
            let (before, after) = split(&batch, end);
            now.extend(before);
            later.extend(after);
        }
        self.waiting = later;
        let unread = std::mem::take(&mut self.unread);
        let (passed, ahead): (Vec<_>, Vec<_>) = unread.into_iter().partition(|gap| gap.first_seq < end);
        self.unread = ahead;
        self.doubts.extend(passed);
        self.stores.advance(&now, end)?;
        Ok(())
    }

    /// Begins anew at the last keyframe before `start`, if events were passed over or could not be read.
    fn begin_at_keyframe(&mut self, start: u64) -> Result<(), Error> {
        let settled = self.stores.settled();
        let keyframe = self.keyframes.iter().rfind(|keyframe| **keyframe <= start);
        let Some(keyframe) = keyframe
            .copied()
            .filter(|keyframe| *keyframe > settled || (*keyframe == settled && !self.doubts.is_empty()))
        else {
            return Ok(());
        };
        match self.reader.stores_with(keyframe, self.inputs.clone()) {
            Ok(stores) => self.stores = stores,
            // Without the keyframe, the events decide.
            Err(error) if error.is_bad_input() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.doubts.clear();
        self.unread.retain(|gap| gap.last_seq >= keyframe);
        self.queue.skip_before(keyframe);
        self.waiting = std::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|batch| split(&batch, keyframe).1)
            .collect();
        Ok(())
    }

    /// What could not be read and matters to questions about event `seq`.
    pub(crate) fn doubts(&self, seq: u64) -> impl Iterator<Item = &Gap> {
        self.doubts.iter().filter(move |gap| gap.first_seq <= seq)
    }

    /// Drops the history of events before `seq`.
    pub(crate) fn compact(&mut self, seq: u64) {
        if self.stores.settled() >= seq {
            self.stores.compact(seq);
        }
    }
}

/// The events before `seq`, and those from there on.
fn split(batch: &EventBatch, seq: u64) -> (Option<EventBatch>, Option<EventBatch>) {
    let cut = batch.seqs().partition_point(|found| *found < seq);
    let rest = batch.len() - cut;
    (
        (cut > 0).then(|| batch.slice(0, cut)),
        (rest > 0).then(|| batch.slice(cut, rest)),
    )
}

/// Reads a row group for stores.
pub(crate) fn row_group(task: ScanTask) -> Result<Result<Vec<EventBatch>, Gap>, Error> {
    match task.batches().and_then(Iterator::collect) {
        Ok(batches) => Ok(Ok(batches)),
        Err(error) => {
            let rows = task.rows() as u64;
            Ok(Err(Gap::of_error(task.event_type(), task.seq(), rows, error)?))
        }
    }
}

/// The stores while one window runs: they take its events when they are first asked for.
pub(crate) struct WindowStores<'a> {
    state: Mutex<Option<&'a mut State>>,
    window: &'a RangeInclusive<u64>,
    retention_ns: Option<u64>,
    ready: OnceLock<&'a Stores>,
    failed: OnceLock<Error>,
    asked: AtomicBool,
    /// The latest event that a question was about.
    asked_seq: AtomicU64,
}

impl<'a> WindowStores<'a> {
    pub(crate) fn new(state: &'a mut State, window: &'a RangeInclusive<u64>) -> Self {
        Self {
            retention_ns: state.retention_ns(),
            state: Mutex::new(Some(state)),
            window,
            ready: OnceLock::new(),
            failed: OnceLock::new(),
            asked: AtomicBool::new(false),
            asked_seq: AtomicU64::new(0),
        }
    }

    /// Makes the stores ready before anybody asks.
    pub(crate) fn prepare(&self) -> &Stores {
        self.ready.get_or_init(|| self.advance())
    }

    fn advance(&self) -> &'a Stores {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state
            .take()
            .expect("this runs once, and nobody else takes the state");
        if let Err(error) = state.advance(self.window) {
            // The run ends with this error once the window is done.
            let _ = self.failed.set(error);
        }
        &state.stores
    }

    /// The latest event that was asked about, if any was.
    pub(crate) fn finish(self) -> Result<Option<u64>, Error> {
        match self.failed.into_inner() {
            Some(error) => Err(error),
            None => Ok(self.asked.into_inner().then(|| self.asked_seq.into_inner())),
        }
    }
}

impl StoreSource for WindowStores<'_> {
    fn stores(&self, seq: u64) -> &Stores {
        self.asked.store(true, Ordering::Relaxed);
        self.asked_seq.fetch_max(seq, Ordering::Relaxed);
        self.ready.get_or_init(|| {
            // On a thread of its own: a thread of the pool that waits inside could be handed a call that asks again.
            std::thread::scope(|scope| {
                let folding = scope.spawn(|| self.advance());
                match folding.join() {
                    Ok(stores) => stores,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            })
        })
    }

    fn retention_ns(&self) -> Option<u64> {
        self.retention_ns
    }
}
