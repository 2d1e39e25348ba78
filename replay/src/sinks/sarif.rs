//! Detections as a SARIF 2.1.0 document: what code-scanning services, editors and security dashboards import.
//!
//! * Rules are the detectors that ran, by id; their tags name MITRE ATT&CK, and `security-severity` is the score from 0 to 10 that
//!   GitHub sorts by.
//! * A result says who did it in its location: the binary as a file, and the process as a logical location.
//! * `partialFingerprints` are equal for detections of the same behaviour in any capture: they are made of the detector, the
//!   binary, the image and the texts in the detection, not of times, ids or numbers.
//! * Each capture is an invocation, with its digest. What could not be read, what is missing from captures and detectors that were
//!   refused are notifications of the last one.
//!
//! Results are written as they come; only rules and captures are held.

use std::collections::BTreeMap;
use std::io;

use detectors_api::definition::DetectorDefinition;
use detectors_api::event::Event;
use detectors_api::proto::event_value::Value as Field;
use detectors_api::proto::{self, Severity};
use detectors_engine::Detection;
use serde_json::{Map, Value, json};

use super::about::{Capture, Ending, Roster};
use super::findings::object;
use super::threat::Mitre;
use super::words::{known, rfc3339, sentence, severity_name, title};
use super::{Sink, tool};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Name of the fingerprints of results. The number grows when they are made in another way.
const FINGERPRINT: &str = "detection/v1";

/// A document with one run.
#[derive(Debug)]
pub(super) struct Sarif {
    roster: Roster,
    /// Places of the rules in the document, by detector.
    rules: BTreeMap<String, usize>,
    captures: Vec<Capture>,
    /// Whether there is a result in front.
    any: bool,
}

impl Sarif {
    pub(super) fn new(roster: Roster) -> Self {
        let ids = roster.detectors().map(|definition| definition.id.clone());
        Self {
            rules: ids.enumerate().map(|(place, id)| (id, place)).collect(),
            roster,
            captures: Vec::new(),
            any: false,
        }
    }

    fn result(&self, detection: &Detection) -> Value {
        let event = &detection.event;
        let threat = event.threat.as_ref();
        let mut result = json!({"ruleId": &*detection.detector_id});
        if let Some(place) = self.rules.get(&*detection.detector_id) {
            result["ruleIndex"] = (*place).into();
        }
        // What is no threat is no failure, and only failures have a level.
        result["kind"] = if threat.is_some() { "fail" } else { "informational" }.into();
        result["level"] = threat.map_or("none", |threat| level(threat.severity)).into();
        result["message"] = json!({"text": plain(&sentence(event))});
        if let Some(location) = location(event) {
            result["locations"] = json!([location]);
        }
        result["partialFingerprints"] = json!({FINGERPRINT: fingerprint(detection)});
        if let Some(last) = self.captures.len().checked_sub(1) {
            result["provenance"] = json!({"invocationIndex": last});
        }
        result["properties"] = properties(detection);
        result
    }

    fn invocations(&self, ending: &Ending) -> Vec<Value> {
        let refused = self.roster.refused().map(|(id, reasons)| {
            json!({
                "level": "warning",
                "message": {"text": plain(&format!("detector {id} does not run: {}", reasons.join("; ")))},
            })
        });
        let refused: Vec<_> = refused.collect();
        let failures = ending.failures.iter().flat_map(|(id, texts)| {
            texts.iter().map(move |text| {
                let mut failure = json!({"level": "error", "message": {"text": plain(text)}});
                if let Some(place) = self.rules.get(id) {
                    failure["associatedRule"] = json!({"id": id, "index": place});
                }
                failure
            })
        });
        let told = |level: &'static str, texts: &[String]| -> Vec<Value> {
            let message = |text: &String| json!({"level": level, "message": {"text": plain(text)}});
            texts.iter().map(message).collect()
        };
        let mut troubles = told("error", &ending.unread);
        troubles.extend(told("warning", &ending.missing));
        troubles.extend(failures);
        let captures = self.captures.iter().map(Some);
        let alone = self.captures.is_empty().then_some(None);
        let invocation = |capture: Option<&Capture>| {
            let mut invocation = json!({"executionSuccessful": ending.unread.is_empty()});
            if let Some(code) = ending.exit_code {
                invocation["exitCode"] = code.into();
            }
            if let Some(capture) = capture {
                invocation["properties"] = json!({
                    "captureId": capture.id,
                    "captureDigest": capture.digest,
                    "captureState": capture.state,
                    "hostName": capture.host,
                });
            }
            invocation
        };
        let mut invocations: Vec<_> = captures.chain(alone).map(invocation).collect();
        // They are about the run: once is enough.
        if let Some(last) = invocations.last_mut() {
            last["toolConfigurationNotifications"] = refused.into();
            last["toolExecutionNotifications"] = troubles.into();
        }
        invocations
    }
}

impl Sink for Sarif {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let rules: Vec<_> = self.roster.detectors().map(rule).collect();
        let driver = json!({
            "name": tool::NAME,
            "version": tool::VERSION,
            "semanticVersion": tool::VERSION,
            "informationUri": tool::HOME,
            "rules": rules,
        });
        out.extend_from_slice(
            format!(r#"{{"$schema":"{SCHEMA}","version":"2.1.0","runs":[{{"tool":{{"driver":{driver}}},"results":["#)
                .as_bytes(),
        );
        Ok(())
    }

    fn capture(&mut self, capture: &Capture) {
        self.captures.push(capture.clone());
    }

    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        let separator: &[u8] = if self.any { b",\n" } else { b"\n" };
        self.any = true;
        out.extend_from_slice(separator);
        serde_json::to_writer(out, &self.result(&detection))?;
        Ok(())
    }

    fn end(&mut self, ending: &Ending, out: &mut Vec<u8>) -> io::Result<()> {
        let invocations = Value::from(self.invocations(ending));
        let line_break = if self.any { "\n" } else { "" };
        out.extend_from_slice(format!("{line_break}],\"invocations\":{invocations}}}]}}\n").as_bytes());
        Ok(())
    }
}

/// A detector as a rule.
fn rule(definition: &DetectorDefinition) -> Value {
    let event = &definition.event;
    let threat = definition.threat.as_ref();
    let short = threat.map_or("", |threat| threat.name.as_str());
    let description = known(&event.description).unwrap_or(&event.name);
    let full = threat
        .and_then(|threat| known(&threat.description))
        .unwrap_or(description);
    let mut properties = Map::new();
    properties.insert("tags".to_owned(), tags(definition).into());
    if let Some(threat) = threat {
        let score = security_severity(threat.severity);
        properties.insert("security-severity".to_owned(), score.into());
    }
    properties.insert("version".to_owned(), event.version.to_string().into());
    json!({
        "id": definition.id,
        "name": event.name,
        "shortDescription": {"text": plain(known(short).unwrap_or(description))},
        "fullDescription": {"text": plain(full)},
        "defaultConfiguration": {"level": threat.map_or("none", |threat| level(threat.severity.into()))},
        "properties": properties,
    })
}

/// `security`, which makes services show the score; the detector's own tags; MITRE ATT&CK.
fn tags(definition: &DetectorDefinition) -> Vec<String> {
    let mut tags = Vec::new();
    if let Some(threat) = &definition.threat {
        tags.push("security".to_owned());
        let threat = threat.to_proto();
        let mitre = Mitre::of(&threat);
        tags.extend(mitre.tactics.iter().map(|name| format!("mitre/tactic/{name}")));
        let techniques = mitre
            .techniques
            .iter()
            .map(|(id, name)| name.filter(|_| id.is_empty()).unwrap_or(id));
        tags.extend(techniques.map(|id| format!("mitre/technique/{id}")));
        tags.extend(
            mitre
                .sub_techniques
                .iter()
                .map(|id| format!("mitre/technique/{id}")),
        );
    }
    for tag in &definition.event.tags {
        // Tags of a rule are a set.
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

fn level(severity: i32) -> &'static str {
    match Severity::try_from(severity) {
        Ok(Severity::Critical | Severity::High) => "error",
        Ok(Severity::Medium) => "warning",
        Ok(Severity::Low | Severity::Info) => "note",
        // A severity of a newer model: at least it is shown.
        Err(_) => "warning",
    }
}

/// The middle of the range that GitHub calls by the name of the severity.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "0.0",
        Severity::Low => "2.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

/// The text as a plain-text message: braces stand for themselves, and nothing in it is a link.
fn plain(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}").replace("](", "] (")
}

/// Where it happened: in which binary, process and container.
fn location(event: &proto::Event) -> Option<Value> {
    let view = Event::from_message(0, event);
    let (process, container) = (view.process(), view.container());
    let path = process.executable_path();
    let mut location = Map::new();
    if path.starts_with('/') {
        let uri = format!("file://{}", percent_encoded(path));
        location.insert(
            "physicalLocation".to_owned(),
            json!({"artifactLocation": {"uri": uri}}),
        );
    }
    let mut places = Vec::new();
    if let Some(name) = known(view.thread().name()).or(known(path)) {
        let name = plain_name(name);
        let whole = match process.host_pid() {
            Some(pid) => format!("{name}({pid})"),
            None => name.clone(),
        };
        places.push(json!({"name": name, "fullyQualifiedName": whole, "kind": "process"}));
    }
    if let Some(name) = known(container.name()).or(known(container.id())) {
        let whole = known(container.id()).unwrap_or(name);
        places.push(json!({"name": name, "fullyQualifiedName": whole, "kind": "container"}));
    }
    if !places.is_empty() {
        location.insert("logicalLocations".to_owned(), places.into());
    }
    (!location.is_empty()).then(|| location.into())
}

/// Control characters are no part of a name.
fn plain_name(name: &str) -> String {
    super::words::printable(name).replace('\n', "\u{fffd}")
}

/// A path in a URI: all bytes but those that a path may have are escaped (RFC 3986, `pchar` and `/`).
fn percent_encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// What stays the same when the same behaviour is found again: 128 bits in hexadecimal.
fn fingerprint(detection: &Detection) -> String {
    let event = &detection.event;
    let view = Event::from_message(0, event);
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        // Lengths keep texts apart.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(&detection.detector_id);
    add(&event.name);
    add(title(event));
    add(view.process().executable_path());
    add(view.container().image());
    for field in &event.data {
        if let Some(Field::Str(text)) = &field.value {
            add(&field.name);
            add(text);
        }
    }
    let hash = hasher.finalize().to_hex();
    hash.as_str()[..32].to_owned()
}

fn properties(detection: &Detection) -> Value {
    let event = &detection.event;
    let view = Event::from_message(detection.seq, event);
    let mut properties = json!({
        "seq": detection.seq,
        "level": detection.level,
        "output": detection.index,
        "event": event.name,
    });
    if let Some(time) = view.timestamp_ns().and_then(rfc3339) {
        properties["timestamp"] = time.into();
    }
    if let Some(threat) = &event.threat {
        properties["severity"] = severity_name(threat.severity).into();
    }
    if let Some(origin) = &event.detected_from {
        properties["detectedFrom"] = origin.name.as_str().into();
    }
    properties["data"] = object(&event.data);
    properties
}
