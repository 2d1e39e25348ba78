//! `detectors list` and `detectors show`.

use insta::assert_snapshot;

use super::incident::{Incident, lines, member, text};

#[test]
fn a_list_for_people() {
    let incident = Incident::new();
    let output = incident.run(&["detectors", "list", "rules", "TRC-107", "-o", "table"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_list_for_programs() {
    let incident = Incident::new();
    let all = lines(&incident.run(&["detectors", "list"]).stdout);
    assert_eq!(all.len(), detectors_builtin::detectors().len());
    let tagged = lines(&incident.run(&["detectors", "list", "tag=default"]).stdout);
    assert_eq!(tagged, all);
    let severe = lines(&incident.run(&["detectors", "list", "severity>=high"]).stdout);
    assert!(!severe.is_empty() && severe.len() < all.len());
    for detector in severe {
        let severity = member(&detector["threat"], "severity");
        assert!(["high", "critical"].contains(&severity.as_str()), "{severity}");
    }
    let array = incident
        .run(&["detectors", "list", "rules/", "-o", "json"])
        .stdout;
    let array: serde_json::Value = serde_json::from_slice(&array).expect("JSON");
    assert_eq!(array.as_array().map(Vec::len), Some(4));
    assert_eq!(array[1]["producers"][0], "chain-1");
    assert_eq!(array[1]["consumers"][0], "chain-3");
}

#[test]
fn everything_about_a_detector() {
    let incident = Incident::new();
    let output = incident.run(&[
        "detectors",
        "show",
        "TRC-107",
        "netcat_in_container",
        "--in",
        "rules",
        "-o",
        "table",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_snapshot!(text(&output.stdout));
}

#[test]
fn names_and_files_that_are_wrong_are_told() {
    let incident = Incident::new();
    let stderr = incident.fails(&["detectors", "show", "ld_prelod"], 2);
    assert!(stderr.contains("did you mean ld_preload?"), "{stderr}");
    // The others are listed all the same.
    incident.write("rules/broken.yaml", "type: detektor\n");
    let output = incident.run(&["detectors", "list", "rules"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(lines(&output.stdout).len(), 4);
    assert!(text(&output.stderr).contains("rules/broken.yaml:1:7"));
}
