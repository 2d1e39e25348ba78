//! The examples that come with the program find what they say.

mod support;

use detectors_api::event::RecordedEvent;
use detectors_api::proto;
use detectors_api::testkit::TestEvent;
use support::{briefs, read, run};

const EXAMPLES: &str = "examples";

fn exec(path: &str) -> TestEvent {
    TestEvent::new("sched_process_exec").set("pathname", path)
}

/// `event` in a container called `name`.
fn in_container(event: TestEvent, name: &str) -> RecordedEvent {
    let mut recorded = event.container("c0ffee", true).to_recorded();
    if let Some(container) = recorded
        .event
        .workload
        .as_mut()
        .and_then(|workload| workload.container.as_mut())
    {
        container.name = name.to_owned();
    }
    recorded
}

/// Names of the events that a detection was detected from, the nearest first.
fn origins(event: &proto::Event) -> Vec<&str> {
    let first = event.detected_from.as_ref();
    std::iter::successors(first, |from| from.parent.as_deref())
        .map(|from| from.name.as_str())
        .collect()
}

#[test]
fn shells_are_found_with_the_shared_list() {
    let events = [exec("/usr/bin/zsh").pid(7), exec("/usr/bin/ls")].map(|event| event.to_recorded());
    let detections = run(read(EXAMPLES), &events);
    assert_eq!(
        briefs(&detections),
        ["shell_execution_detected shell_path=/usr/bin/zsh pid=7"]
    );
    let event = &detections[0].event;
    assert_eq!(origins(event), ["sched_process_exec"]);
    assert!(event.threat.is_none());
}

#[test]
fn suspicious_programs_are_a_threat() {
    let events = [
        exec("/usr/bin/nmap").comm("nmap"),
        exec("/usr/bin/nmap").comm(""),
        exec("/usr/local/bin/nmap").comm("nmap"),
    ]
    .map(|event| event.to_recorded());
    let detections = run(read(EXAMPLES), &events);
    assert_eq!(
        briefs(&detections),
        ["suspicious_binary_execution binary_path=/usr/bin/nmap binary_name=nmap"]
    );
    let threat = detections[0].event.threat.as_ref().expect("it is a threat");
    let mitre = threat.mitre.as_ref().expect("it has a technique");
    assert_eq!(threat.severity(), proto::Severity::Medium);
    assert_eq!(
        mitre.technique.as_ref().map(|technique| technique.id.as_str()),
        Some("T1059")
    );
}

#[test]
fn a_chain_carries_all_of_its_levels() {
    let events = [
        exec("/usr/bin/nc").to_recorded(),
        in_container(exec("/usr/bin/nc"), ""),
        in_container(exec("/usr/bin/nc"), "web"),
    ];
    let detections = run(read(EXAMPLES), &events);
    let found: Vec<_> = detections
        .iter()
        .filter(|detection| detection.event.name.starts_with("netcat"))
        .map(|detection| (detection.seq, detection.level, support::brief(&detection.event)))
        .collect();
    let level1 = "netcat_execution binary_path=/usr/bin/nc";
    let level2 = "netcat_in_container binary_path=/usr/bin/nc container_id=c0ffee container_name=";
    let level3 = "netcat_privileged_alert binary_path=/usr/bin/nc container_id=c0ffee container_name=web";
    let expected = [
        (1, 1, level1.to_owned()),
        (2, 1, level1.to_owned()),
        (2, 2, level2.to_owned()),
        (3, 1, level1.to_owned()),
        (3, 2, format!("{level2}web")),
        (3, 3, level3.to_owned()),
    ];
    assert_eq!(
        found, expected,
        "a name that is not known is empty, which level 3 does not want"
    );
    let last = detections
        .iter()
        .find(|detection| detection.level == 3)
        .expect("the third event has a name");
    assert_eq!(
        origins(&last.event),
        ["netcat_in_container", "netcat_execution", "sched_process_exec"]
    );
}
