//! What the tests of several detectors share. All events here are written by hand.

use detectors_api::detector::Detector;
use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::testkit::detect;
use detectors_engine::{Detection, EngineBuilder};
use detectors_stores::symbol::Kallsyms;
use detectors_stores::{Input, Settings, Stores};

/// Whether `detector` has something to say about `event`, behind its filters.
pub(crate) fn fires(detector: impl Detector + 'static, event: TestEvent) -> bool {
    let detections = detect(detector, &[event]);
    assert!(detections.len() <= 1, "one event, one detection");
    !detections.is_empty()
}

/// A file is opened with these flags.
pub(crate) fn open(path: &str, flags: i32) -> TestEvent {
    TestEvent::new("security_file_open")
        .set("pathname", path)
        .set("flags", flags)
}

/// A file gets a new name.
pub(crate) fn rename(old: &str, new: &str) -> TestEvent {
    TestEvent::new("security_inode_rename")
        .set("old_path", old)
        .set("new_path", new)
}

/// `binary` is executed in place of what the process ran before.
pub(crate) fn exec(binary: &str) -> TestEvent {
    TestEvent::new("sched_process_exec")
        .set("cmdpath", binary)
        .set("pathname", binary)
        .exe(binary)
}

/// The detections of `detector` in `events`, recorded on an amd64 host with the symbols `kallsyms`.
pub(crate) fn detect_in_kernel(
    detector: impl Detector + 'static,
    kallsyms: &str,
    events: &[TestEvent],
) -> Vec<Detection> {
    let mut stores = Stores::with(Settings {
        architecture: "x86_64".to_owned(),
        ..Settings::default()
    });
    let symbols = Kallsyms::read(kallsyms.as_bytes()).expect("memory can be read");
    let input = Input {
        store: "symbol".to_owned(),
        seq: 0,
        rows: symbols.rows,
    };
    stores.add_input(input).expect("the symbol store takes symbols");
    let built = EngineBuilder::new()
        .detector(detector)
        .stores(stores.available())
        .build();
    assert_eq!((built.refusals, built.warnings), (Vec::new(), Vec::new()));
    let mut engine = built.engine;
    let batches = batches(events);
    stores.apply(&batches).expect("the events are numbered in order");
    engine.process(&batches, &stores)
}
