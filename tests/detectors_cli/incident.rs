//! A capture in which a few things happen, and rules that find them.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use capture::{CaptureWriter, Header, WriterOptions};
use detectors_api::testkit::TestEvent;
use serde_json::Value;
use tempfile::TempDir;

/// A directory with the capture `incident.tcap` and the rules `rules/`.
pub(super) struct Incident(TempDir);

/// The chain: netcat is executed; in a container; in one with a name. And a rule that stands alone.
const RULES: [(&str, &str); 4] = [
    (
        "level1.yaml",
        "type: detector
id: chain-1
produced_event:
  name: netcat_execution
  version: 1.0.0
  tags: [chain]
  fields: [{name: binary_path, type: string}]
requirements:
  events:
    - name: sched_process_exec
      data_filters: [pathname=/usr/bin/nc]
auto_populate: {detected_from: true}
output:
  fields: [{name: binary_path, expression: getEventData(\"pathname\")}]
",
    ),
    (
        "level2.yaml",
        "type: detector
id: chain-2
produced_event:
  name: netcat_in_container
  version: 1.0.0
  tags: [chain]
  fields: [{name: container_id, type: string}]
requirements:
  events:
    - name: netcat_execution
      scope_filters: [container]
threat: {name: Netcat in a container, description: Seldom for good., severity: medium}
auto_populate: {threat: true, detected_from: true}
output:
  fields: [{name: container_id, expression: workload.container.id}]
",
    ),
    (
        "level3.yaml",
        "type: detector
id: chain-3
produced_event:
  name: netcat_alert
  version: 1.0.0
  tags: [chain, alerts]
requirements:
  events:
    - name: netcat_in_container
conditions:
  - getEventData(\"container_id\") != \"\"
threat:
  name: Netcat alert
  description: Somebody should look at this.
  severity: critical
  mitre: {technique: {id: T1021, name: Remote Services}, tactic: {name: Lateral Movement}}
auto_populate: {threat: true, detected_from: true}
",
    ),
    (
        "shadow.yaml",
        "type: detector
id: shadow
produced_event:
  name: shadow_opened
  version: 1.0.0
requirements:
  events:
    - name: security_file_open
      data_filters: [pathname=/etc/shadow]
",
    ),
];

impl Incident {
    pub(super) fn new() -> Self {
        let incident = Self(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(incident.path("rules")).expect("a directory");
        for (name, text) in RULES {
            incident.write(&format!("rules/{name}"), text);
        }
        let header = Header {
            enrichments: vec!["environment".to_owned()],
            ..Header::default()
        };
        let path = incident.path("incident.tcap");
        let mut writer =
            CaptureWriter::create(&path, header, WriterOptions::default()).expect("a new capture");
        for event in events() {
            writer.push(&event.to_recorded());
        }
        writer.finish().expect("finished");
        incident
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Runs the program in the directory.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        Command::cargo_bin("tracee-cap")
            .expect("the binary is built with the tests")
            .current_dir(self.0.path())
            .args(arguments)
            .output()
            .expect("it runs")
    }

    /// The events of the detections of a replay, and what was said on stderr.
    pub(super) fn replay(&self, arguments: &[&str]) -> (Vec<String>, String) {
        let output = self.run(&[&["replay", "incident.tcap"], arguments].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        let found = lines(&output.stdout);
        (found.iter().map(|found| member(found, "name")).collect(), stderr)
    }

    /// What a command that must fail says.
    pub(super) fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        stderr
    }
}

fn events() -> Vec<TestEvent> {
    let exec = |path: &str| TestEvent::new("sched_process_exec").set("pathname", path);
    vec![
        exec("/usr/bin/bash").comm("bash").process(100, 1_000),
        exec("/usr/bin/nc")
            .comm("nc")
            .process(101, 2_000)
            .container("3f4a9d", true),
        exec("/usr/bin/nc").comm("nc").process(102, 3_000),
        TestEvent::new("security_file_open")
            .set("pathname", "/etc/shadow")
            .comm("cat")
            .process(103, 4_000),
        exec("/usr/bin/ls")
            .set("env", vec!["LD_PRELOAD=/tmp/evil.so".to_owned()])
            .comm("ls")
            .process(104, 5_000),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, event)| event.at_ns(1_785_571_200_000_000_000 + index as i64 * 1_000_000))
    .collect()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub(super) fn lines(bytes: &[u8]) -> Vec<Value> {
    text(bytes)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

pub(super) fn member(value: &Value, key: &str) -> String {
    value[key].as_str().expect("a text").to_owned()
}

/// The files of a directory.
pub(super) fn directory(path: &Path) -> usize {
    std::fs::read_dir(path).expect("a directory").count()
}
