//! Running files of detectors over events, as replay does.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;

use detectors_api::event::RecordedEvent;
use detectors_api::proto::{self, event_value::Value};
use detectors_api::stores::Store;
use detectors_api::testkit::batches_of;
use detectors_engine::{Detection, EngineBuilder, Registered};
use detectors_stores::Stores;
use detectors_yaml::YamlDetector;
use detectors_yaml::load::load;

/// The detectors of a file or directory in which nothing is wrong.
pub(crate) fn read(path: impl AsRef<Path>) -> Vec<YamlDetector> {
    let loaded = load([path]);
    let problems: Vec<_> = loaded
        .errors
        .iter()
        .chain(&loaded.warnings)
        .map(ToString::to_string)
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    loaded.detectors
}

/// Registers detectors for a recording that has everything.
pub(crate) fn register(detectors: Vec<YamlDetector>) -> Registered {
    let builder = EngineBuilder::new()
        .enrichments(["environment", "executable-hash", "container"])
        .stores(Store::ALL)
        .architecture("x86_64");
    detectors
        .into_iter()
        .fold(builder, EngineBuilder::detector)
        .build()
}

/// What detectors, none of which may be refused, find in events numbered from 1.
pub(crate) fn run(detectors: Vec<YamlDetector>, events: &[RecordedEvent]) -> Vec<Detection> {
    let registered = register(detectors);
    let refusals: Vec<_> = registered.refusals.iter().map(ToString::to_string).collect();
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
    let mut engine = registered.engine;
    let batches = batches_of(events);
    let mut stores = Stores::new();
    stores.apply(&batches).expect("the events are numbered in order");
    engine.process(&batches, &stores)
}

/// An event as `NAME FIELD=VALUE…`.
pub(crate) fn brief(event: &proto::Event) -> String {
    let fields = event.data.iter().map(|field| {
        let value = match &field.value {
            Some(Value::Str(text)) => text.clone(),
            Some(Value::Int32(number)) => number.to_string(),
            Some(Value::Int64(number)) => number.to_string(),
            Some(Value::UInt32(number)) => number.to_string(),
            Some(Value::UInt64(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            other => format!("{other:?}"),
        };
        format!(" {}={value}", field.name)
    });
    std::iter::once(event.name.clone()).chain(fields).collect()
}

/// The detections as [`brief`] has them.
pub(crate) fn briefs(detections: &[Detection]) -> Vec<String> {
    detections
        .iter()
        .map(|detection| brief(&detection.event))
        .collect()
}
