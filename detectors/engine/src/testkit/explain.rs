//! Why detectors found what they found: event by event.

use std::fmt::Write as _;

use detectors_api::catalogue::catalogue;
use detectors_api::definition::DetectorDefinition;
use detectors_api::event::Event;

use super::run::Run;
use super::text;
use crate::filter::{FieldInfo, Filter};

/// An event that a detector asks for.
struct Subscription<'a> {
    detector: &'a str,
    event: &'a str,
    filter: Filter,
}

/// What happened to each event of a run, and to each detection on its way to other detectors.
pub(super) fn explain(run: &Run) -> String {
    let mut text = String::from("what happened to the events:\n");
    // Writing to a text does not fail.
    for refusal in &run.refusals {
        let _ = writeln!(text, "refused: {refusal}");
    }
    let subscriptions = subscriptions(run);
    let mut rows: Vec<_> = run
        .events
        .iter()
        .flat_map(|batch| {
            batch
                .seqs()
                .iter()
                .enumerate()
                .map(move |(row, seq)| (*seq, batch, row))
        })
        .collect();
    rows.sort_by_key(|(seq, ..)| *seq);
    for (seq, batch, row) in rows {
        let event = batch.event(row);
        let _ = writeln!(text, "event {seq} ({}){}", event.name(), text::told(&event));
        text += &fate(run, &subscriptions, &event, 0);
        for detection in run.detections.iter().filter(|detection| detection.seq == seq) {
            let event = Event::from_message(seq, &detection.event);
            if subscriptions.iter().any(|wanted| wanted.event == event.name()) {
                let _ = writeln!(text, "  its {}{}", event.name(), text::told(&event));
                text += &fate(run, &subscriptions, &event, detection.level);
            }
        }
    }
    text
}

/// What became of one event; `level` is that of a detection, and 0 for a recorded event.
fn fate(run: &Run, subscriptions: &[Subscription<'_>], event: &Event<'_>, level: u8) -> String {
    let indent = if level == 0 { "  " } else { "    " };
    let mut text = String::new();
    let wanted: Vec<_> = subscriptions
        .iter()
        .filter(|subscription| subscription.event == event.name())
        .collect();
    let mut detectors: Vec<_> = wanted.iter().map(|subscription| subscription.detector).collect();
    detectors.dedup();
    for detector in detectors {
        let filters = wanted
            .iter()
            .filter(|subscription| subscription.detector == detector);
        let rejections: Vec<_> = filters
            .map(|subscription| subscription.filter.rejections(event))
            .collect();
        // Any of its requirements on the event is enough.
        if rejections.iter().all(|rejections| !rejections.is_empty()) {
            for rejection in rejections.iter().flatten() {
                let _ = writeln!(text, "{indent}{detector} did not get it: {rejection}");
            }
            continue;
        }
        let same = |seq: u64, id: &str| seq == event.seq() && id == detector;
        let failed = run
            .failures()
            .find(|failure| same(failure.seq, &failure.detector));
        let found = run
            .detections
            .iter()
            .filter(|detection| same(detection.seq, &detection.detector_id) && detection.level == level + 1);
        let _ = match (failed, found.count()) {
            (Some(failure), _) => writeln!(text, "{indent}{failure}"),
            (None, 0) => writeln!(text, "{indent}{detector} got it and detected nothing"),
            (None, 1) => writeln!(text, "{indent}{detector} got it and detected something"),
            (None, found) => writeln!(text, "{indent}{detector} got it and detected {found} things"),
        };
    }
    if text.is_empty() {
        let _ = writeln!(text, "{indent}no running detector asks for {}", event.name());
    }
    text
}

/// What the detectors that run ask for.
fn subscriptions(run: &Run) -> Vec<Subscription<'_>> {
    let running = |definition: &&DetectorDefinition| {
        let refused = run
            .refusals
            .iter()
            .any(|refusal| refusal.detector == definition.id);
        !refused
    };
    let mut subscriptions = Vec::new();
    for definition in run.definitions.iter().filter(running) {
        for requirement in &definition.events {
            let mut produced = run.definitions.iter().map(|definition| &definition.event);
            let fields = match catalogue().get(&requirement.name) {
                Some(event) => FieldInfo::of_event(event, Some(&run.architecture)),
                None => produced
                    .find(|event| event.name == requirement.name)
                    .map(FieldInfo::of_produced)
                    .unwrap_or_default(),
            };
            // A filter that is wrong has refused its detector.
            if let Ok(filter) = Filter::new(&fields, &requirement.data, &requirement.scope) {
                subscriptions.push(Subscription {
                    detector: &definition.id,
                    event: &requirement.name,
                    filter,
                });
            }
        }
    }
    subscriptions
}
