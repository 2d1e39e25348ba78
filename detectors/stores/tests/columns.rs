//! Stores read no more columns than they tell: those that are fed with nothing else end up the same.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use detectors_api::event::{BatchBuilder, Contexts, EventBatch, RecordedEvent};
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

/// The batches with the texts of their contexts by number, as readers of captures give them.
fn numbered(batches: &[EventBatch]) -> Vec<EventBatch> {
    let by_number = |table: &RecordBatch| {
        let number = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = table.schema();
        let columns = schema.fields().iter().zip(table.columns());
        let columns = columns.map(|(field, column)| match field.data_type() {
            DataType::Utf8 => (field.name(), cast(column, &number).expect("few texts"), true),
            _ => (field.name(), Arc::clone(column), field.is_nullable()),
        });
        RecordBatch::try_from_iter_with_nullable(columns).expect("a table")
    };
    let contexts = Contexts::try_new(batches[0].contexts().batches().map(by_number)).expect("contexts");
    let batches = batches.iter().map(|batch| {
        let columns = batch.record_batch().clone();
        EventBatch::try_new(batch.event_type(), columns, contexts.clone()).expect("a batch")
    });
    batches.collect()
}

/// Stores that are told so many events at a time, and drop what is over after each.
fn folded_in_stretches(
    batches: &[EventBatch],
    events: u64,
    retention_ns: u64,
) -> Vec<(&'static str, RecordBatch)> {
    let mut stores = Stores::with(Settings {
        retention_ns: Some(retention_ns),
        ..Settings::default()
    });
    let last = batches.iter().filter_map(|batch| batch.seqs().last()).max();
    for end in (1..=last.copied().unwrap_or_default())
        .step_by(events as usize)
        .map(|first| first + events)
    {
        let parts = batches.iter().map(|batch| {
            let place = |seq: u64| batch.seqs().partition_point(|found| *found < seq);
            let first = place(end - events);
            batch.slice(first, place(end) - first)
        });
        stores.advance(&parts.collect::<Vec<_>>(), end).expect("in order");
        stores.compact(end);
    }
    stores.keyframes()
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
fn texts_of_contexts_may_come_by_number() {
    let mut builder = BatchBuilder::default();
    for (seq, event) in (1..).zip(Generator::new(5).take(60_000)) {
        builder.push(seq, &event);
    }
    let plain = builder.finish().batches;
    let numbered = numbered(&plain);
    // Processes are forgotten, and texts numbered anew, many times.
    let frames = |batches: &[EventBatch]| folded_in_stretches(batches, 1000, SECOND / 100);
    assert_eq!(frames(&plain), frames(&numbered));
    // What is asked of an event is the same, too.
    for (plain, numbered) in plain.iter().zip(&numbered) {
        for row in (0..plain.len()).step_by(97) {
            let (plain, numbered) = (plain.event(row), numbered.event(row));
            assert_eq!(plain.to_recorded(), numbered.to_recorded());
            assert_eq!(
                plain.process().executable_path(),
                numbered.process().executable_path()
            );
        }
    }
    let tables = numbered[0].contexts().tables();
    let tables: Vec<_> = tables.map(|table| table.expect("texts")).collect();
    assert!(tables.iter().eq(plain[0].contexts().batches()));
    let mixed = Contexts::try_new(
        [plain[0].contexts(), numbered[0].contexts()]
            .into_iter()
            .flat_map(|contexts| contexts.batches().cloned()),
    );
    let error = mixed.expect_err("a column has one type").to_string();
    assert!(error.contains("`exe` of event type (process table)"), "{error}");
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
