//! Findings: detections in the shape that Tracee's signatures had, for programs that were made for it.
//!
//! A finding is a JSON object with three members:
//!
//! * `Data`: the fields of the detection, by name.
//! * `Context`: the event that it was found in, as a flat `trace.Event`. It is made of what the detection carries: what that does
//!   not tell (the CPU, the namespaces, the event itself if the detector does not ask for its origin) is left out.
//! * `SigMetadata`: the detector as a signature. `Properties` has the severity as a number from 0 to 4 and names MITRE's
//!   tactic (as a slug), technique and its id `Category`, `Technique` and `external_id`.

mod context;
mod value;

use std::collections::BTreeMap;
use std::io;

use detectors_api::definition::DetectorDefinition;
use detectors_api::proto;
use detectors_engine::Detection;
use serde_json::{Map, Value, json};

use super::Sink;

pub(super) use self::value::object;

/// What detectors say about themselves that their detections do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// By the name of the produced event.
    by_event: BTreeMap<String, Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    id: String,
    version: String,
    description: String,
    tags: Vec<String>,
}

impl Signatures {
    /// The signatures that detectors with these definitions stand for.
    #[must_use]
    pub fn new<'a>(definitions: impl IntoIterator<Item = &'a DetectorDefinition>) -> Self {
        let by_event = definitions
            .into_iter()
            .map(|definition| {
                let event = &definition.event;
                let signature = Signature {
                    id: definition.id.clone(),
                    version: event.version.to_string(),
                    description: event.description.clone(),
                    tags: event.tags.clone(),
                };
                (event.name.clone(), signature)
            })
            .collect();
        Self { by_event }
    }

    /// A detection as a finding. The detector's id, version and tags are left out if its definition was not among those
    /// given to [`new`](Self::new).
    #[must_use]
    pub fn finding(&self, detection: &proto::Event) -> Value {
        json!({
            "Data": object(&detection.data),
            "Context": context::context(detection),
            "SigMetadata": self.metadata(detection),
        })
    }

    fn metadata(&self, detection: &proto::Event) -> Value {
        let signature = self.by_event.get(&detection.name);
        let threat = detection.threat.as_ref();
        let mut metadata = Map::new();
        let mut put = |key: &str, value: Value| metadata.insert(key.to_owned(), value);
        if let Some(signature) = signature {
            put("ID", signature.id.as_str().into());
            put("Version", signature.version.as_str().into());
        }
        // An event that is no threat has no other name.
        let name = threat
            .map(|threat| &threat.name)
            .filter(|name| !name.is_empty())
            .unwrap_or(&detection.name);
        put("Name", name.as_str().into());
        put("EventName", detection.name.as_str().into());
        let description = threat
            .map(|threat| &threat.description)
            .filter(|description| !description.is_empty())
            .or(signature.map(|signature| &signature.description));
        if let Some(description) = description {
            put("Description", description.as_str().into());
        }
        if let Some(signature) = signature {
            put("Tags", signature.tags.as_slice().into());
        }
        put("Properties", threat.map(properties).unwrap_or_default().into());
        metadata.into()
    }
}

impl Sink for Signatures {
    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.finding(&detection.event))?;
        out.push(b'\n');
        Ok(())
    }
}

/// The properties that a signature of this threat had. Those that the threat sets itself stay as they are.
fn properties(threat: &proto::Threat) -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert("Severity".to_owned(), threat.severity.into());
    for (key, value) in &threat.properties {
        properties.entry(key).or_insert_with(|| value.as_str().into());
    }
    let mitre = threat.mitre.as_ref();
    let tactic = mitre.and_then(|mitre| mitre.tactic.as_ref());
    let technique = mitre.and_then(|mitre| mitre.technique.as_ref());
    let named = [
        ("Category", tactic.map(|tactic| slug(&tactic.name))),
        ("Technique", technique.map(|technique| technique.name.clone())),
        ("external_id", technique.map(|technique| technique.id.clone())),
    ];
    for (key, value) in named {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            properties.entry(key).or_insert_with(|| value.into());
        }
    }
    properties
}

/// `Defense Evasion` as `defense-evasion`.
fn slug(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use detectors_api::prelude::*;
    use detectors_api::testkit::{TestEvent, batches};
    use detectors_engine::EngineBuilder;
    use detectors_stores::Stores;

    use super::*;

    struct Watched(AutoPopulate);

    impl EventDetector for Watched {
        fn definition(&self) -> DetectorDefinition {
            DetectorDefinition::new("ACME-9", "watched")
                .describe("A watched file was opened")
                .version(Version::new(1, 2, 0))
                .tag("files")
                .on(EventRequirement::new("security_file_open"))
                .threat(
                    Threat::high("Watched file opened")
                        .tactic("Defense Evasion")
                        .technique("T1003", "OS Credential Dumping")
                        .property("id", "attack-pattern--0a3ead4e"),
                )
                .auto_populate(self.0)
        }

        fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
            let path = event.get::<&str>("pathname").unwrap_or_default();
            Ok(Output::new().with("path", path).with("inode", u64::MAX).into())
        }
    }

    fn found(detector: Watched) -> serde_json::Value {
        let signatures = Signatures::new([&detector.definition()]);
        let mut engine = EngineBuilder::new().detector(detector).build().engine;
        let window = batches(&[TestEvent::new("security_file_open")
            .at_ns(1_785_571_200_987_654_321)
            .process(4242, 1_000_000_000)
            .parent(1, 1)
            .comm("cat")
            .exe("/usr/bin/cat")
            .uid(1000)
            .container("3f4a", true)
            .stack(&[0x40_1000])
            .set("pathname", "/etc/shadow")]);
        let mut stores = Stores::new();
        stores.apply(&window).expect("in order");
        let detections = engine.process(&window, &stores);
        signatures.finding(&detections[0].event)
    }

    #[test]
    fn a_finding_tells_what_where_and_why() {
        insta::assert_json_snapshot!(found(Watched(AutoPopulate::ALL)));
    }

    #[test]
    fn what_a_detection_does_not_tell_is_left_out() {
        let finding = found(Watched(AutoPopulate::NONE));
        assert_eq!(finding["SigMetadata"]["Properties"], json!({}));
        assert_eq!(finding["SigMetadata"]["Name"], "watched");
        let context = finding["Context"].as_object().expect("an object");
        assert_eq!(context["hostProcessId"], 4242);
        for key in ["eventName", "eventId", "args", "argsNum", "processorId"] {
            assert!(!context.contains_key(key), "{key}");
        }
    }
}
