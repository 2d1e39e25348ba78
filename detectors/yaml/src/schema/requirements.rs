//! `requirements`.

use std::collections::HashSet;

use detectors_api::definition::{
    DetectorDefinition, EnrichmentRequirement, EventRequirement, StoreRequirement,
};

use super::places::Places;
use super::values::{RECORDED, architecture, dependency, enrichment, versions};
use crate::document::Kind;
use crate::document::item::Item;
use crate::error::{Faults, Reason};

const KEYS: [&str; 6] = [
    "events",
    "enrichments",
    "architectures",
    "datastores",
    "min_tracee_version",
    "max_tracee_version",
];

pub(super) fn requirements(
    item: &Item<'_>,
    definition: &mut DetectorDefinition,
    places: &mut Places,
    faults: &mut Faults,
) {
    let Some(mapping) = item.mapping(&KEYS, faults) else {
        return;
    };
    if let Some(item) = mapping.require("events", faults) {
        places.add("events", &item);
        let items = item.items(faults);
        if matches!(&item.node.kind, Kind::List(nodes) if nodes.is_empty()) {
            item.report(faults, Reason::Empty)
                .hint("a detector runs on at least one event");
        }
        let mut names = HashSet::new();
        let events = items
            .iter()
            .filter_map(|item| event(item, &mut names, places, faults));
        definition.events.extend(events);
    }
    let mut names = HashSet::new();
    let items = mapping.items("enrichments", faults);
    let enrichments = items
        .iter()
        .filter_map(|item| enrichment_of(item, &mut names, places, faults));
    definition.enrichments.extend(enrichments);
    let mut names = HashSet::new();
    let items = mapping.items("datastores", faults);
    let stores = items
        .iter()
        .filter_map(|item| store(item, &mut names, places, faults));
    definition.stores.extend(stores);
    if let Some(item) = mapping.get("architectures") {
        places.add("architectures", &item);
        let items = item.items(faults);
        let names: Vec<_> = items
            .iter()
            .filter_map(|item| architecture(item, faults))
            .collect();
        let recorded: Vec<_> = names
            .iter()
            .copied()
            .filter(|name| RECORDED.contains(name))
            .collect();
        // One that is for other architectures alone has to be refused, not run everywhere.
        let names = if recorded.is_empty() { names } else { recorded };
        definition.architectures = names.into_iter().map(str::to_owned).collect();
    }
    versions(&mapping, "min_tracee_version", "max_tracee_version", faults);
    if let Some(item) = mapping.get("max_tracee_version") {
        let why = "detectors run as in the latest Tracee here";
        item.report(faults, Reason::NoEffect { why }).harmless();
    }
}

fn event<'d>(
    item: &Item<'d>,
    names: &mut HashSet<&'d str>,
    places: &mut Places,
    faults: &mut Faults,
) -> Option<EventRequirement> {
    const KEYS: [&str; 6] = [
        "name",
        "dependency",
        "min_version",
        "max_version",
        "data_filters",
        "scope_filters",
    ];
    let mapping = item.mapping(&KEYS, faults)?;
    let name = super::name(&mapping, "event", names, faults);
    let dependency = dependency(&mapping, faults);
    let (min_version, max_version) = versions(&mapping, "min_version", "max_version", faults);
    let data = mapping.texts("data_filters", faults);
    let scope = mapping.texts("scope_filters", faults);
    let (name, name_item) = name?;
    places.add(format!("event {name}"), &name_item);
    for (item, _) in data.iter().chain(&scope) {
        places.add_filter(name, item);
    }
    let texts =
        |filters: Vec<(Item<'_>, &str)>| filters.into_iter().map(|(_, text)| text.to_owned()).collect();
    Some(EventRequirement {
        name: name.to_owned(),
        data: texts(data),
        scope: texts(scope),
        min_version,
        max_version,
        dependency,
    })
}

fn enrichment_of(
    item: &Item<'_>,
    names: &mut HashSet<&'static str>,
    places: &mut Places,
    faults: &mut Faults,
) -> Option<EnrichmentRequirement> {
    let mapping = item.mapping(&["name", "dependency", "config"], faults)?;
    let dependency = dependency(&mapping, faults);
    let config = mapping.text_or_empty("config", faults);
    let name_item = mapping.require("name", faults)?;
    let name = enrichment(&name_item, faults)?;
    if !names.insert(name) {
        let reason = Reason::Duplicate {
            what: "enrichment",
            name: name.to_owned(),
        };
        name_item.report(faults, reason);
    }
    places.add(format!("enrichment {name}"), &name_item);
    Some(EnrichmentRequirement {
        name: name.to_owned(),
        config: (!config.is_empty()).then(|| config.to_owned()),
        dependency,
    })
}

fn store<'d>(
    item: &Item<'d>,
    names: &mut HashSet<&'d str>,
    places: &mut Places,
    faults: &mut Faults,
) -> Option<StoreRequirement> {
    let mapping = item.mapping(&["name", "dependency"], faults)?;
    let dependency = dependency(&mapping, faults);
    let (name, item) = super::name(&mapping, "datastore", names, faults)?;
    places.add(format!("store {name}"), &item);
    Some(StoreRequirement {
        name: name.to_owned(),
        dependency,
    })
}
