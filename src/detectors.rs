//! Choosing detectors on the command line.

use capture::CaptureReader;
use detectors_api::detector::EventDetector;
use detectors_api::stores::Store;
use detectors_builtin::detectors;
use detectors_engine::{Engine, EngineBuilder};

use crate::exit::Failure;

/// What `--detectors` accepts, for help texts.
pub(crate) const HELP: &str = "Which detectors: `builtin` or `all`, detector ids (TRC-105), or names of events they produce; separated by commas";

/// The engine with the chosen detectors, for a recording with `enrichments` and `stores`. Detectors that cannot run are
/// reported on stderr.
pub(crate) fn engine(
    choice: &str,
    enrichments: &[String],
    stores: impl IntoIterator<Item = Store>,
) -> Result<Engine, Failure> {
    let registered = EngineBuilder::new()
        .detectors(choose(choice)?)
        .enrichments(enrichments)
        .stores(stores)
        .build();
    for refusal in registered.refusals {
        tracing::warn!("refused: {refusal}");
    }
    for warning in registered.warnings {
        tracing::warn!("{warning}");
    }
    Ok(registered.engine)
}

/// The event types that a capture has or, had they happened, would have: those that its sensor watched.
pub(crate) fn recorded_events(reader: &CaptureReader) -> Vec<&str> {
    let plan = reader
        .manifest()
        .header
        .sensor_plan
        .as_ref()
        .and_then(|plan| plan.as_array());
    let watched = plan
        .into_iter()
        .flatten()
        .filter(|report| report["status"] == "hooked");
    let mut events = reader.event_types();
    events.extend(watched.filter_map(|report| report["event"].as_str()));
    events
}

fn choose(choice: &str) -> Result<Vec<Box<dyn EventDetector>>, Failure> {
    let wanted: Vec<_> = choice
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    let all = detectors();
    let named = |word: &str, detector: &dyn EventDetector| {
        let definition = detector.definition();
        matches!(word, "builtin" | "all") || definition.id == word || definition.event.name == word
    };
    if let Some(unknown) = wanted
        .iter()
        .find(|word| !all.iter().any(|detector| named(word, detector.as_ref())))
    {
        let known: Vec<_> = all
            .iter()
            .map(|detector| detector.definition())
            .map(|definition| format!("{} ({})", definition.id, definition.event.name))
            .collect();
        return Err(Failure::usage(format!(
            "--detectors: there is no detector `{unknown}`; there are: builtin, all, {}",
            known.join(", ")
        )));
    }
    Ok(all
        .into_iter()
        .filter(|detector| wanted.iter().any(|word| named(word, detector.as_ref())))
        .collect())
}
