//! What is known about a detector, as JSON.

use detectors_api::catalogue::Version;
use detectors_api::definition::{
    AutoPopulate, Dependency, DetectorDefinition, EnrichmentRequirement, EventRequirement, StoreRequirement,
    Threat,
};
use serde_json::{Value, json};

use super::choice::inputs;
use super::known::Known;

/// Everything about `known`. Those of `all` that it is connected with are named.
pub(super) fn describe(known: &Known, all: &[Known]) -> Value {
    let definition = &known.definition;
    let event = &definition.event;
    let fields: Vec<_> = event
        .fields
        .iter()
        .map(|field| json!({"name": field.name, "type": field.field_type.arm()}))
        .collect();
    json!({
        "id": definition.id,
        "source": known.origin.to_string(),
        "reach": known.reach(),
        "event": {
            "name": event.name,
            "id": event.number(),
            "version": event.version.to_string(),
            "description": event.description,
            "tags": event.tags,
            "fields": fields,
        },
        "threat": definition.threat.as_ref().map(threat),
        "inputs": definition.events.iter().map(input).collect::<Vec<_>>(),
        "stores": definition.stores.iter().map(store).collect::<Vec<_>>(),
        "enrichments": definition.enrichments.iter().map(enrichment).collect::<Vec<_>>(),
        "architectures": definition.architectures,
        "min_tracee_version": version(definition.min_tracee_version),
        "max_tracee_version": version(definition.max_tracee_version),
        "auto_populate": auto_populate(definition.auto_populate),
        "producers": ids(producers(definition, all)),
        "consumers": ids(consumers(definition, all)),
    })
}

fn ids<'a>(detectors: impl Iterator<Item = &'a Known>) -> Vec<&'a str> {
    detectors.map(|known| known.definition.id.as_str()).collect()
}

/// The detectors that produce what `definition` consumes.
pub(super) fn producers<'a>(
    definition: &'a DetectorDefinition,
    all: &'a [Known],
) -> impl Iterator<Item = &'a Known> {
    all.iter()
        .filter(|other| inputs(definition).any(|event| event == other.definition.event.name))
}

/// The detectors that consume what `definition` produces.
pub(super) fn consumers<'a>(
    definition: &'a DetectorDefinition,
    all: &'a [Known],
) -> impl Iterator<Item = &'a Known> {
    all.iter()
        .filter(|other| inputs(&other.definition).any(|event| event == definition.event.name))
}

fn threat(threat: &Threat) -> Value {
    let techniques: Vec<_> = threat
        .techniques
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name}))
        .collect();
    let signature = threat.signature.as_ref();
    json!({
        "name": threat.name,
        "description": threat.description,
        "severity": severity(threat),
        "tactics": threat.tactics,
        "techniques": techniques,
        "sub_techniques": threat.sub_techniques,
        "signature": signature.map(|(id, name)| json!({"id": id, "name": name})),
        "properties": threat.properties,
    })
}

/// The severity's name, in small letters.
pub(super) fn severity(threat: &Threat) -> String {
    threat.severity.as_str_name().to_ascii_lowercase()
}

fn version(version: Option<Version>) -> Option<String> {
    version.map(|version| version.to_string())
}

fn input(requirement: &EventRequirement) -> Value {
    json!({
        "event": requirement.name,
        "data_filters": requirement.data,
        "scope_filters": requirement.scope,
        "min_version": version(requirement.min_version),
        "max_version": version(requirement.max_version),
        "required": required(requirement.dependency),
    })
}

fn store(requirement: &StoreRequirement) -> Value {
    json!({"store": requirement.name, "required": required(requirement.dependency)})
}

fn enrichment(requirement: &EnrichmentRequirement) -> Value {
    json!({
        "enrichment": requirement.name,
        "config": requirement.config,
        "required": required(requirement.dependency),
    })
}

fn required(dependency: Dependency) -> bool {
    dependency == Dependency::Required
}

/// What the engine adds to the detections.
pub(super) fn auto_populate(flags: AutoPopulate) -> Vec<&'static str> {
    [
        (AutoPopulate::THREAT, "threat"),
        (AutoPopulate::DETECTED_FROM, "detected_from"),
        (AutoPopulate::ANCESTRY, "process_ancestry"),
    ]
    .into_iter()
    .filter_map(|(flag, name)| flags.contains(flag).then_some(name))
    .collect()
}
