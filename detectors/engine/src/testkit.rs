//! For the tests of detectors: runs them as replay does. Panics on misuse.
//!
//! Events by hand come from [`detectors_api::testkit`].

use detectors_api::detector::Detector;
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::Stores;

use crate::{Detection, EngineBuilder};

/// The detections of `detector` in `events`, numbered from 1, with filters and with a process store that is told of them.
/// All enrichments count as recorded.
///
/// # Panics
/// If the detector is refused, or a detection carries a field that its definition does not declare.
#[must_use]
pub fn detect(detector: impl Detector + 'static, events: &[TestEvent]) -> Vec<Detection> {
    let registered = EngineBuilder::new()
        .detector(detector)
        .enrichments(["environment", "executable-hash", "container"])
        .build();
    let refusals: Vec<_> = registered.refusals.iter().map(ToString::to_string).collect();
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
    let mut engine = registered.engine;
    let declared: Vec<_> = engine
        .definitions()
        .flat_map(|definition| &definition.event.fields)
        .map(|field| field.name.clone())
        .collect();
    let batches = batches(events);
    let mut stores = Stores::new();
    stores.apply(&batches).expect("the events are numbered in order");
    let detections = engine.process(&batches, &stores);
    for field in detections.iter().flat_map(|detection| &detection.event.data) {
        assert!(
            declared.contains(&field.name),
            "the field `{}` is not declared",
            field.name
        );
    }
    detections
}
