//! `threat`.

use std::collections::BTreeMap;

use detectors_api::definition::Threat;

use super::values::severity;
use crate::document::item::Item;
use crate::error::Faults;

/// The threat. `None` if its severity cannot be read.
pub(super) fn threat(item: &Item<'_>, faults: &mut Faults) -> Option<Threat> {
    let mapping = item.mapping(
        &["name", "description", "severity", "mitre", "properties"],
        faults,
    )?;
    let name = mapping.text_or_empty("name", faults);
    let description = mapping
        .require("description", faults)
        .and_then(|item| item.text(faults));
    let severity = mapping
        .require("severity", faults)
        .and_then(|item| severity(&item, faults));
    let properties = mapping
        .get("properties")
        .map(|item| properties(&item, faults))
        .unwrap_or_default();
    let mut threat = Threat::new(severity?, name).describe(description.unwrap_or_default().trim());
    threat.properties = properties;
    if let Some(item) = mapping.get("mitre") {
        mitre(&item, &mut threat, faults);
    }
    Some(threat)
}

fn properties(item: &Item<'_>, faults: &mut Faults) -> BTreeMap<String, String> {
    let Some(mapping) = item.any_mapping(faults) else {
        return BTreeMap::new();
    };
    mapping
        .entries
        .iter()
        .filter_map(|entry| {
            let value = mapping.item_of(entry).any_text(faults)?;
            Some((entry.key.clone(), value.to_owned()))
        })
        .collect()
}

fn mitre(item: &Item<'_>, threat: &mut Threat, faults: &mut Faults) {
    let Some(mapping) = item.mapping(&["tactic", "technique"], faults) else {
        return;
    };
    if let Some(tactic) = mapping
        .get("tactic")
        .and_then(|item| item.mapping(&["name"], faults))
    {
        let name = tactic.text_or_empty("name", faults);
        if !name.is_empty() {
            threat.tactics.push(name.to_owned());
        }
    }
    if let Some(technique) = mapping
        .get("technique")
        .and_then(|item| item.mapping(&["id", "name"], faults))
    {
        let id = technique.text_or_empty("id", faults);
        let name = technique.text_or_empty("name", faults);
        if !id.is_empty() || !name.is_empty() {
            threat.techniques.push((id.to_owned(), name.to_owned()));
        }
    }
}
