//! What stateful detectors remember, for whom, and for how long; and the lives of detectors.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use detectors_api::event::RecordedEvent;
use detectors_api::prelude::*;
use detectors_api::testkit::{TestEvent, batches, batches_of};
use detectors_engine::{Detection, Engine, EngineBuilder, LifecycleError, Timing};
use detectors_stores::{Settings, Stores};

const SECOND: i64 = 1_000_000_000;

/// Numbers the events of its reach; with a path of `/error` it fails, with `/panic` it panics, both after counting.
#[derive(Clone, Copy)]
struct Counting<const REACH: u8>;

impl<const REACH: u8> StatefulDetector for Counting<REACH> {
    type State = u32;
    const REACH: Reach = match REACH {
        0 => Reach::Global,
        1 => Reach::PerProcess,
        _ => Reach::PerContainer,
    };

    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("C-1", "counted")
            .field("number", FieldType::UInt32)
            .on(EventRequirement::new("security_file_open"))
    }

    fn on_event(&self, count: &mut u32, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        *count += 1;
        match event.get::<&str>("pathname") {
            Some("/error") => Err("out of luck".into()),
            Some("/panic") => std::panic::panic_any("very much out of luck"),
            Some("/slow") => {
                std::thread::sleep(Duration::from_millis(2));
                cx.warn("this takes long");
                Ok(Outputs::none())
            }
            _ => Ok(Output::new().with("number", *count).into()),
        }
    }
}

const GLOBAL: Counting<0> = Counting;
const PROCESS: Counting<1> = Counting;
const CONTAINER: Counting<2> = Counting;

fn open() -> TestEvent {
    TestEvent::new("security_file_open").set("pathname", "/x")
}

fn path(path: &str) -> TestEvent {
    open().set("pathname", path)
}

fn engine(detector: impl StatefulDetector + 'static) -> Engine {
    let built = EngineBuilder::new().detector(Stateful(detector)).build();
    assert_eq!(built.refusals, []);
    built.engine
}

fn numbers(detections: &[Detection]) -> Vec<u32> {
    let number =
        |detection: &Detection| Event::from_message(detection.seq, &detection.event).get::<u32>("number");
    detections.iter().filter_map(number).collect()
}

fn counted(detector: impl StatefulDetector + 'static, events: &[RecordedEvent]) -> Vec<u32> {
    numbers(&engine(detector).process(&batches_of(events), &Stores::new()))
}

#[test]
fn every_reach_has_its_own_states() {
    let process = |pid: u32| open().process(pid, u64::from(pid)).to_recorded();
    let none = || {
        let mut event = open().to_recorded();
        event.event.workload = None;
        event
    };
    let events = [process(7), process(8), process(7), none(), none(), process(8)];
    assert_eq!(counted(GLOBAL, &events), [1, 2, 3, 4, 5, 6]);
    assert_eq!(counted(PROCESS, &events), [1, 1, 2, 1, 2, 2]);

    let events = [
        open().container("a", true),
        open(),
        open().container("b", false),
        open().container("a", false),
        open(),
    ]
    .map(|event| event.to_recorded());
    assert_eq!(counted(CONTAINER, &events), [1, 1, 1, 2, 2]);
}

#[test]
fn an_error_keeps_what_was_written_and_a_panic_drops_it() {
    let events = [path("/x"), path("/error"), path("/x"), path("/panic"), path("/x")];
    let events = events.map(|event| event.to_recorded());
    assert_eq!(counted(GLOBAL, &events), [1, 3, 1]);
}

#[test]
fn what_was_not_used_for_the_retention_starts_anew() {
    let at = |pid: u32, seconds: i64| {
        open()
            .process(pid, u64::from(pid))
            .at_ns(1_000 * SECOND + seconds * SECOND)
    };
    let events = [
        at(1, 0),
        at(2, 0),
        at(1, 10),
        // Ten seconds are kept, eleven are not.
        at(2, 11),
        // Time does not go back: it is still second 11.
        at(1, 3),
        at(1, 21),
        at(2, 22),
        at(1, 31),
    ];
    let with = |retention_ns| {
        let mut engine = engine(PROCESS);
        let stores = Stores::with(Settings {
            retention_ns,
            ..Settings::default()
        });
        // One event at a time, so that states are swept in between.
        let whole = batches(&events);
        let one_by_one: Vec<_> = (0..whole[0].len())
            .flat_map(|row| numbers(&engine.process(&[whole[0].slice(row, 1)], &stores)))
            .collect();
        let mut engine = self::engine(PROCESS);
        assert_eq!(numbers(&engine.process(&whole, &stores)), one_by_one);
        one_by_one
    };
    assert_eq!(with(None), [1, 1, 2, 2, 3, 4, 3, 5]);
    assert_eq!(with(Some(10_000_000_000)), [1, 1, 2, 1, 3, 4, 1, 5]);
}

#[test]
fn what_a_detector_says_and_how_long_it_takes_is_kept() {
    let mut engine = engine(GLOBAL);
    engine.process(&batches(&[path("/x"), path("/slow"), path("/x")]), &Stores::new());
    let stats = engine.stats().next().expect("a detector");
    assert_eq!((stats.counts.warnings, stats.counts.filtered()), (1, 0));
    assert_eq!(
        stats.notes[0].to_string(),
        "detector C-1 on event 2 (security_file_open): this takes long"
    );
    let slowest = stats.timing.slowest.as_ref().expect("there were calls");
    assert_eq!((slowest.seq, slowest.event.as_str()), (2, "security_file_open"));
    assert!(slowest.time > Timing::SLOW && stats.timing.total >= slowest.time);
    assert!(stats.timing.slow >= 1);
}

#[test]
fn a_warm_up_is_remembered_and_finds_nothing() {
    let whole = batches(&[path("/x"), path("/error"), path("/x"), path("/x")]);
    let mut engine = engine(GLOBAL);
    assert!(engine.is_stateful());
    assert_eq!(engine.warm_up_events(), ["security_file_open"]);
    let stores = Stores::new();
    engine.warm_up(&[whole[0].slice(0, 3)], &stores);
    assert_eq!(numbers(&engine.process(&[whole[0].slice(3, 1)], &stores)), [4]);
    let stats = engine.stats().next().expect("a detector");
    assert_eq!(
        (stats.warm_up, stats.counts.passed, stats.counts.errors),
        (3, 1, 0)
    );
}

#[test]
fn a_detector_can_be_ended_and_started_again() {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    static ENDED: AtomicU32 = AtomicU32::new(0);
    struct Living;
    impl StatefulDetector for Living {
        type State = u32;
        const REACH: Reach = Reach::Global;
        fn definition(&self) -> DetectorDefinition {
            GLOBAL.definition()
        }
        fn init(&mut self, params: &DetectorParams) -> Result<()> {
            assert_eq!(params.config.get_int("limit", 0), 7, "the settings are kept");
            match STARTED.fetch_add(1, Ordering::Relaxed) {
                1 => Err("not now".into()),
                _ => Ok(()),
            }
        }
        fn on_event(&self, count: &mut u32, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
            GLOBAL.on_event(count, event, cx)
        }
        fn close(&mut self) -> Result<()> {
            match ENDED.fetch_add(1, Ordering::Relaxed) {
                0 => Err("not yet".into()),
                _ => Ok(()),
            }
        }
    }
    let settings = [("limit", 7)].into_iter().collect();
    let built = EngineBuilder::new()
        .detector(Stateful(Living))
        .config("C-1", settings)
        .build();
    assert_eq!(built.refusals, []);
    let mut engine = built.engine;
    let whole = batches(&[open(), open(), open(), open(), open()]);
    let mut next = {
        let mut row = 0;
        move |engine: &mut Engine| {
            row += 1;
            numbers(&engine.process(&[whole[0].slice(row - 1, 1)], &Stores::new()))
        }
    };
    assert_eq!(next(&mut engine), [1]);
    let error = engine.disable("C-1").expect_err("not yet");
    assert_eq!(error.to_string(), "detector C-1 failed to end: not yet");
    assert_eq!(next(&mut engine), [2], "it goes on");
    engine.disable("C-1").expect("now");
    engine.disable("C-1").expect("nothing happens");
    assert!(next(&mut engine).is_empty(), "it has ended");
    assert!(!engine.is_stateful());
    let error = engine.enable("C-1").expect_err("not now");
    assert_eq!(error.to_string(), "detector C-1 failed to start: not now");
    assert!(next(&mut engine).is_empty(), "it did not start");
    engine.enable("C-1").expect("now");
    engine.enable("C-1").expect("nothing happens");
    assert_eq!(next(&mut engine), [1], "it starts anew");
    assert_eq!(engine.close(), []);
    assert_eq!(ENDED.load(Ordering::Relaxed), 3);
    assert_eq!(engine.close(), [], "it has been closed");
    assert_eq!(ENDED.load(Ordering::Relaxed), 3);
    let unknown = LifecycleError::Unknown { id: "C-2".to_owned() };
    assert_eq!(engine.enable("C-2"), Err(unknown));
}
