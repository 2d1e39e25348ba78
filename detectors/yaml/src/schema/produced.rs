//! `produced_event`.

use std::collections::HashSet;

use detectors_api::catalogue::Version;
use detectors_api::definition::{ProducedEvent, ProducedField};

use super::places::Places;
use super::values::{field_type, version};
use crate::document::item::Item;
use crate::error::Faults;

/// The produced event. `None` if it has no name.
pub(super) fn produced_event(
    item: &Item<'_>,
    places: &mut Places,
    faults: &mut Faults,
) -> Option<ProducedEvent> {
    let mapping = item.mapping(&["name", "version", "description", "tags", "fields"], faults)?;
    let name = mapping.require("name", faults);
    let name_text = name.as_ref().and_then(|name| name.text(faults));
    let version = mapping
        .require("version", faults)
        .and_then(|item| version(&item, faults));
    let description = mapping.text_or_empty("description", faults).trim().to_owned();
    let tags = mapping
        .texts("tags", faults)
        .into_iter()
        .map(|(_, tag)| tag.to_owned())
        .collect();
    let mut names = HashSet::new();
    let fields = mapping
        .items("fields", faults)
        .iter()
        .filter_map(|item| field(item, &mut names, faults))
        .collect();
    places.add("produced event", name.as_ref()?);
    Some(ProducedEvent {
        name: name_text?.to_owned(),
        id: None,
        description,
        version: version.unwrap_or(Version::new(1, 0, 0)),
        fields,
        tags,
    })
}

/// A declared field. Its description and whether it is optional are for readers of the file.
fn field<'d>(item: &Item<'d>, names: &mut HashSet<&'d str>, faults: &mut Faults) -> Option<ProducedField> {
    let mapping = item.mapping(&["name", "type", "description", "optional"], faults)?;
    let name = super::name(&mapping, "field", names, faults);
    let field_type = mapping
        .require("type", faults)
        .and_then(|item| field_type(&item, faults));
    mapping.text_or_empty("description", faults);
    if let Some(item) = mapping.get("optional") {
        item.flag(faults);
    }
    Some(ProducedField {
        name: name?.0.to_owned(),
        field_type: field_type?,
    })
}
