//! Detections as OCSF Detection Findings (class 2004) of schema 1.5.0, profile `container`: what security lakes ingest.
//!
//! Who did it is the evidence. What the schema has no place for is in `unmapped`, so that nothing of a detection is lost but the
//! precision of its time, which `metadata.original_time` has. Times are ms since the Unix epoch.

mod evidence;

use std::io;

use detectors_api::definition::DetectorDefinition;
use detectors_api::event::Event;
use detectors_api::proto::{self, Severity};
use detectors_engine::Detection;
use serde_json::{Map, Value, json};

use super::about::{Capture, Roster};
use super::threat::Mitre;
use super::words::{known, rfc3339, sentence, title};
use super::{Sink, tool};

/// Version of the schema.
const SCHEMA: &str = "1.5.0";
/// The class, by number.
const DETECTION_FINDING: u32 = 2004;
/// Activity of a finding that is new.
const CREATE: u32 = 1;
/// Analytics that are rules, as opposed to statistics or models.
const RULE: u32 = 1;

/// One finding a line.
#[derive(Debug)]
pub(super) struct Ocsf {
    roster: Roster,
    capture: Option<Capture>,
}

impl Ocsf {
    pub(super) fn new(roster: Roster) -> Self {
        Self {
            roster,
            capture: None,
        }
    }

    fn finding(&self, detection: &Detection) -> Value {
        let event = &detection.event;
        let view = Event::from_message(detection.seq, event);
        let uid = self.uid(detection);
        let (severity_id, severity) = severity(event.threat.as_ref());
        let mut finding = json!({
            "activity_id": CREATE,
            "activity_name": "Create",
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": DETECTION_FINDING,
            "class_name": "Detection Finding",
            "type_uid": DETECTION_FINDING * 100 + CREATE,
            "type_name": "Detection Finding: Create",
            // The schema insists on a time: 0 stands for one that was not recorded.
            "time": view.timestamp_ns().map_or(0, ms),
            "severity_id": severity_id,
            "severity": severity,
            "status_id": 1,
            "status": "New",
            "is_alert": event.threat.is_some(),
            "message": sentence(event),
            "finding_info": self.info(detection, &uid),
            "evidences": [evidence::of(event)],
            "metadata": self.metadata(detection, uid),
        });
        let unmapped = self.unmapped(detection);
        if !unmapped.is_empty() {
            finding["unmapped"] = unmapped.into();
        }
        finding
    }

    /// The same for the same detection in the same capture, and for no other.
    fn uid(&self, detection: &Detection) -> String {
        let capture = self.capture.as_ref().map_or("", |capture| capture.id.as_str());
        let (seq, level, id, index) = detection.order();
        format!("{capture}/{seq}/{level}/{id}/{index}")
    }

    fn info(&self, detection: &Detection, uid: &str) -> Value {
        let event = &detection.event;
        let threat = event.threat.as_ref();
        let definition = self.roster.detector(&detection.detector_id);
        let mut info = Map::new();
        info.insert("uid".to_owned(), uid.into());
        info.insert("title".to_owned(), title(event).into());
        let description = threat
            .and_then(|threat| known(&threat.description))
            .or(definition.and_then(|definition| known(&definition.event.description)));
        if let Some(text) = description {
            info.insert("desc".to_owned(), text.into());
        }
        info.insert("types".to_owned(), json!([event.name]));
        let attacks = threat.map(attacks).unwrap_or_default();
        if !attacks.is_empty() {
            info.insert("attacks".to_owned(), attacks.into());
        }
        info.insert(
            "analytic".to_owned(),
            analytic(&detection.detector_id, definition),
        );
        if let Some(origin) = &event.detected_from {
            info.insert("data_sources".to_owned(), json!([origin.name]));
        }
        info.into()
    }

    fn metadata(&self, detection: &Detection, uid: String) -> Value {
        let mut metadata = json!({
            "version": SCHEMA,
            "product": {"name": tool::NAME, "vendor_name": tool::NAME, "version": tool::VERSION},
            "profiles": ["container"],
            "uid": uid,
            "event_code": &*detection.detector_id,
            // Numbers of the schema are signed.
            "sequence": i64::try_from(detection.seq).unwrap_or(i64::MAX),
        });
        if let Some(capture) = &self.capture {
            metadata["log_name"] = capture.id.as_str().into();
        }
        let view = Event::from_message(detection.seq, &detection.event);
        if let Some(time) = view.timestamp_ns().and_then(rfc3339) {
            metadata["original_time"] = time.into();
        }
        metadata
    }

    fn unmapped(&self, detection: &Detection) -> Map<String, Value> {
        let mut unmapped = evidence::unmapped(&detection.event);
        unmapped.insert("level".to_owned(), detection.level.into());
        unmapped.insert("output".to_owned(), detection.index.into());
        if let Some(capture) = &self.capture {
            let about = json!({"digest": capture.digest, "state": capture.state, "host": capture.host});
            unmapped.insert("capture".to_owned(), about);
        }
        unmapped
    }
}

impl Sink for Ocsf {
    fn capture(&mut self, capture: &Capture) {
        self.capture = Some(capture.clone());
    }

    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.finding(&detection))?;
        out.push(b'\n');
        Ok(())
    }
}

/// A time, ns since the Unix epoch, in whole ms.
fn ms(ns: i64) -> i64 {
    ns.div_euclid(1_000_000)
}

/// Number and name of a severity; what is no threat is informational.
fn severity(threat: Option<&proto::Threat>) -> (u32, &'static str) {
    let Some(threat) = threat else {
        return (1, "Informational");
    };
    match Severity::try_from(threat.severity) {
        Ok(Severity::Info) => (1, "Informational"),
        Ok(Severity::Low) => (2, "Low"),
        Ok(Severity::Medium) => (3, "Medium"),
        Ok(Severity::High) => (4, "High"),
        Ok(Severity::Critical) => (5, "Critical"),
        Err(_) => (0, "Unknown"),
    }
}

/// The detector.
fn analytic(id: &str, definition: Option<&DetectorDefinition>) -> Value {
    let mut analytic = json!({"uid": id, "type_id": RULE, "type": "Rule"});
    if let Some(definition) = definition {
        let event = &definition.event;
        analytic["name"] = event.name.as_str().into();
        analytic["version"] = event.version.to_string().into();
        if let Some(text) = known(&event.description) {
            analytic["desc"] = text.into();
        }
    }
    analytic
}

/// MITRE ATT&CK: the first tactic stands with the first technique, which is how the model has them; others stand alone, because
/// nothing says which belong together.
fn attacks(threat: &proto::Threat) -> Vec<Value> {
    let mitre = Mitre::of(threat);
    let technique = |(id, name): (&str, Option<&str>)| {
        let mut technique = Map::new();
        if let Some(id) = known(id) {
            technique.insert("uid".to_owned(), id.into());
        }
        if let Some(name) = name {
            technique.insert("name".to_owned(), name.into());
        }
        technique
    };
    let (mut tactics, mut techniques) = (mitre.tactics.into_iter(), mitre.techniques.into_iter());
    let mut attacks = Vec::new();
    loop {
        let (tactic, next) = (tactics.next(), techniques.next());
        let paired = attacks.is_empty();
        match (tactic, next) {
            (None, None) => break,
            (Some(tactic), Some(next)) if paired => {
                attacks.push(json!({"tactic": {"name": tactic}, "technique": technique(next)}));
            }
            (tactic, next) => {
                attacks.extend(tactic.map(|name| json!({"tactic": {"name": name}})));
                attacks.extend(next.map(|next| json!({"technique": technique(next)})));
            }
        }
    }
    attacks.extend(
        mitre
            .sub_techniques
            .iter()
            .map(|id| json!({"sub_technique": {"uid": id}})),
    );
    attacks
}
