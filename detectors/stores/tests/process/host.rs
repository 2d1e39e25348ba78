//! A small host: what happens on it, and who is on it.

use detectors_api::entity::entity_id;
use detectors_api::event::BatchBuilder;
use detectors_api::stores::ProcessInfo;
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Settings, Stores};

pub(crate) const B: u64 = 1_700_000_000_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn at(seconds: u64) -> i64 {
    (B + seconds * SECOND).cast_signed()
}

/// `parent` (host pid, start) creates `child`.
pub(crate) fn fork(time: i64, parent: (u32, u64), child: (u32, u64)) -> TestEvent {
    TestEvent::new("sched_process_fork")
        .at_ns(time)
        .process(parent.0, parent.1)
        .comm("")
        .set("parent_process_tid", parent.0)
        .set("parent_process_pid", parent.0)
        .set("parent_process_ns_pid", parent.0 / 10)
        .set("parent_process_start_time", parent.1)
        .set("child_tid", child.0)
        .set("child_pid", child.0)
        .set("child_ns_pid", child.0 / 10)
        .set("start_time", child.1)
}

pub(crate) fn exec(time: i64, process: (u32, u64), path: &str) -> TestEvent {
    TestEvent::new("sched_process_exec")
        .at_ns(time)
        .process(process.0, process.1)
        .comm("")
        .set("cmdpath", path)
        .set("pathname", path)
}

pub(crate) fn exit(time: i64, process: (u32, u64)) -> TestEvent {
    TestEvent::new("sched_process_exit")
        .at_ns(time)
        .process(process.0, process.1)
        .comm("")
}

pub(crate) fn id(process: (u32, u64)) -> u32 {
    entity_id(process.0, process.1)
}

pub(crate) fn told(events: &[TestEvent]) -> Stores {
    let mut stores = Stores::new();
    stores.apply(&batches(events)).expect("events are in order");
    stores
}

pub(crate) const P: (u32, u64) = (100, B);
pub(crate) const C: (u32, u64) = (200, B + SECOND);
/// A thread of C.
pub(crate) const T: (u32, u64) = (201, B + SECOND + SECOND / 2);
pub(crate) const INIT: (u32, u64) = (1, B - SECOND);

/// What was running before the first event.
pub(crate) fn snapshot_input(tasks: &[TaskSnapshot]) -> Input {
    Input {
        store: "process".to_owned(),
        seq: 0,
        rows: TaskSnapshot::to_batch(tasks),
    }
}

/// `process`, whose parent is `parent` by now, starts a thread.
pub(crate) fn clone(time: i64, process: (u32, u64), parent: (u32, u64), thread: (u32, u64)) -> TestEvent {
    fork(time, process, thread)
        .set("parent_process_tid", parent.0)
        .set("parent_process_pid", parent.0)
        .set("parent_process_start_time", parent.1)
        .set("child_pid", process.0)
        .set("child_ns_pid", process.0 / 10)
        .set("child_ns_tid", process.0 / 10 + 1)
        .set("leader_pid", process.0)
        .set("leader_start_time", process.1)
}

/// A thread of `process` exits.
pub(crate) fn thread_exit(time: i64, process: (u32, u64), thread: (u32, u64)) -> TestEvent {
    exit(time, process).thread(thread.0, thread.1)
}

/// Stores that were told `events`, and that forget what ended `retention_ns` ago.
pub(crate) fn told_with_retention(retention_ns: u64, events: &[TestEvent]) -> Stores {
    let mut stores = Stores::with(Settings {
        retention_ns: Some(retention_ns),
        ..Settings::default()
    });
    stores.apply(&batches(events)).expect("events are in order");
    stores
}

/// Tells what happens from event `first` on.
pub(crate) fn tell(stores: &mut Stores, first: u64, events: &[TestEvent]) {
    let mut builder = BatchBuilder::default();
    for (seq, event) in (first..).zip(events) {
        builder.push(seq, &event.to_recorded());
    }
    stores
        .apply(&builder.finish().batches)
        .expect("events are in order");
}

/// Stores that begin with the keyframe of others.
pub(crate) fn restored(stores: &mut Stores, retention_ns: Option<u64>) -> Stores {
    let frames = stores.keyframes().into_iter();
    let frames: Vec<_> = frames.map(|(name, rows)| (name.to_owned(), rows)).collect();
    let mut restored = Stores::with(Settings {
        retention_ns,
        ..Settings::default()
    });
    restored
        .restore(stores.settled(), &frames, Vec::new())
        .expect("a keyframe");
    restored
}

pub(crate) fn pids(infos: &[ProcessInfo<'_>]) -> Vec<u32> {
    infos.iter().map(|info| info.host_pid).collect()
}
