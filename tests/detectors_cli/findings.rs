//! `replay -o findings`.

use super::incident::{Incident, lines, text};

#[test]
fn detections_in_the_shape_of_signatures() {
    let incident = Incident::new();
    let output = incident.run(&[
        "replay",
        "incident.tcap",
        "--detectors",
        "TRC-107,rules",
        "-o",
        "findings",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let findings = lines(&output.stdout);
    assert_eq!(findings.len(), 6);
    insta::assert_json_snapshot!(findings.last().expect("there are six"));
    for finding in &findings {
        let members: Vec<_> = finding.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["Data", "Context", "SigMetadata"]);
    }
}
