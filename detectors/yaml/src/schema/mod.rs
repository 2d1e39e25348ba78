//! What stands in a detector file.
//!
//! Everything that can be checked without other files is checked here, and all that is wrong is said at once. Whether the
//! events that a detector asks for exist, and whether its filters suit them, is known when it is registered with others;
//! [`Places`] tells where in the file such a refusal belongs.

mod places;
mod produced;
mod requirements;
mod threat;
mod values;

use std::collections::HashSet;

use detectors_api::catalogue::FieldType;
use detectors_api::definition::{AutoPopulate, DetectorDefinition};

pub use places::Places;

use crate::document::item::{Item, Mapping};
use crate::error::{Faults, Reason, did_you_mean};

/// What a detector file says, its expressions not yet read.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) definition: DetectorDefinition,
    pub(crate) conditions: Vec<Item<'d>>,
    pub(crate) outputs: Vec<OutputDraft<'d>>,
    pub(crate) places: Places,
}

/// An output field, its expression not yet read.
#[derive(Debug)]
pub(crate) struct OutputDraft<'d> {
    pub(crate) name: String,
    pub(crate) expression: Item<'d>,
    pub(crate) optional: bool,
    /// The declared type, if it is declared.
    pub(crate) field_type: Option<FieldType>,
}

const KEYS: [&str; 8] = [
    "type",
    "id",
    "produced_event",
    "requirements",
    "threat",
    "auto_populate",
    "conditions",
    "output",
];

/// Reads a detector. `None` if it has no identity; otherwise what could be read, which may be used if there are no faults.
pub(crate) fn detector<'d>(root: &Item<'d>, faults: &mut Faults) -> Option<Draft<'d>> {
    let mapping = root.mapping(&KEYS, faults)?;
    let mut places = Places::new(root.node.span.start);
    let id = mapping.require("id", faults);
    let id_text = id.as_ref().and_then(|item| item.text(faults));
    let event = mapping.require("produced_event", faults);
    let produced = event.and_then(|item| produced::produced_event(&item, &mut places, faults));
    let mut definition = DetectorDefinition::new(id_text.unwrap_or_default(), "");
    if let Some(item) = &id {
        places.add("id", item);
    }
    if let Some(produced) = &produced {
        definition.event = produced.clone();
    }
    if let Some(item) = mapping.require("requirements", faults) {
        requirements::requirements(&item, &mut definition, &mut places, faults);
    }
    definition.threat = mapping
        .get("threat")
        .and_then(|item| threat::threat(&item, faults));
    if let Some(item) = mapping.get("auto_populate") {
        definition.auto_populate = auto_populate(&item, &definition, faults);
    }
    let conditions = mapping
        .texts("conditions", faults)
        .into_iter()
        .map(|(item, _)| item)
        .collect();
    let outputs = match mapping.get("output") {
        Some(item) => outputs(&item, &definition, faults),
        None => Vec::new(),
    };
    produced.is_some().then_some(())?;
    id_text?;
    Some(Draft {
        definition,
        conditions,
        outputs,
        places,
    })
}

fn auto_populate(item: &Item<'_>, definition: &DetectorDefinition, faults: &mut Faults) -> AutoPopulate {
    let flags = [
        ("threat", AutoPopulate::THREAT),
        ("detected_from", AutoPopulate::DETECTED_FROM),
        ("process_ancestry", AutoPopulate::ANCESTRY),
    ];
    let Some(mapping) = item.mapping(&flags.map(|(key, _)| key), faults) else {
        return AutoPopulate::NONE;
    };
    let mut all = AutoPopulate::NONE;
    for (key, flag) in flags {
        let Some(item) = mapping.get(key) else { continue };
        if item.flag(faults) == Some(true) {
            all |= flag;
            if flag == AutoPopulate::THREAT && definition.threat.is_none() {
                let why = "the detector has no threat";
                item.report(faults, Reason::NoEffect { why }).harmless();
            }
        }
    }
    all
}

fn outputs<'d>(
    item: &Item<'d>,
    definition: &DetectorDefinition,
    faults: &mut Faults,
) -> Vec<OutputDraft<'d>> {
    let Some(mapping) = item.mapping(&["fields"], faults) else {
        return Vec::new();
    };
    let mut names = HashSet::new();
    let items = mapping.items("fields", faults);
    items
        .iter()
        .filter_map(|item| {
            let mapping = item.mapping(&["name", "expression", "optional"], faults)?;
            let name = name(&mapping, "output field", &mut names, faults);
            let expression = mapping.require("expression", faults);
            let expression = expression.filter(|item| item.text(faults).is_some());
            let optional = mapping
                .get("optional")
                .and_then(|item| item.flag(faults))
                .unwrap_or(false);
            let (name, name_item) = name?;
            let declared = definition.event.field(name);
            if declared.is_none() && !definition.event.fields.is_empty() && !optional {
                let known = definition.event.fields.iter().map(|field| field.name.as_str());
                let hint = did_you_mean(name, known)
                    .unwrap_or_else(|| "declare it there, or make it optional".to_owned());
                let reason = Reason::Undeclared {
                    name: name.to_owned(),
                };
                name_item.report(faults, reason).hint(hint);
            }
            Some(OutputDraft {
                name: name.to_owned(),
                expression: expression?,
                optional,
                field_type: declared.map(|field| field.field_type),
            })
        })
        .collect()
}

/// The name of something, which nothing else of its kind in `taken` may have.
fn name<'d>(
    mapping: &Mapping<'d>,
    what: &'static str,
    taken: &mut HashSet<&'d str>,
    faults: &mut Faults,
) -> Option<(&'d str, Item<'d>)> {
    let item = mapping.require("name", faults)?;
    let name = item.text(faults)?;
    if !taken.insert(name) {
        let name = name.to_owned();
        item.report(faults, Reason::Duplicate { what, name });
        return None;
    }
    Some((name, item))
}
