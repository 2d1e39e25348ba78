//! Stores read no more columns than they tell: those that are fed with nothing else end up the same.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use arrow::array::RecordBatch;
use detectors_api::event::{BatchBuilder, EventBatch, RecordedEvent};
use detectors_api::json::{Line, read_line};
use detectors_api::testkit::TestEvent;
use detectors_stores::{Settings, Stores};
use fixtures::generator::Generator;
use flate2::bufread::GzDecoder;

const SECOND: u64 = 1_000_000_000;

/// The batch with only the columns that stores read, and those that every batch has.
fn narrow(batch: &EventBatch) -> Option<EventBatch> {
    let read = Stores::columns(batch.event_type())?;
    let columns = batch.record_batch();
    let schema = columns.schema();
    let kept: Vec<_> = (0..columns.num_columns())
        .filter(|column| {
            let name = schema.field(*column).name().as_str();
            ["seq", "_extra"].contains(&name) || read.contains(&name)
        })
        .collect();
    let columns = columns.project(&kept).expect("columns exist");
    Some(EventBatch::try_new(batch.event_type(), columns, batch.contexts().clone()).expect("a batch"))
}

fn folded(batches: &[EventBatch]) -> (Stores, Vec<(&'static str, RecordBatch)>) {
    let mut stores = Stores::with(Settings {
        retention_ns: Some(SECOND),
        ..Settings::default()
    });
    stores.apply(batches).expect("in order");
    let frames = stores.keyframes();
    (stores, frames)
}

/// Folds all columns, and only those that are told; gives the number of keyframe rows.
fn compare(events: impl Iterator<Item = RecordedEvent>) -> u64 {
    let mut builder = BatchBuilder::default();
    for (seq, event) in (1..).zip(events) {
        builder.push(seq, &event);
    }
    let all = builder.finish().batches;
    let some: Vec<_> = all.iter().filter_map(narrow).collect();
    assert!(!some.is_empty());
    let ((mut whole, frames), (narrow, narrow_frames)) = (folded(&all), folded(&some));
    assert_eq!(frames, narrow_frames);
    let history = |stores: &Stores| {
        stores
            .processes()
            .history()
            .map(|version| format!("{version:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(history(&whole), history(&narrow));
    whole.keyframe_rows()
}

fn recording(name: &str) -> Vec<RecordedEvent> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/data/tracee/legacy")
        .join(name);
    let file = BufReader::new(std::fs::File::open(path).expect("a recording"));
    let lines: Vec<_> = if name.ends_with(".gz") {
        BufReader::new(GzDecoder::new(file)).split(b'\n').collect()
    } else {
        file.split(b'\n').collect()
    };
    let lines = lines.into_iter().map(|line| line.expect("a line"));
    let events = lines.filter_map(|line| match read_line(&line) {
        Ok(Line::Event(event)) => Some(*event),
        _ => None,
    });
    events.collect()
}

#[test]
fn generated_events() {
    assert!(compare(Generator::new(3).take(30_000)) > 100);
}

#[test]
fn recorded_events() {
    for (name, rows) in [("docs_events.ndjson", 3), ("dns_events.ndjson.gz", 100)] {
        let found = compare(recording(name).into_iter().take(4000));
        assert!(found > rows, "{name}: {found} rows");
    }
}

#[test]
fn containers_that_events_announce() {
    let id = "0123456789abcdef".repeat(4);
    let cgroup = |name: &str| {
        TestEvent::new(name)
            .set("cgroup_id", 7_u64)
            .set("cgroup_path", format!("/docker/{id}"))
            .set("hierarchy_id", 0_u32)
    };
    let told = |name: &str, id: &str| {
        TestEvent::new(name)
            .set("container_id", id)
            .set("ctime", 5_i64)
            .set("runtime", "docker")
            .set("container_name", "web")
            .set("container_image", "nginx")
            .set("container_image_digest", "sha256:1")
            .set("pod_name", "p")
            .set("pod_uid", "u")
            .set("pod_namespace", "n")
            .set("pod_sandbox", true)
    };
    let other = "f".repeat(64);
    let third = "e".repeat(64);
    let events = [
        cgroup("cgroup_mkdir"),
        told("container_create", &id),
        told("existing_container", &other),
        told("existing_container", &third),
        TestEvent::new("container_remove").set("container_id", third.as_str()),
        cgroup("cgroup_rmdir"),
    ];
    let at =
        |(second, event): (u64, TestEvent)| event.at_ns((second * SECOND / 100).cast_signed()).to_recorded();
    assert!(compare((1..).zip(events).map(at)) > 2);
}
