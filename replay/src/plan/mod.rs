//! What a run would read, and why: `replay --explain`.
//!
//! A plan is made by opening every file that the run would open and asking every row group what the run would ask it, so what it
//! says is what happens; but it decodes no rows.

mod text;

use std::collections::BTreeMap;

use capture::{CaptureReader, ScanTask};
use detectors_api::columns::{CTX, EXTRA, SEQ, layout};
use detectors_api::detector::Reach;
use detectors_engine::{Described, Purpose};
use detectors_stores::Stores;
use serde::Serialize;

use crate::executor::Executor;
use crate::executor::feed::{Feed, can_be_spared};
use crate::{Gap, Options};

/// What a run would read, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Events in the capture.
    pub events: u64,
    /// Sequence number of the first event of the range.
    pub from_seq: u64,
    /// Sequence number of the last event of the range.
    pub to_seq: u64,
    /// Windows in which the range, and what is before it, goes through the detectors.
    pub windows: usize,
    /// What is read for detectors, by event type; first what is read before the range, for what detectors remember.
    pub reads: Vec<TypeRead>,
    /// Event types that detectors ask for, and the capture does not have.
    pub not_recorded: Vec<String>,
    /// Event types of the capture that neither detectors nor stores are given, with their numbers of events: their files are not
    /// opened.
    pub not_opened: BTreeMap<String, u64>,
    /// What stores fold when a detector asks them, by event type.
    pub stores: Vec<StoreRead>,
    /// The detectors, by the order in which they run.
    pub detectors: Vec<PlannedDetector>,
    /// What cannot be read.
    pub gaps: Vec<Gap>,
}

/// What is read of an event type for detectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeRead {
    /// The event type.
    pub event_type: String,
    /// Whether these are events before the range, read for what detectors remember of them.
    pub before_range: bool,
    /// Files.
    pub parts: usize,
    /// Row groups in them that have events of the range; each is a task.
    pub row_groups: usize,
    /// Events in those.
    pub events: u64,
    /// Row groups that are not decoded, since their statistics or bloom filters rule out that a detector wants any
    /// of their events.
    pub spared_row_groups: usize,
    /// Events in those.
    pub spared_events: u64,
    /// Row groups of which only a part is in the range: of these only the pages that reach into it are decoded.
    pub cut_row_groups: usize,
    /// Row groups with events that are not exactly what the catalogue says: these are never spared.
    pub row_groups_with_extra: usize,
    /// The columns that are read at once, with their compressed bytes in the row groups that are decoded.
    pub columns: BTreeMap<String, u64>,
    /// Number of columns that are decoded only when a detector asks, and only for the events that it gets.
    pub columns_on_demand: usize,
    /// Compressed bytes of those in the row groups that are decoded: at most this much is read of them.
    pub bytes_on_demand: u64,
    /// What is tested, in this order.
    pub tests: Vec<PlannedTest>,
    /// Ids of the detectors that want every one of these events.
    pub unfiltered: Vec<String>,
}

/// A test of a field or a scope, for all detectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedTest {
    /// The field or the scope.
    pub tested: String,
    /// How often it is tested.
    pub evaluation: String,
    /// The filters on it, as written.
    pub filters: Vec<String>,
    /// Ids of the detectors that have them.
    pub detectors: Vec<String>,
}

/// What is read of an event type for stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreRead {
    /// The event type.
    pub event_type: String,
    /// Files.
    pub parts: usize,
    /// Events in them, from the first keyframe on that the run can begin with.
    pub events: u64,
    /// The columns that are read.
    pub columns: Vec<String>,
}

/// A detector of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedDetector {
    /// Its id.
    pub id: String,
    /// Number of detectors in the longest chain that ends here: those of one level run side by side.
    pub level: usize,
    /// What it remembers: nothing, or something for each process, for each container, or in all.
    pub remembers: String,
    /// The events that it consumes.
    pub consumes: Vec<String>,
    /// It runs because others consume its detections, which are not shown.
    pub hidden: bool,
}

impl Plan {
    pub(crate) fn new(reader: &CaptureReader, options: &Options, executor: &Executor) -> Self {
        let recorded = reader.event_types();
        let mut gaps: Vec<Gap> = executor.gaps.iter().cloned().collect();
        let reads = executor
            .feeds
            .iter()
            .flat_map(|feed| type_reads(feed, &mut gaps))
            .collect::<Vec<_>>();
        let wanted = executor.engine.subscribed_events();
        let mut stores: BTreeMap<&str, StoreRead> = BTreeMap::new();
        for part in executor.state.parts() {
            let read = stores.entry(part.event_type()).or_insert_with(|| StoreRead {
                event_type: part.event_type().to_owned(),
                parts: 0,
                events: 0,
                columns: Stores::columns(part.event_type())
                    .into_iter()
                    .flatten()
                    .map(|column| (*column).to_owned())
                    .collect(),
            });
            read.parts += 1;
            read.events += part.rows();
        }
        let counts = &reader.manifest().events;
        let not_opened = recorded.iter().filter(|name| {
            !stores.contains_key(**name) && !reads.iter().any(|read| read.event_type == **name)
        });
        Self {
            events: reader.manifest().totals.written,
            from_seq: *options.seq.start(),
            to_seq: reader
                .manifest()
                .seq
                .map_or(0, |seq| seq.last)
                .min(*options.seq.end()),
            windows: executor.windows.len(),
            not_recorded: wanted
                .iter()
                .filter(|name| !recorded.contains(name))
                .map(|name| (*name).to_owned())
                .collect(),
            not_opened: not_opened
                .map(|name| ((*name).to_owned(), counts.get(*name).copied().unwrap_or_default()))
                .collect(),
            stores: stores.into_values().collect(),
            detectors: executor
                .engine
                .levels()
                .map(|(definition, level, reach)| PlannedDetector {
                    id: definition.id.clone(),
                    level,
                    remembers: reach.map_or("nothing", Reach::as_str).to_owned(),
                    consumes: definition
                        .events
                        .iter()
                        .map(|requirement| requirement.name.clone())
                        .collect(),
                    hidden: options.hidden.contains(&definition.id),
                })
                .collect(),
            reads,
            gaps,
        }
    }
}

fn type_reads(feed: &Feed, gaps: &mut Vec<Gap>) -> Vec<TypeRead> {
    let selector = &feed.select.selector;
    let mut reads: BTreeMap<&str, TypeRead> = BTreeMap::new();
    for part in feed.parts() {
        let event_type = part.event_type();
        let read = reads.entry(event_type).or_insert_with(|| TypeRead {
            event_type: event_type.to_owned(),
            before_range: feed.purpose == Purpose::WarmUp,
            parts: 0,
            row_groups: 0,
            events: 0,
            spared_row_groups: 0,
            spared_events: 0,
            cut_row_groups: 0,
            row_groups_with_extra: 0,
            columns: BTreeMap::new(),
            columns_on_demand: 0,
            bytes_on_demand: 0,
            tests: selector
                .describe(event_type)
                .into_iter()
                .map(PlannedTest::from)
                .collect(),
            unfiltered: selector
                .unfiltered(event_type)
                .iter()
                .map(ToString::to_string)
                .collect(),
        });
        read.parts += 1;
        match part.tasks() {
            Ok(tasks) => {
                for task in &tasks {
                    let spared = can_be_spared(task, selector);
                    read.add(task, spared, &selector.columns(event_type));
                }
            }
            Err(error) => gaps.push(Gap::new(event_type, part.seq(), part.rows(), error.to_string())),
        }
    }
    reads.into_values().collect()
}

impl TypeRead {
    fn add(&mut self, task: &ScanTask, spared: bool, tested: &[&str]) {
        let events = task.rows() as u64;
        self.row_groups += 1;
        self.events += events;
        self.cut_row_groups += usize::from(task.is_cut());
        self.row_groups_with_extra += usize::from(task.has_extra());
        if spared {
            self.spared_row_groups += 1;
            self.spared_events += events;
            return;
        }
        let schema = layout(task.event_type()).schema();
        let mut on_demand = 0;
        for field in schema.fields() {
            let bytes = task.column_bytes(field.name());
            let name = field.name().as_str();
            if tested.contains(&name) || [SEQ, CTX, EXTRA].contains(&name) {
                *self.columns.entry(name.to_owned()).or_default() += bytes;
            } else {
                on_demand += 1;
                self.bytes_on_demand += bytes;
            }
        }
        self.columns_on_demand = on_demand;
    }
}

impl From<Described> for PlannedTest {
    fn from(test: Described) -> Self {
        Self {
            tested: test.tested,
            evaluation: test.evaluation.to_string(),
            filters: test.filters,
            detectors: test.detectors.iter().map(ToString::to_string).collect(),
        }
    }
}
