//! From row groups to detections.
//!
//! Three things go on at the same time: what was found in the window before is handed on; the row groups of the next window are
//! read, each by itself, and what detectors want of them is selected; and the events selected for this window go through the
//! detectors, in the order of sequence numbers.
//! Neither depends on how many threads there are, nor on where windows end: a row group is read once, when the first window that
//! it reaches into comes up, and events that are ahead of the window wait. One thread folds the stores meanwhile; where another
//! has nothing to do until that is done, it reads for the windows after the next. That is when it pays: a segment has the few events
//! of most types in one row group each, so that all of these are due in the window in which the segment begins.

mod ahead;
mod facts;
pub(crate) mod feed;
mod queue;
pub(crate) mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use capture::ScanTask;
use detectors_api::definition::AutoPopulate;
use detectors_api::event::EventBatch;
use detectors_engine::{Detection, Engine, Purpose};

use crate::{Error, Gap, Outcome, Progress, ReadCount, Stages};
use ahead::ReadAhead;
use feed::{Feed, Origin, Select, Selected};
use queue::{Done, Due};
use state::{ReadForStores, State, WindowStores};

/// A planned run.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) engine: Engine,
    pub(crate) state: State,
    /// What was before the range, if detectors remember it; then the range.
    pub(crate) feeds: Vec<Feed>,
    /// Each with the position of its feed.
    pub(crate) windows: Vec<(usize, RangeInclusive<u64>)>,
    pub(crate) gaps: BTreeSet<Gap>,
    pub(crate) hidden: BTreeSet<String>,
    pub(crate) cancel: Option<Arc<AtomicBool>>,
}

/// Windows after the next whose row groups are read while there is nothing else to do.
const AHEAD: usize = 4;

/// What is to be read for a window.
struct Order {
    select: Arc<Select>,
    now: Wanted,
    /// For later windows, as long as there is nothing else to do.
    later: Option<Wanted>,
}

/// Row groups that are to be read.
struct Wanted {
    events: Due,
    /// For stores, if they are likely to be asked.
    stores: Option<Due>,
}

/// What was read for a window.
#[derive(Default)]
struct Read {
    events: Done<Result<Vec<Selected>, Vec<Gap>>>,
    stores: ReadForStores,
    time: Duration,
}

/// Tells how far reading has come.
struct Meter<'a> {
    done: AtomicU64,
    of: u64,
    detections: AtomicU64,
    tell: &'a (dyn Fn(Progress) + Sync),
}

impl Meter<'_> {
    fn read(&self, rows: u64) {
        let rows = self.done.fetch_add(rows, Ordering::Relaxed) + rows;
        (self.tell)(Progress {
            rows,
            of: self.of,
            detections: self.detections.load(Ordering::Relaxed),
        });
    }
}

impl Executor {
    /// Runs all windows on the current rayon pool.
    pub(crate) fn run(
        mut self,
        mut sink: impl FnMut(Vec<Detection>) -> Result<(), Error> + Send,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, Error> {
        let meter = Meter {
            done: AtomicU64::new(0),
            of: self.feeds.iter().map(Feed::rows).sum(),
            detections: AtomicU64::new(0),
            tell,
        };
        let mut counts: BTreeMap<&'static str, ReadCount> = BTreeMap::new();
        let mut stages = Stages::default();
        let windows = std::mem::take(&mut self.windows);
        // Whether stores are likely to be asked: they were in the window before, or the detectors say so.
        let mut eager = asks_stores(&self.engine);
        let cancel = self.cancel.clone();
        let cancel = cancel.as_deref();
        let mut read = match windows.first() {
            Some(first) => {
                let order = self.order(first, first.1.clone(), None, eager);
                order.read(&meter, cancel, &AtomicBool::new(true))?
            }
            None => Read::default(),
        };
        // In the window before.
        let mut found = Vec::new();
        for (position, (feed, window)) in windows.iter().enumerate() {
            let purpose = self.feeds[*feed].purpose;
            if purpose == Purpose::Detect {
                for selected in read.events.results.iter().flatten().flatten() {
                    let count = counts.entry(selected.origin.event_type).or_default();
                    count.events += selected.survivors.seen();
                    count.selected += selected.survivors.len() as u64;
                }
            }
            stages.reading += read.time;
            self.state.take(read.stores);
            self.gaps.extend(self.feeds[*feed].take(read.events));
            let now = self.feeds[*feed].until(*window.end());

            let order = windows.get(position + 1).map(|next| {
                let stretch = window.end().saturating_add(1)..=*next.1.end();
                let mut later = windows[position + 2..].iter().take(AHEAD);
                let last = later.rfind(|(feed, _)| *feed == next.0);
                let later = last.map(|(_, last)| next.1.end().saturating_add(1)..=*last.end());
                self.order(next, stretch, later, eager)
            });
            let busy = AtomicBool::new(false);
            let (engine, state) = (&mut self.engine, &mut self.state);
            let stores = WindowStores::new(state, window);
            let known = &self.feeds[*feed].select.ahead;
            let before = std::mem::take(&mut found);
            let (ran, ahead) = rayon::join(
                || run_window(engine, stores, purpose, now, eager, known, &busy),
                || {
                    sink(before)?;
                    order.map_or_else(|| Ok(Read::default()), |order| order.read(&meter, cancel, &busy))
                },
            );
            let ran = ran?;
            read = ahead?;
            eager = ran.asked.is_some();
            if let Some(seq) = ran.asked {
                self.gaps.extend(self.state.doubts(seq).cloned());
            }
            self.state.compact(window.end().saturating_add(1));
            self.gaps.extend(ran.gaps);
            stages.detecting += ran.time;
            if purpose == Purpose::Detect {
                found = ran.detections;
                if !self.hidden.is_empty() {
                    found.retain(|detection| !self.hidden.contains(&*detection.detector_id));
                }
                meter.detections.fetch_add(found.len() as u64, Ordering::Relaxed);
            }
        }
        sink(found)?;
        for warning in self.engine.close() {
            tracing::warn!("{warning}");
        }
        stages.folding = Duration::from_nanos(self.state.folding_ns);
        Ok(Outcome {
            engine: self.engine,
            gaps: self.gaps.into_iter().collect(),
            reads: counts
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            stages,
        })
    }

    /// What is to be read for a window; for stores, if they are likely to be asked, what begins in `stretch`. `later` is the stretch
    /// of later windows.
    fn order(
        &mut self,
        (feed, window): &(usize, RangeInclusive<u64>),
        stretch: RangeInclusive<u64>,
        later: Option<RangeInclusive<u64>>,
        eager: bool,
    ) -> Order {
        let feed = &mut self.feeds[*feed];
        let mut wanted = |events, stores| Wanted {
            events: feed.due(&events),
            stores: eager.then(|| self.state.due(&stores)),
        };
        Order {
            now: wanted(0..=*window.end(), stretch),
            later: later.map(|later| wanted(later.clone(), later)),
            select: Arc::clone(&feed.select),
        }
    }
}

/// Whether detectors say that they ask stores, or the engine does for them. A guess: a detector may ask without saying so.
fn asks_stores(engine: &Engine) -> bool {
    engine.definitions().any(|definition| {
        !definition.stores.is_empty() || definition.auto_populate.contains(AutoPopulate::ANCESTRY)
    })
}

impl Order {
    /// Reads for later windows, too, until somebody is `busy` with what other threads can help with.
    fn read(self, meter: &Meter<'_>, cancel: Option<&AtomicBool>, busy: &AtomicBool) -> Result<Read, Error> {
        let started = Instant::now();
        let select = |task: ScanTask| {
            if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
                return Err(Error::Cancelled);
            }
            let selected = self.select.row_group(&task);
            meter.read(task.rows() as u64);
            selected
        };
        let (events, stores) = rayon::join(
            || self.now.events.read(select),
            || {
                let stores = self.now.stores;
                stores.map_or_else(|| Ok(Done::default()), |due| due.read(state::row_group))
            },
        );
        let (mut events, mut stores) = (events?, stores?);
        if let Some(later) = self.later {
            let is_idle = || !busy.load(Ordering::Relaxed);
            events.append(later.events.read_while(is_idle, select)?);
            if let Some(later) = later.stores {
                stores.append(later.read_while(is_idle, state::row_group)?);
            }
        }
        Ok(Read {
            events,
            stores,
            time: started.elapsed(),
        })
    }
}

/// What came of a window.
struct Ran {
    detections: Vec<Detection>,
    gaps: Vec<Gap>,
    /// The latest event that stores were asked about.
    asked: Option<u64>,
    time: Duration,
}

fn run_window(
    engine: &mut Engine,
    stores: WindowStores<'_>,
    purpose: Purpose,
    selected: Vec<Selected>,
    eager: bool,
    ahead: &ReadAhead,
    busy: &AtomicBool,
) -> Result<Ran, Error> {
    let started = Instant::now();
    if eager {
        stores.prepare();
    }
    // From here on every thread can take a part.
    busy.store(true, Ordering::Relaxed);
    let mut read: Vec<(EventBatch, Arc<Origin>)> = Vec::new();
    let mut survivors = Vec::with_capacity(selected.len());
    for selected in selected {
        if !selected.survivors.is_empty() {
            read.push((selected.survivors.batch().clone(), selected.origin));
        }
        survivors.push(selected.survivors);
    }
    let detections = engine.run(survivors, &stores, purpose);
    ahead.learn(read.iter().map(|(batch, _)| batch));
    let gaps = read
        .iter()
        .flat_map(|(batch, origin)| batch.faults().map(|reason| origin.fault(reason)));
    Ok(Ran {
        detections,
        gaps: gaps.collect(),
        asked: stores.finish()?,
        time: started.elapsed(),
    })
}
