//! Selecting apart from running: what is told about it, what is pruned, and who is asked what.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use detectors_api::detector::Detector;
use detectors_api::event::{ColumnSource, Contexts, EventBatch, Rows};
use detectors_api::prelude::*;
use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::{Engine, EngineBuilder, Facts, FailureKind, Purpose, Restriction, Survivors};
use detectors_stores::{StoreSource, Stores};

const OPEN: &str = "security_file_open";

/// Detects what `wanted` says of the events that it asks for.
struct Opens {
    definition: DetectorDefinition,
    wanted: fn(&Event<'_>) -> bool,
}

impl EventDetector for Opens {
    fn definition(&self) -> DetectorDefinition {
        self.definition.clone()
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok((self.wanted)(event).then(Output::new).into())
    }
}

fn opens(id: &str, requirement: EventRequirement) -> Opens {
    Opens {
        definition: DetectorDefinition::new(id, format!("seen_by_{id}")).on(requirement),
        wanted: |_| true,
    }
}

fn on_open() -> EventRequirement {
    EventRequirement::new(OPEN)
}

fn engine(detectors: Vec<Opens>) -> Engine {
    let boxed = detectors
        .into_iter()
        .map(|detector| Box::new(detector) as Box<dyn Detector>);
    let built = EngineBuilder::new().detectors(boxed).build();
    assert_eq!(built.refusals, []);
    built.engine
}

fn open(path: &str) -> TestEvent {
    TestEvent::new(OPEN).set("pathname", path)
}

#[test]
fn what_is_tested_can_be_told() {
    let selector = engine(vec![
        opens(
            "A",
            on_open().data("pathname=/etc/shadow").scope("container=started"),
        ),
        opens(
            "B",
            on_open()
                .data("pathname=/etc/*")
                .data("flags>0")
                .scope("syscall=openat"),
        ),
        opens("C", on_open().data("pathname=/etc/shadow").scope("pid!=1")),
        opens("D", EventRequirement::new("sched_process_exec").data("argv=-c")),
        opens("E", EventRequirement::new("sched_process_exec")),
    ])
    .selector(Purpose::Detect);
    assert_eq!(selector.event_types(), ["sched_process_exec", OPEN]);
    assert_eq!(
        selector.columns(OPEN),
        ["ctx", "flags", "pathname", "thread_syscall"]
    );
    assert_eq!(selector.columns("ptrace"), [""; 0]);
    let mut told = String::new();
    for event in selector.event_types() {
        for described in selector.describe(event) {
            let detectors: Vec<&str> = described.detectors.iter().map(AsRef::as_ref).collect();
            told += &format!(
                "{event}: {} {:?} for {}, {}\n",
                described.tested,
                described.filters,
                detectors.join(" "),
                described.evaluation
            );
        }
        told += &format!("{event}: all for {:?}\n", selector.unfiltered(event));
    }
    insta::assert_snapshot!(told, @r#"
    sched_process_exec: argv ["argv=-c"] for D, event by event
    sched_process_exec: all for ["E"]
    security_file_open: pathname ["pathname=/etc/shadow", "pathname=/etc/*"] for A B C, once per distinct text
    security_file_open: flags ["flags>0"] for B, number by number
    security_file_open: syscall ["syscall=openat"] for B, once per distinct text
    security_file_open: container ["container=started"] for A, once per process context
    security_file_open: pid ["pid!=1"] for C, once per process context
    security_file_open: all for []
    "#);
}

/// What a test says about a row group.
#[derive(Default)]
struct Known {
    ranges: BTreeMap<&'static str, RangeInclusive<i128>>,
    /// The texts that a bloom filter would not deny.
    bloom: Option<Vec<&'static str>>,
}

impl Facts for Known {
    fn number_range(&self, column: &str) -> Option<RangeInclusive<i128>> {
        self.ranges.get(column).cloned()
    }

    fn may_hold(&self, _column: &str, text: &str) -> bool {
        self.bloom.as_ref().is_none_or(|held| held.contains(&text))
    }
}

#[test]
fn a_row_group_is_passed_over_only_if_nobody_can_want_it() {
    let shadow = || opens("A", on_open().data("pathname=/etc/shadow").data("flags>=4"));
    let logs = || opens("B", on_open().data("pathname=/var/log/*").scope("container"));
    let flags = |range| Known {
        ranges: BTreeMap::from([("flags", range)]),
        ..Known::default()
    };
    let bloom = |held: &[&'static str]| Known {
        bloom: Some(held.to_vec()),
        ..Known::default()
    };
    let one = engine(vec![shadow()]).selector(Purpose::Detect);
    let both = engine(vec![shadow(), logs()]).selector(Purpose::Detect);
    let all = engine(vec![shadow(), opens("C", on_open())]).selector(Purpose::Detect);
    for (known, of_one, of_both) in [
        (Known::default(), true, true),
        (flags(0..=3), false, true),
        (flags(0..=4), true, true),
        (flags(-9..=-9), false, true),
        (bloom(&["/etc/passwd"]), false, true),
        (bloom(&["/etc/shadow"]), true, true),
    ] {
        assert_eq!(
            one.may_pass(OPEN, &known),
            of_one,
            "{:?} {:?}",
            known.ranges,
            known.bloom
        );
        assert_eq!(
            both.may_pass(OPEN, &known),
            of_both,
            "{:?} {:?}",
            known.ranges,
            known.bloom
        );
        assert!(all.may_pass(OPEN, &known));
        assert!(!one.may_pass("ptrace", &known), "nobody asks for it");
    }
}

#[test]
fn lists_are_not_judged_by_their_elements() {
    // A list passes `!=` if it is empty, but has no element that tells so.
    let detector = opens("A", EventRequirement::new("sched_process_exec").data("argv!=x"));
    let selector = engine(vec![detector]).selector(Purpose::Detect);
    let none = Known {
        bloom: Some(Vec::new()),
        ..Known::default()
    };
    assert!(selector.may_pass("sched_process_exec", &none));
}

#[test]
fn events_that_nobody_looked_at_were_seen() {
    let mut engine = engine(vec![opens("A", on_open())]);
    let pruned = vec![Survivors::pruned(OPEN, 7), Survivors::pruned("ptrace", 5)];
    assert!(pruned.iter().all(Survivors::is_empty));
    assert_eq!(pruned[1].event_type(), "ptrace");
    assert_eq!(engine.run(pruned, &Stores::new(), Purpose::Detect), []);
    let counts = engine.stats().next().expect("there is one").counts;
    assert_eq!((counts.seen, counts.passed), (7, 0));
}

/// Stores that nobody may ask.
struct Untouchable;

impl StoreSource for Untouchable {
    fn stores(&self, _seq: u64) -> &Stores {
        panic!("nobody has anything to ask")
    }

    fn retention_ns(&self) -> Option<u64> {
        None
    }
}

#[test]
fn stores_are_asked_only_if_somebody_asks() {
    let mut quiet = opens("A", on_open());
    quiet.wanted = |event| event.get::<&str>("pathname").is_none();
    let mut engine = engine(vec![quiet]);
    assert_eq!(
        engine.process(&batches(&[open("/a"), open("/b")]), &Untouchable),
        []
    );
    let stats = engine.stats().next().expect("there is one");
    assert_eq!((stats.counts.passed, stats.counts.panics), (2, 0));
}

/// Holds of events of even number, and counts how often it is asked.
#[derive(Debug, Default)]
struct Even(AtomicU32);

impl Restriction for Even {
    fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(cx.processes().get_process(1).is_err());
        event.seq().is_multiple_of(2)
    }
}

#[test]
fn a_restriction_is_asked_once_about_each_event_that_somebody_wants() {
    let mut engine = engine(vec![
        opens("A", on_open().data("pathname=/etc/*")),
        opens("B", on_open().data("pathname=/*")),
    ]);
    let even = Arc::new(Even::default());
    engine.restrict(even.clone());
    let events = batches(&[
        open("/etc/a"),
        open("/etc/b"),
        open("x"),
        open("y"),
        open("/c"),
        open("/d"),
    ]);
    let mut stores = Stores::new();
    stores.apply(&events).expect("in order");
    let found = engine.process(&events, &stores);
    let found: Vec<_> = found
        .iter()
        .map(|detection| (detection.seq, &*detection.detector_id))
        .collect();
    assert_eq!(found, [(2, "A"), (2, "B"), (6, "B")]);
    assert_eq!(even.0.load(Ordering::Relaxed), 4);
    let counts: Vec<_> = engine
        .stats()
        .map(|stats| (stats.counts.seen, stats.counts.passed))
        .collect();
    assert_eq!(counts, [(6, 1), (6, 2)]);
}

/// A source of nothing but faults.
#[derive(Debug)]
struct Broken;

impl ColumnSource for Broken {
    fn column(&self, column: &str, _rows: &Rows) -> std::result::Result<Option<ArrayRef>, String> {
        Err(format!("column `{column}` is damaged"))
    }

    fn contexts(&self) -> std::result::Result<Contexts, String> {
        Err("no contexts".to_owned())
    }
}

/// Opens of which only `pathname` can be read.
fn damaged(events: &[TestEvent]) -> EventBatch {
    with_late_columns(events, Arc::new(Broken))
}

/// Opens of which only `pathname` is read at once.
fn with_late_columns(events: &[TestEvent], source: Arc<dyn ColumnSource>) -> EventBatch {
    let batch = batches(events).remove(0);
    let columns = ["seq", "_extra", "pathname"];
    let schema = batch.record_batch().schema();
    let kept: Vec<usize> = columns
        .iter()
        .map(|column| schema.index_of(column).expect("it has it"))
        .collect();
    let columns = batch.record_batch().project(&kept).expect("they are there");
    let rows = Rows::from(0..batch.len() as u32);
    EventBatch::try_new(OPEN, columns, Contexts::default())
        .expect("a part of what was right")
        .with_late_columns(source, rows)
}

/// The columns of a batch, and what was asked of them.
#[derive(Debug)]
struct Whole {
    batch: EventBatch,
    asked: Mutex<Vec<(String, usize)>>,
}

impl ColumnSource for Whole {
    fn column(&self, column: &str, rows: &Rows) -> std::result::Result<Option<ArrayRef>, String> {
        let asked = (column.to_owned(), rows.len());
        self.asked.lock().expect("nobody panicked").push(asked);
        let of = UInt32Array::from_iter_values(rows.runs().flatten());
        let column = self.batch.record_batch().column_by_name(column);
        column
            .map(|column| take(column, &of, None).map_err(|error| error.to_string()))
            .transpose()
    }

    fn contexts(&self) -> std::result::Result<Contexts, String> {
        Ok(self.batch.contexts().clone())
    }
}

#[test]
fn survivors_that_are_split_share_what_is_decoded() {
    let events: Vec<_> = (1..=40_u64)
        .map(|n| open(if n % 4 == 0 { "/etc/a" } else { "/b" }).set("inode", n))
        .collect();
    let source = Arc::new(Whole {
        batch: batches(&events).remove(0),
        asked: Mutex::default(),
    });
    let batch = with_late_columns(&events, Arc::clone(&source) as _);
    let selector = engine(vec![
        opens("A", on_open().data("pathname=/etc/*")),
        opens("B", on_open().data("pathname=/etc/a")),
    ])
    .selector(Purpose::Detect);
    let mut rest = selector.select(&batch);
    let mut parts = Vec::new();
    for end in [3, 9, 20, 37] {
        let later = rest.split_off(end);
        parts.push(std::mem::replace(&mut rest, later));
    }
    parts.push(rest);
    let found: Vec<Vec<u64>> = parts
        .iter()
        .map(|part| {
            let events = part.batch().events();
            events.filter_map(|event| event.get("inode")).collect()
        })
        .collect();
    let expected: [&[u64]; 5] = [&[], &[4, 8], &[12, 16], &[20, 24, 28, 32, 36], &[40]];
    assert_eq!(found, expected);
    assert_eq!(parts.iter().map(Survivors::seen).sum::<u64>(), 40);
    let asked = source.asked.lock().expect("nobody panicked").clone();
    assert!(asked.contains(&("inode".to_owned(), 10)), "{asked:?}");
    assert_eq!(asked.iter().filter(|(column, _)| column == "inode").count(), 1);
}

#[test]
fn what_is_read_does_not_depend_on_how_many_events_are_looked_at_together() {
    let events: Vec<_> = (1..=40_u64)
        .map(|n| open(if n % 4 == 0 { "/etc/a" } else { "/b" }).set("inode", n))
        .collect();
    let selector = engine(vec![
        opens("A", on_open().data("pathname=/etc/*").scope("pid!=1")),
        opens("B", on_open().data("pathname=/etc/a")),
    ])
    .selector(Purpose::Detect);
    let ways = [0, 1, 3, 39, 40, 1_000].map(|at_once| [(at_once, 0), (at_once, 2)]);
    for (at_once, first) in ways.into_iter().flatten() {
        let source = Arc::new(Whole {
            batch: batches(&events).remove(0),
            asked: Mutex::default(),
        });
        let batch = with_late_columns(&events, Arc::clone(&source) as _);
        let batch = batch.slice(first, 40 - first);
        let survivors = selector.try_select(&batch, at_once).expect("nothing is broken");
        assert_eq!((survivors.seen(), survivors.len()), (40 - first as u64, 10));
        // What was decoded to select is not decoded again.
        assert!(survivors.batch().common_column("ctx").is_some());
        let inodes: Vec<u64> = survivors
            .batch()
            .events()
            .filter_map(|event| event.get("inode"))
            .collect();
        assert_eq!(inodes, [4, 8, 12, 16, 20, 24, 28, 32, 36, 40]);
        let asked = source.asked.lock().expect("nobody panicked").clone();
        assert_eq!(
            asked,
            [("ctx".to_owned(), 40), ("inode".to_owned(), 10)],
            "{at_once}"
        );
    }
    let selector = engine(vec![
        opens("A", on_open().data("inode=4").data("flags=1")),
        opens("B", on_open().data("pathname=/b").data("dev=5")),
    ])
    .selector(Purpose::Detect);
    for at_once in [1, 3, 40] {
        let faults = selector
            .try_select(&damaged(&events), at_once)
            .expect_err("all is broken");
        let columns = ["dev", "flags", "inode"].map(|column| format!("column `{column}` is damaged"));
        assert_eq!(Vec::from_iter(faults), columns, "{at_once}");
    }
}

#[test]
fn what_comes_of_an_event_that_cannot_be_read_is_no_detection() {
    let mut careful = opens("A", on_open().data("pathname=/etc/*"));
    careful.wanted = |event| event.get::<i64>("flags").is_none();
    let mut modest = opens("B", on_open().data("pathname=/etc/*"));
    modest.wanted = |event| event.get::<&str>("pathname").is_none();
    let mut engine = engine(vec![careful, modest]);
    let batch = damaged(&[open("/etc/a"), open("/b")]);
    assert_eq!(engine.process(&[batch], &Untouchable), []);
    let stats: Vec<_> = engine.stats().cloned().collect();
    assert_eq!((stats[0].counts.passed, stats[0].counts.unreadable), (1, 1));
    assert_eq!(stats[0].failures[0].kind, FailureKind::Unreadable);
    assert_eq!(
        stats[0].failures[0].to_string(),
        "detector A could not read all of event 1 (security_file_open): column `flags` is damaged"
    );
    // Who looks at nothing that is damaged does not mind.
    assert_eq!((stats[1].counts.passed, stats[1].counts.unreadable), (1, 0));
}

/// Holds of events that a process caused.
#[derive(Debug)]
struct SomeProcess;

impl Restriction for SomeProcess {
    fn holds(&self, event: &Event<'_>, _cx: &Context<'_>) -> bool {
        event.process().host_pid().is_some()
    }
}

#[test]
fn who_may_see_an_event_is_not_guessed() {
    let mut engine = engine(vec![opens("A", on_open())]);
    engine.restrict(Arc::new(SomeProcess));
    assert_eq!(engine.process(&[damaged(&[open("/etc/a")])], &Untouchable), []);
    let stats = engine.stats().next().expect("there is one");
    assert_eq!((stats.counts.unreadable, stats.counts.outputs), (1, 0));
    assert!(stats.failures[0].message.contains("ctx"), "{}", stats.failures[0]);
}
