//! Metadata of a finding to a threat.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Leftovers, unmapped};
use crate::proto;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    description: String,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<BTreeMap<String, &'a RawValue>>,
}

/// The threat that the metadata `text` describes; `None`, and all of it left over, if it describes none.
///
/// Version and tags are left over, and properties that are no text: threats have properties of text only.
pub(super) fn convert(text: &str, left: &mut Leftovers) -> Option<proto::Threat> {
    let mut ignored = Vec::new();
    let metadata: Option<Metadata<'_>> = unmapped::read(text, &["metadata".to_owned()], &mut ignored).ok();
    let Some((metadata, mut properties)) = metadata.and_then(|mut metadata| {
        let properties = metadata.properties.take()?;
        properties
            .contains_key("Severity")
            .then_some((metadata, properties))
    }) else {
        left.push(["metadata"]);
        return None;
    };
    left.ignored.append(&mut ignored);
    for (key, value) in [("Version", metadata.version), ("Tags", metadata.tags)] {
        if value.is_some_and(|value| !["\"\"", "null", "[]"].contains(&value.get())) {
            left.push(["metadata", key]);
        }
    }
    let mut leave = |key: &str| {
        left.ignored
            .push(["metadata", "Properties", key].map(str::to_owned).to_vec());
    };
    let severity = properties
        .remove("Severity")
        .and_then(|value| value.get().parse().ok())
        .filter(|severity| proto::Severity::try_from(*severity).is_ok())
        .unwrap_or_else(|| {
            leave("Severity");
            proto::Severity::Info as i32
        });
    let mut text = |key: &str, value: &RawValue| {
        serde_json::from_str(value.get()).unwrap_or_else(|_| {
            leave(key);
            value.get().to_owned()
        })
    };
    let mut take = |key: &str| {
        properties
            .remove(key)
            .filter(|value| value.get() != "null")
            .map_or_else(String::new, |value| text(key, value))
    };
    let mitre = proto::Mitre {
        tactic: Some(proto::MitreTactic {
            name: take("Category"),
        }),
        technique: Some(proto::MitreTechnique {
            id: take("external_id"),
            name: take("Technique"),
        }),
    };
    let name = take("signatureName");
    Some(proto::Threat {
        description: metadata.description,
        mitre: Some(mitre),
        severity,
        name,
        properties: properties
            .into_iter()
            .map(|(key, value)| {
                let value = text(&key, value);
                (key, value)
            })
            .collect(),
    })
}
