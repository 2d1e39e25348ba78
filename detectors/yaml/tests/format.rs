//! What the format takes, beyond what Tracee's own reader takes.

mod support;

use detectors_api::catalogue::{FieldType, Version};
use detectors_api::definition::{AutoPopulate, Dependency, DetectorDefinition};
use detectors_api::detector::EventDetector as _;
use detectors_api::proto::Severity;
use detectors_yaml::load::{Loaded, load};

/// A detector with these lines at its end, `requirements` left open.
fn loaded(produced: &str, requirements: &str, rest: &str) -> Loaded {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let text = format!(
        "type: ' Detector '\nid: x\nproduced_event:\n  name: x\n  version: 1.0\n{produced}\
         requirements:\n  events:\n    - name: sched_process_exec\n{requirements}{rest}"
    );
    let path = directory.path().join("x.yaml");
    std::fs::write(&path, text).expect("a file can be written");
    load([path])
}

fn definition(produced: &str, requirements: &str, rest: &str) -> DetectorDefinition {
    let loaded = loaded(produced, requirements, rest);
    let errors: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    loaded.detectors[0].definition()
}

#[test]
fn a_version_needs_no_quotes_and_a_description_is_not_needed() {
    let definition = definition("", "", "");
    assert_eq!(definition.event.version, Version::new(1, 0, 0));
    assert_eq!(definition.event.description, "");
    assert_eq!(definition.auto_populate, AutoPopulate::NONE);
}

#[test]
fn types_have_the_names_of_the_page_and_of_the_source() {
    let fields = "  fields:\n    - {name: a, type: const char*}\n    - {name: b, type: int64}\n    \
                  - {name: c, type: u32}\n    - {name: d, type: 'const char*[]', optional: true}\n    \
                  - {name: e, type: bytes, description: Text}\n";
    let definition = definition(fields, "", "");
    let types: Vec<_> = definition
        .event
        .fields
        .iter()
        .map(|field| field.field_type)
        .collect();
    assert_eq!(
        types,
        [
            FieldType::String,
            FieldType::Int64,
            FieldType::UInt32,
            FieldType::StringArray,
            FieldType::Bytes
        ]
    );
}

#[test]
fn threats_may_be_of_any_severity() {
    let threat = "threat:\n  description: d\n  severity: Info\n  mitre:\n    tactic: {name: Execution}\n  \
                  properties: {a: 1, b: ''}\n";
    let definition = definition("", "", threat);
    let threat = definition.threat.expect("it is a threat");
    assert_eq!(threat.severity, Severity::Info);
    assert_eq!((threat.tactics.len(), threat.techniques.len()), (1, 0));
    let properties: Vec<_> = threat.properties.iter().collect();
    assert_eq!(format!("{properties:?}"), r#"[("a", "1"), ("b", "")]"#);
}

#[test]
fn architectures_have_both_of_their_names() {
    let of = |names: &str| definition("", &format!("  architectures: {names}\n"), "").architectures;
    assert_eq!(of("[x86_64, arm64]"), ["x86_64", "arm64"]);
    assert_eq!(
        of("[amd64, riscv64]"),
        ["amd64"],
        "no recording comes from the other"
    );
    assert_eq!(of("[s390x]"), ["s390x"], "it must not run everywhere");
}

#[test]
fn stores_and_enrichments_can_be_required() {
    let requirements = "  datastores:\n    - name: process\n    - {name: dns, dependency: OPTIONAL}\n  \
                        enrichments:\n    - {name: exec-hash, config: inode}\n";
    let definition = definition("", requirements, "");
    let stores: Vec<_> = definition
        .stores
        .iter()
        .map(|requirement| (requirement.name.clone(), requirement.dependency))
        .collect();
    assert_eq!(
        stores,
        [
            ("process".to_owned(), Dependency::Required),
            ("dns".to_owned(), Dependency::Optional)
        ]
    );
    assert_eq!(definition.enrichments[0].name, "executable-hash");
    assert_eq!(definition.enrichments[0].config.as_deref(), Some("inode"));
}

#[test]
fn versions_of_tracee_are_checked_for_their_form() {
    definition("", "  min_tracee_version: 0.0.0\n", "");
    let high = loaded("", "  max_tracee_version: 1.0\n", "");
    assert_eq!(
        (high.detectors.len(), high.warnings.len()),
        (1, 1),
        "it runs, with a warning"
    );
    let empty = loaded("", "  min_tracee_version: 2.0\n  max_tracee_version: 1.0\n", "");
    assert_eq!(empty.detectors.len(), 0);
}

#[test]
fn what_is_left_empty_is_not_there_but_list_items_have_to_be() {
    let definition = definition("  tags:\n", "  architectures: ~\n", "threat: null\nconditions:\n");
    assert!(definition.event.tags.is_empty() && definition.threat.is_none());
    let loaded = loaded("  tags: [a, ~]\n", "", "");
    assert_eq!(loaded.errors.len(), 1);
    assert_eq!(loaded.errors[0].field, "produced_event.tags[1]");
}

#[test]
fn aliases_stand_for_what_they_name() {
    let rest = "conditions:\n  - &same 'true'\n  - *same\n";
    definition("", "", rest);
}
