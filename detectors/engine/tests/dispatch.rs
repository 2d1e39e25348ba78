//! What detectors get, and what becomes of what they return.

use std::sync::atomic::{AtomicU32, Ordering};

use detectors_api::detector::Detector;
use detectors_api::entity::entity_id;
use detectors_api::prelude::*;
use detectors_api::proto;
use detectors_api::proto::event_value::Value as Field;

use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::testkit::detect;
use detectors_engine::{Detection, EngineBuilder, FailureKind};
use detectors_stores::Stores;

const NS: u64 = 1_767_225_600_000_000_000;

/// Passes on every `security_file_open`, with what `make` makes of it.
struct Opens {
    definition: DetectorDefinition,
    make: fn(&Event<'_>, &Context<'_>) -> Result<Outputs>,
}

impl EventDetector for Opens {
    fn definition(&self) -> DetectorDefinition {
        self.definition.clone()
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        (self.make)(event, cx)
    }
}

fn opens(id: &str, event: &str) -> DetectorDefinition {
    DetectorDefinition::new(id, event)
        .field("file", FieldType::String)
        .on(EventRequirement::new("security_file_open"))
}

fn file(event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
    let file = event
        .get::<&str>("pathname")
        .or_else(|| event.get::<&str>("file"));
    Ok(file.map(|file| Output::new().with("file", file)).into())
}

fn open(path: &str) -> TestEvent {
    TestEvent::new("security_file_open").set("pathname", path)
}

fn run(detectors: Vec<Opens>, events: &[TestEvent]) -> Vec<Detection> {
    let boxed = detectors
        .into_iter()
        .map(|detector| Box::new(detector) as Box<dyn Detector>);
    let built = EngineBuilder::new().detectors(boxed).build();
    assert_eq!(built.refusals, []);
    let mut engine = built.engine;
    let batches = batches(events);
    let mut stores = Stores::new();
    stores.apply(&batches).expect("in order");
    engine.process(&batches, &stores)
}

fn order(detections: &[Detection]) -> Vec<(u64, u8, &str, u32)> {
    detections.iter().map(Detection::order).collect()
}

#[test]
fn a_detection_says_who_did_it_when_and_why_it_matters() {
    let definition = opens("T-1", "opened")
        .threat(Threat::medium("A file").technique("T1003", "OS Credential Dumping"))
        .auto_populate(AutoPopulate::ALL);
    let event = open("/etc/shadow")
        .exe("/bin/cat")
        .stack(&[0x1000, 0x2000])
        .container("c0ffee", true);
    let detections = detect(
        Opens {
            definition,
            make: file,
        },
        std::slice::from_ref(&event),
    );
    let (found, trigger) = (&detections[0].event, event.to_recorded().event);
    assert_eq!(
        (found.name.as_str(), found.timestamp),
        ("opened", trigger.timestamp)
    );
    assert_eq!(found.workload, trigger.workload, "no ancestors are known");
    let threat = found.threat.as_ref().expect("asked for");
    assert_eq!(
        (threat.name.as_str(), threat.severity),
        ("A file", proto::Severity::Medium as i32)
    );
    let from = found.detected_from.as_ref().expect("asked for");
    assert_eq!((from.id, from.name.as_str()), (1032, "security_file_open"));
    let (stack, data) = from.data.split_last().expect("there is data");
    assert_eq!(data, trigger.data);
    assert_eq!(stack.value, Some(Field::from(vec![0x1000_u64, 0x2000])));
}

#[test]
fn nothing_is_added_unasked() {
    let definition = opens("T-1", "opened").threat(Threat::medium("A file"));
    let detections = detect(
        Opens {
            definition,
            make: file,
        },
        &[open("/x")],
    );
    assert_eq!(detections[0].event.threat, None);
    assert_eq!(detections[0].event.detected_from, None);
}

#[test]
fn an_output_can_say_otherwise() {
    let definition = opens("T-1", "opened")
        .threat(Threat::medium("A file"))
        .auto_populate(AutoPopulate::DETECTED_FROM);
    let make = |_: &Event<'_>, _: &Context<'_>| {
        Ok(vec![
            Output::new(),
            Output::new().auto_populate(AutoPopulate::THREAT),
            Output::new().threat(Threat::critical("Worse")),
        ]
        .into())
    };
    let detections = detect(Opens { definition, make }, &[open("/x")]);
    let got: Vec<_> = detections
        .iter()
        .map(|detection| {
            let threat = detection.event.threat.as_ref();
            (
                threat.map(|threat| threat.name.as_str()),
                detection.event.detected_from.is_some(),
            )
        })
        .collect();
    assert_eq!(
        got,
        [(None, true), (Some("A file"), false), (Some("Worse"), true)]
    );
    assert_eq!(
        order(&detections),
        [(1, 1, "T-1", 0), (1, 1, "T-1", 1), (1, 1, "T-1", 2)]
    );
}

/// A chain of seven processes, each the parent of the next, the last of which opens a file.
fn family() -> Vec<TestEvent> {
    let mut events: Vec<_> = (1..7_u32)
        .map(|generation| {
            let (parent, child) = (100 + generation, 101 + generation);
            TestEvent::new("sched_process_fork")
                .process(parent, NS)
                .comm(&format!("gen{generation}"))
                .exe(&format!("/bin/gen{generation}"))
                .set("parent_process_tid", parent)
                .set("parent_process_pid", parent)
                .set("parent_process_ns_pid", parent)
                .set("parent_process_start_time", NS)
                .set("child_tid", child)
                .set("child_pid", child)
                .set("child_ns_pid", child)
                .set("start_time", NS)
        })
        .collect();
    events.push(open("/x").process(107, NS).parent(106, NS));
    events
}

fn ancestors(
    make: fn(&Event<'_>, &Context<'_>) -> Result<Outputs>,
    flags: AutoPopulate,
) -> Vec<proto::Process> {
    let definition = opens("T-1", "opened").auto_populate(flags);
    let detections = detect(Opens { definition, make }, &family());
    let workload = detections[0].event.workload.clone().expect("there is a process");
    workload.process.expect("there is a process").ancestors
}

#[test]
fn depth_five_means_five_ancestors_in_place_of_the_parent_that_events_carry() {
    let found = ancestors(file, AutoPopulate::ALL);
    let pids: Vec<_> = found.iter().map(|ancestor| ancestor.host_pid).collect();
    assert_eq!(pids, [106, 105, 104, 103, 102].map(Some));
    let parent = &found[0];
    assert_eq!(parent.unique_id, Some(entity_id(106, NS)));
    assert_eq!(parent.pid, Some(106));
    assert_eq!(parent.thread.as_ref().expect("known").name, "gen6");
    assert_eq!(parent.executable.as_ref().expect("known").path, "/bin/gen6");
}

#[test]
fn an_output_chooses_its_own_depth() {
    let two = |_: &Event<'_>, _: &Context<'_>| Ok(Output::new().ancestry_depth(2).into());
    let pids =
        |found: Vec<proto::Process>| found.iter().map(|ancestor| ancestor.host_pid).collect::<Vec<_>>();
    assert_eq!(pids(ancestors(two, AutoPopulate::NONE)), [Some(106), Some(105)]);
    let none = |_: &Event<'_>, _: &Context<'_>| Ok(Output::new().ancestry_depth(0).into());
    let found = ancestors(none, AutoPopulate::ALL);
    assert_eq!(found.len(), 1, "the parent that the event carries stays");
    assert_eq!(found[0].thread, None);
}

#[test]
fn a_process_that_was_never_seen_gets_the_ancestors_of_its_parent() {
    let mut events = family();
    events.pop();
    events.push(open("/x").process(900, NS).parent(107, NS));
    let definition = opens("T-1", "opened").auto_populate(AutoPopulate::ANCESTRY);
    let detections = detect(
        Opens {
            definition,
            make: file,
        },
        &events,
    );
    let process = detections[0]
        .event
        .workload
        .as_ref()
        .and_then(|workload| workload.process.as_ref());
    let pids: Vec<_> = process
        .expect("there is a process")
        .ancestors
        .iter()
        .map(|ancestor| ancestor.host_pid)
        .collect();
    assert_eq!(pids, [107, 106, 105, 104, 103].map(Some));
}

#[test]
fn stores_are_seen_as_of_the_event() {
    let exec = |path: &str| {
        TestEvent::new("sched_process_exec")
            .set("cmdpath", path)
            .set("pathname", path)
    };
    let make = |event: &Event<'_>, cx: &Context<'_>| {
        let id = event.process().entity_id().ok_or("no process")?;
        match cx.processes().get_process(id) {
            Ok(process) => Ok(Output::new().with("file", process.exe).into()),
            Err(error) if error.is_not_found() => Ok(Outputs::none()),
            Err(error) => Err(error.into()),
        }
    };
    let definition = opens("T-1", "opened");
    let events = [
        open("/x"),
        exec("/bin/one"),
        open("/x"),
        exec("/bin/two"),
        open("/x"),
    ];
    let detections = detect(Opens { definition, make }, &events);
    let seen: Vec<_> = detections
        .iter()
        .map(|detection| (detection.seq, detection.event.data[0].value.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (3, Some(Field::from("/bin/one"))),
            (5, Some(Field::from("/bin/two")))
        ]
    );
    let process = detections[1]
        .event
        .workload
        .as_ref()
        .and_then(|workload| workload.process.as_ref());
    let executable = process.and_then(|process| process.executable.as_ref());
    assert_eq!(executable.expect("filled in from the store").path, "/bin/two");
}

#[test]
fn chains_run_level_by_level_and_keep_where_they_come_from() {
    let chain = |id: &str, event: &str, input: &str| {
        DetectorDefinition::new(id, event)
            .field("file", FieldType::String)
            .on(EventRequirement::new(input).data("file=/etc/*"))
            .auto_populate(AutoPopulate::DETECTED_FROM)
    };
    let detectors = vec![
        // The consumer's id comes first.
        Opens {
            definition: chain("A-2", "second", "first"),
            make: file,
        },
        Opens {
            definition: opens("B-1", "first").auto_populate(AutoPopulate::DETECTED_FROM),
            make: file,
        },
        Opens {
            definition: chain("C-3", "third", "second").on(EventRequirement::new("first")),
            make: file,
        },
    ];
    let detections = run(detectors, &[open("/etc/passwd"), open("/tmp/x")]);
    assert_eq!(
        order(&detections),
        [
            (1, 1, "B-1", 0),
            (1, 2, "A-2", 0),
            (1, 2, "C-3", 0),
            (1, 3, "C-3", 0),
            (2, 1, "B-1", 0),
            (2, 2, "C-3", 0),
        ]
    );
    let mut from = detections[3].event.detected_from.as_ref();
    let mut names = Vec::new();
    while let Some(origin) = from {
        names.push(origin.name.as_str());
        from = origin.parent.as_deref();
    }
    assert_eq!(names, ["second", "first", "security_file_open"]);
}

#[test]
fn an_event_that_several_requirements_let_pass_is_delivered_once() {
    let definition = DetectorDefinition::new("T-1", "opened")
        .field("file", FieldType::String)
        .on(EventRequirement::new("security_file_open").data("pathname=/etc/*"))
        .on(EventRequirement::new("security_file_open").data("pathname=*/shadow"));
    let events = [
        open("/etc/shadow"),
        open("/etc/passwd"),
        open("/tmp/shadow"),
        open("/tmp/x"),
    ];
    let detections = detect(
        Opens {
            definition,
            make: file,
        },
        &events,
    );
    let seqs: Vec<_> = detections.iter().map(|detection| detection.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[test]
fn a_detector_that_fails_is_counted_and_stops_nobody() {
    let make = |event: &Event<'_>, _: &Context<'_>| match event.get::<&str>("pathname") {
        Some("/panic") => panic!("cannot read {}", "/panic"),
        Some("/error") => Err("out of luck".into()),
        _ => Ok(Output::new().into()),
    };
    let detectors = [
        Opens {
            definition: opens("T-1", "fragile"),
            make,
        },
        Opens {
            definition: opens("T-2", "sturdy"),
            make: file,
        },
    ];
    let boxed = detectors.map(|detector| Box::new(detector) as Box<dyn Detector>);
    let mut engine = EngineBuilder::new().detectors(boxed).build().engine;
    let batches = batches(&[open("/panic"), open("/error"), open("/fine")]);
    let detections = engine.process(&batches, &Stores::new());
    assert_eq!(
        order(&detections),
        [
            (1, 1, "T-2", 0),
            (2, 1, "T-2", 0),
            (3, 1, "T-1", 0),
            (3, 1, "T-2", 0)
        ]
    );
    let stats = engine.stats().next().expect("two detectors");
    let counts = stats.counts;
    assert_eq!((counts.seen, counts.passed, counts.outputs), (3, 3, 1));
    assert_eq!((counts.errors, counts.panics), (1, 1));
    let failures: Vec<_> = stats.failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        failures,
        [
            "detector T-1 panicked on event 1 (security_file_open): cannot read /panic",
            "detector T-1 failed on event 2 (security_file_open): out of luck",
        ]
    );
    assert_eq!(stats.failures[0].kind, FailureKind::Panic);
}

#[test]
fn close_reaches_every_detector() {
    static CLOSED: AtomicU32 = AtomicU32::new(0);
    struct Closing(&'static str);
    impl EventDetector for Closing {
        fn definition(&self) -> DetectorDefinition {
            opens(self.0, self.0)
        }
        fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
            Ok(Outputs::none())
        }
        fn close(&mut self) -> Result<()> {
            CLOSED.fetch_add(1, Ordering::Relaxed);
            Err("the disk is full".into())
        }
    }
    let mut engine = EngineBuilder::new()
        .detector(Closing("a"))
        .detector(Closing("b"))
        .build()
        .engine;
    let warnings: Vec<_> = engine.close().iter().map(ToString::to_string).collect();
    assert_eq!(CLOSED.load(Ordering::Relaxed), 2);
    assert_eq!(
        warnings[0],
        "detector a: close: it failed to end: the disk is full"
    );
}
