//! Recordings by chance: what happened, and how it was written down.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use detectors_api::arbitrary::recorded_event;
use detectors_api::event::{RecordedEvent, timestamp_from_ns};
use detectors_api::json::{Line, read_line};
use detectors_api::proto::event_value::Value;
use detectors_api::proto::{self, EventValue};
use detectors_api::testkit::TestEvent;
use fixtures::generator::Generator;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::drawn::recording;
use crate::probe;

/// Events that belong together: generated ones, and what Tracee printed.
static POOLS: LazyLock<Vec<Vec<RecordedEvent>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/tracee");
    let mut pools: Vec<_> = (0..3)
        .map(|seed| Generator::new(seed).take(2_000).collect())
        .collect();
    for file in [
        "docs_events.ndjson",
        "trace.jsonl",
        "dns.jsonl",
        "exec.jsonl",
        "exec-noenv.jsonl",
    ] {
        let text = fs::read(folder.join("legacy").join(file)).expect("the recording is in the repository");
        pools.push(events(&text));
    }
    let packed =
        fs::read(folder.join("v1beta1/events.ndjson.zst")).expect("the recording is in the repository");
    pools.push(events(&zstd::decode_all(packed.as_slice()).expect("it is zstd")));
    pools.push(wanted());
    pools
});

/// An event for everything that a built-in detector asks for, many times over: by several processes, in and outside of containers.
fn wanted() -> Vec<RecordedEvent> {
    let detectors = detectors_builtin::detectors();
    let requirements: Vec<_> = detectors
        .iter()
        .flat_map(|detector| detector.definition().events)
        .collect();
    let turns = (0..10).flat_map(|turn| requirements.iter().map(move |requirement| (turn, requirement)));
    turns
        .map(|(turn, requirement)| {
            let event = TestEvent::new(&requirement.name).process(turn % 3 + 1, u64::from(turn % 3 + 1));
            let event = if turn % 2 == 0 {
                event.container("c0ffee1", true)
            } else {
                event
            };
            let mut recorded = event.to_recorded();
            for field in &mut recorded.event.data {
                let filters = requirement
                    .data
                    .iter()
                    .filter_map(|filter| filter.split_once('='));
                let mut values = filters
                    .filter(|(name, _)| *name == field.name)
                    .map(|(_, values)| values);
                let wanted = values
                    .next()
                    .map(|values| values.split(',').next().unwrap_or(values).replace('*', ""));
                match (&mut field.value, wanted) {
                    (Some(Value::Str(text)), Some(wanted)) => *text = wanted,
                    (Some(Value::Int32(number)), Some(wanted)) => *number = wanted.parse().expect("a number"),
                    (Some(Value::Int64(number)), Some(wanted)) => *number = wanted.parse().expect("a number"),
                    (Some(Value::UInt32(number)), Some(wanted)) => {
                        *number = wanted.parse().expect("a number");
                    }
                    // To be written to.
                    (Some(Value::Int32(flags)), None) if field.name == "flags" => *flags = 1,
                    _ => {}
                }
            }
            recorded
        })
        .collect()
}

fn events(lines: &[u8]) -> Vec<RecordedEvent> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    let event = |line| match read_line(line) {
        Ok(Line::Event(event)) => *event,
        other => panic!("{other:?}"),
    };
    lines.take(2_000).map(event).collect()
}

/// A recording: its events, and how it was written down.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    /// With sequence numbers, in order.
    pub(crate) events: Vec<(u64, RecordedEvent)>,
    pub(crate) shape: Shape,
}

/// How a recording was written down.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// After so many events there was a flush.
    pub(crate) flush: usize,
    pub(crate) segment_rows: u64,
    pub(crate) row_group_rows: usize,
    /// The recorder died: the last segment is in the journal.
    pub(crate) died: bool,
    /// ns of event time.
    pub(crate) retention_ns: Option<u64>,
    /// Before these events, others were lost.
    pub(crate) losses: Vec<Index>,
    /// Before these events, a store was told something.
    pub(crate) told: Vec<Index>,
}

/// Something odd that happens to one event.
#[derive(Clone, Debug)]
enum Twist {
    /// It is as old as the one before.
    SameTime,
    NoTime,
    /// So many ns later, as are all after it.
    Later(i64),
    NoWorkload,
    /// It happened in this container, which is not started yet.
    Container(u8),
    /// It was done by this process, whose path nobody told.
    Process(u32),
    Unknown,
    Missing,
    Doubled,
    OtherType,
    Stack,
    /// Its name is that of what a probe finds.
    Named(usize),
    /// The numbers jump before it.
    Gap(u64),
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        Just(Twist::SameTime),
        Just(Twist::NoTime),
        (-30..60_i64).prop_map(|seconds| Twist::Later(seconds * 1_000_000_000)),
        Just(Twist::NoWorkload),
        (0..3_u8).prop_map(Twist::Container),
        (1..5_u32).prop_map(Twist::Process),
        Just(Twist::Unknown),
        Just(Twist::Missing),
        Just(Twist::Doubled),
        Just(Twist::OtherType),
        Just(Twist::Stack),
        (0..3_usize).prop_map(Twist::Named),
        prop_oneof![1..20_u64, Just(1 << 20), Just(1 << 60)].prop_map(Twist::Gap),
    ]
}

impl Twist {
    fn apply(&self, at: usize, events: &mut [(u64, RecordedEvent)]) {
        let before = at
            .checked_sub(1)
            .and_then(|before| events[before].1.event.timestamp);
        let event = &mut events[at].1.event;
        match self {
            Self::SameTime => event.timestamp = before.or(event.timestamp),
            Self::NoTime => event.timestamp = None,
            Self::Later(ns) => {
                for (_, event) in &mut events[at..] {
                    let time = event
                        .event
                        .timestamp
                        .as_ref()
                        .and_then(detectors_api::event::timestamp_ns);
                    event.event.timestamp = time
                        .map(|time| timestamp_from_ns(time.saturating_add(*ns)))
                        .or(event.event.timestamp);
                }
            }
            Self::NoWorkload => event.workload = None,
            Self::Container(number) => {
                event.workload.get_or_insert_default().container = Some(proto::Container {
                    id: format!("c0ffee{number}"),
                    name: "/tmp/a".to_owned(),
                    ..proto::Container::default()
                });
            }
            Self::Process(id) => {
                let process = event
                    .workload
                    .get_or_insert_default()
                    .process
                    .get_or_insert_default();
                process.unique_id = Some(*id);
                process.executable = None;
            }
            Self::Unknown => event.data.push(EventValue {
                name: "nobody_knows".to_owned(),
                value: Some(Value::Int64(7)),
            }),
            Self::Missing => _ = event.data.pop(),
            Self::Doubled => event.data.extend(event.data.first().cloned()),
            Self::OtherType => {
                if let Some(field) = event.data.first_mut() {
                    field.value = Some(Value::from("/etc/shadow"));
                }
            }
            Self::Stack => {
                let process = event
                    .workload
                    .get_or_insert_default()
                    .process
                    .get_or_insert_default();
                let addresses = vec![proto::StackAddress {
                    address: 0x7f00_1234,
                    symbol: "main".to_owned(),
                }];
                process.thread.get_or_insert_default().user_stack_trace =
                    Some(proto::UserStackTrace { addresses });
            }
            Self::Named(number) => event.name = probe::event(*number),
            Self::Gap(by) => {
                // The highest number that a capture takes is the one before the last.
                let room = u64::MAX - 1 - events.last().map_or(0, |(seq, _)| *seq);
                for (seq, _) in &mut events[at..] {
                    *seq += by.min(&room);
                }
            }
        }
    }
}

/// A stretch of events that belong together.
fn piece() -> impl Strategy<Value = Vec<RecordedEvent>> {
    prop_oneof![
        4 => (any::<Index>(), any::<Index>(), 0..100_usize).prop_map(|(pool, from, length)| {
            let pool = &POOLS[pool.index(POOLS.len())];
            let from = from.index(pool.len());
            pool[from..pool.len().min(from + length)].to_vec()
        }),
        3 => recording().prop_map(|(_, events)| events),
        1 => prop::collection::vec(recorded_event(), 0..4),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let retention = prop_oneof![
        2 => Just(None),
        1 => (1..20_u64).prop_map(|seconds| Some(seconds * 1_000_000_000)),
        1 => (1..20_u64).prop_map(|tens| Some(tens * 10_000)),
    ];
    let few = |range: Range<usize>| prop::collection::vec(any::<Index>(), range);
    (
        select(vec![1_usize, 3, 17, 1_000]),
        select(vec![5_u64, 30, 1_000]),
        select(vec![1_usize, 4, 30, 1_000]),
        any::<bool>(),
        retention,
        few(0..3),
        few(0..3),
    )
        .prop_map(
            |(flush, segment_rows, row_group_rows, died, retention_ns, losses, told)| Shape {
                // A file for every event takes long.
                segment_rows: if flush == 1 {
                    segment_rows.max(30)
                } else {
                    segment_rows
                },
                flush,
                row_group_rows,
                died,
                retention_ns,
                losses,
                told,
            },
        )
}

/// Recordings of up to some hundred events.
pub(crate) fn recordings() -> impl Strategy<Value = Drawn> {
    let pieces = prop_oneof![1 => Just(Vec::new()), 20 => prop::collection::vec(piece(), 1..7)];
    let twists = prop::collection::vec((any::<Index>(), twist()), 0..8);
    (pieces, 0..2_usize, twists, shape()).prop_map(|(pieces, mixed, twists, shape)| {
        let first = [0, 1][mixed];
        let events = if mixed == 0 {
            one_after_the_other(pieces)
        } else {
            in_turn(pieces)
        };
        let mut events: Vec<_> = (first..).zip(events).collect();
        for (at, twist) in twists {
            if !events.is_empty() {
                twist.apply(at.index(events.len()), &mut events);
            }
        }
        Drawn { events, shape }
    })
}

fn one_after_the_other(pieces: Vec<Vec<RecordedEvent>>) -> Vec<RecordedEvent> {
    pieces.into_iter().flatten().collect()
}

fn in_turn(pieces: Vec<Vec<RecordedEvent>>) -> Vec<RecordedEvent> {
    let mut events: Vec<_> = pieces
        .into_iter()
        .flat_map(|piece| piece.into_iter().enumerate())
        .collect();
    events.sort_by_key(|(turn, _)| *turn);
    events.into_iter().map(|(_, event)| event).collect()
}
