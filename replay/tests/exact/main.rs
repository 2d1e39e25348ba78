//! Replay against a plain interpreter, which takes one event at a time and one detector after the other.
//!
//! Random recordings - generated and real events and odd ones, with unknown fields, equal times, jumps in the numbers - are
//! written down by chance: in segments and row groups of any size, unfinished, with losses. Random sets of detectors must
//! find in them what the interpreter finds in the events themselves: live, and in replay on any number of threads, with any
//! windows and batches, over any range.
//!
//! `PROPTEST_CASES` sets how many recordings are drawn.

mod damaged;
#[path = "../../../detectors/engine/tests/filters_naive/events.rs"]
mod drawn;
#[path = "../../../detectors/engine/tests/filters_naive/naive.rs"]
mod filters;
mod interpreter;
mod probe;
mod recordings;
mod written;

use std::sync::{Arc, Once};

use capture::CaptureReader;
use detectors_api::detector::{Context, Detector};
use detectors_api::event::Event;
use detectors_api::json::{Flavour, write_line};
use detectors_engine::{Detection, Engine, Restriction};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use replay::Gap;

use damaged::{Place, places};
use interpreter::{Found, Wanted, interpret};
use probe::{PANIC, Plan, plans, probes};
use recordings::{Drawn, recordings};
use written::{Way, engine, plain, record, replay, running};

/// Those of probes are on purpose.
fn only_show_other_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some(PANIC) {
                show(panic);
            }
        }));
    });
}

/// Which detectors look at a recording.
#[derive(Clone, Debug)]
struct Set {
    builtin: Vec<String>,
    probes: Vec<Plan>,
}

impl Set {
    fn detectors(&self) -> Vec<Box<dyn Detector>> {
        let builtin = detectors_builtin::detectors().into_iter();
        let mut all: Vec<_> = builtin
            .filter(|detector| self.builtin.contains(&detector.definition().id))
            .collect();
        all.extend(probes(&self.probes));
        all
    }
}

fn sets() -> impl Strategy<Value = Set> {
    let ids: Vec<_> = detectors_builtin::detectors()
        .iter()
        .map(|detector| detector.definition().id)
        .collect();
    let count = ids.len();
    (subsequence(ids, 0..=count), plans()).prop_map(|(builtin, probes)| Set { builtin, probes })
}

/// A part of the recording, from one event to another; all of it, now and then.
fn ranges() -> impl Strategy<Value = Option<(Index, Index)>> {
    prop_oneof![
        1 => Just(None),
        2 => (any::<Index>(), any::<Index>()).prop_map(Some),
    ]
}

fn ways() -> impl Strategy<Value = (Way, Option<(Index, Index)>)> {
    let threads = select(vec![1_usize, 2, 3, 8]);
    let window = select(vec![1_u64, 7, 100, Way::default().window]);
    let batch_size = select(vec![1_usize, 7, 64, Way::default().batch_size]);
    (threads, window, batch_size, ranges()).prop_map(|(threads, window, batch_size, range)| {
        let way = Way {
            threads,
            window,
            batch_size,
            ..Way::default()
        };
        (way, range)
    })
}

/// The way, with the range cut from the numbers that the recording has.
fn cut((mut way, range): (Way, Option<(Index, Index)>), drawn: &Drawn) -> Way {
    if let Some((from, to)) = range
        && !drawn.events.is_empty()
    {
        let seq = |index: Index| drawn.events[index.index(drawn.events.len())].0;
        let (from, to) = (seq(from), seq(to));
        way.range = from.min(to)..=from.max(to);
    }
    way
}

/// Keeps some events from detectors: by their number, by what they tell, and by what the stores tell.
#[derive(Clone, Copy, Debug)]
enum Only {
    Odd,
    InContainers,
    KnownProcesses,
}

impl Restriction for Only {
    fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> bool {
        match self {
            Self::Odd => event.seq() % 2 == 1,
            Self::InContainers => !event.container().id().is_empty(),
            Self::KnownProcesses => {
                let process = event.process().entity_id();
                process.is_some_and(|id| cx.processes().get_process(id).is_ok())
            }
        }
    }
}

fn restricted(mut engine: Engine, only: Option<Only>) -> Engine {
    if let Some(only) = only {
        engine.restrict(Arc::new(only));
    }
    engine
}

/// The detections as the command prints them.
fn printed(detections: &[Detection]) -> String {
    let mut bytes = Vec::new();
    for detection in detections {
        write_line(&(*detection.event).clone().into(), Flavour::V1beta1, &mut bytes);
    }
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Compares what was found with what should have been, so that a difference is easy to see.
fn compare(found: &Found, expected: &Found) -> Result<(), TestCaseError> {
    let order = |found: &Found| -> Vec<_> {
        let orders = found.detections.iter().map(Detection::order);
        orders
            .map(|(seq, level, id, index)| (seq, level, id.to_owned(), index))
            .collect()
    };
    prop_assert_eq!(order(found), order(expected));
    for (found, expected) in found.detections.iter().zip(&expected.detections) {
        prop_assert_eq!(found, expected);
    }
    prop_assert_eq!(printed(&found.detections), printed(&expected.detections));
    prop_assert_eq!(&found.counts, &expected.counts);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::with_cases(cases(32)) })]
    #[test]
    fn replay_finds_what_a_plain_interpreter_finds(
        drawn in recordings(),
        set in sets(),
        ways in prop::collection::vec(ways(), 1..4),
        only in prop_oneof![3 => Just(None), 2 => select(vec![Only::Odd, Only::InContainers, Only::KnownProcesses]).prop_map(Some)],
    ) {
        only_show_other_panics();
        let live = restricted(engine(set.detectors()), only);
        let run = running(&live);
        let expected = |range| {
            let wanted = Wanted { range, restriction: only.as_ref().map(|only| only as &dyn Restriction) };
            interpret(&plain(&drawn), set.detectors(), &run, &wanted)
        };
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("drawn.tcap");
        let live = record(&path, &drawn, live);
        compare(&live, &expected(0..=u64::MAX))?;
        let reader = CaptureReader::open(&path).expect("own capture");
        prop_assert_eq!(reader.state() == capture::State::Truncated, drawn.shape.died);
        for way in ways {
            let way = cut(way, &drawn);
            let (found, gaps) = replay(&reader, restricted(engine(set.detectors()), only), &way);
            compare(&found, &expected(way.range.clone()))?;
            prop_assert_eq!(gaps, []);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, ..ProptestConfig::with_cases(cases(32)) })]
    #[test]
    fn what_can_be_read_is_replayed_and_the_rest_is_told(
        drawn in finished(),
        set in sets(),
        place in any::<Index>(),
        whole in any::<bool>(),
        ways in prop::collection::vec(ways(), 1..4),
    ) {
        only_show_other_panics();
        let (_directory, reader) = recorded(&drawn);
        let mut places = places(&reader, &drawn);
        if whole {
            places.retain(Place::is_needed_by_all);
        }
        let place = &places[place.index(places.len())];
        place.damage();

        let (found, gaps) = in_all_ways(&reader, &set, &ways)?;
        for gap in &gaps {
            prop_assert!(place.event_type.is_none_or(|name| name == gap.event_type), "{gap}");
            let stretch = place.seqs.first().zip(place.seqs.last()).expect("it holds events");
            prop_assert!(*stretch.0 <= gap.first_seq && gap.last_seq <= *stretch.1, "{gap}");
            if place.event_type.is_some() {
                prop_assert_eq!((gap.first_seq, gap.last_seq), (*stretch.0, *stretch.1));
                prop_assert_eq!(gap.events, place.seqs.len() as u64);
            }
        }
        let unreadable: u64 = found.counts.values().map(|counts| counts.unreadable).sum();
        prop_assert!(unreadable == 0 || !gaps.is_empty(), "what is missing must be told");
        // What comes of an event half of which can be read depends on the half that its detector looks at.
        if gaps.is_empty() || place.is_needed_by_all() {
            let mut recording = plain(&drawn);
            recording.keyframes = reader.keyframes().expect("they are whole");
            if !gaps.is_empty() {
                recording.unread = place.seqs.clone();
            }
            let run = running(&engine(set.detectors()));
            let wanted = Wanted { range: 0..=u64::MAX, restriction: None };
            let expected = interpret(&recording, set.detectors(), &run, &wanted);
            let without_seen = |mut found: Found| {
                // Events that nobody can want need not be readable to be counted.
                found.counts.values_mut().for_each(|counts| counts.seen = 0);
                found
            };
            compare(&without_seen(found), &without_seen(expected))?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, ..ProptestConfig::with_cases(cases(32)) })]
    #[test]
    fn what_a_changed_bit_does_depends_on_nothing_else(
        drawn in finished(),
        set in sets(),
        place in any::<Index>(),
        byte in any::<usize>(),
        // With the highest bit changed, a text is mostly none any more.
        bit in prop_oneof![Just(u8::BITS - 1), 0..u8::BITS],
        ways in prop::collection::vec(ways(), 1..4),
    ) {
        only_show_other_panics();
        let (_directory, reader) = recorded(&drawn);
        let places = places(&reader, &drawn);
        places[place.index(places.len())].flip(byte, bit);

        in_all_ways(&reader, &set, &ways)?;
    }
}

/// Recordings with a file.
fn finished() -> impl Strategy<Value = Drawn> {
    recordings().prop_filter("there is a file", |drawn| {
        !drawn.events.is_empty() && !drawn.shape.died
    })
}

/// The capture of a recording. It lives as long as the directory.
fn recorded(drawn: &Drawn) -> (tempfile::TempDir, CaptureReader) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("damaged.tcap");
    record(&path, drawn, engine(Vec::new()));
    let reader = CaptureReader::open(&path).expect("own capture");
    (directory, reader)
}

/// What is found, and what cannot be read: the same in all these ways.
fn in_all_ways(
    reader: &CaptureReader,
    set: &Set,
    ways: &[(Way, Option<(Index, Index)>)],
) -> Result<(Found, Vec<Gap>), TestCaseError> {
    let (found, gaps) = replay(reader, engine(set.detectors()), &Way::default());
    for (way, _) in ways {
        let (again, same_gaps) = replay(reader, engine(set.detectors()), way);
        compare(&again, &found)?;
        prop_assert_eq!(&same_gaps, &gaps);
    }
    Ok((found, gaps))
}

/// Cases to draw, unless the environment says otherwise.
fn cases(default: u32) -> u32 {
    let set = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    set.unwrap_or(default)
}
