//! Every line of every example of the reference is true.

use std::fs;

use detectors_api::stores::{ContainerInfo, DnsResponse, ProcessInfo, Runtime};
use detectors_api::testkit::{MockStores, TestEvent, batches};
use detectors_yaml::cel::Value;

use crate::ask;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cel.md");

#[test]
fn examples_are_true() {
    let batches = batches(&[TestEvent::new("sched_process_exec")
        .set("pathname", "/usr/bin/bash")
        .set("argv", ["bash", "-c", "id"].map(str::to_owned).to_vec())
        .exe("/usr/bin/bash")
        .comm("bash")
        .parent(7, 1)
        .pid(12)
        .uid(0)
        .syscall("execve")
        .container("c0ffee", true)
        .image("web", "nginx:1", "sha256:1")
        .pod("web-1", "prod", "uid-1")]);
    let event = batches[0].event(0);
    let entity_id = event.process().entity_id().expect("it has one");
    let stores = MockStores::new()
        .process(ProcessInfo {
            entity_id,
            parent_entity_id: Some(2),
            name: "bash",
            ..Default::default()
        })
        .process(ProcessInfo {
            entity_id: 2,
            name: "nginx",
            uid: Some(0),
            ..Default::default()
        })
        .container(ContainerInfo {
            id: "c0ffee",
            runtime: Runtime::Docker,
            ..Default::default()
        })
        .answer(DnsResponse {
            query: "evil.example".to_owned(),
            ips: vec!["10.0.0.1"],
            domains: Vec::new(),
            truncated: false,
        })
        .symbol("do_exit", 4096)
        .syscall(59, "execve");
    let page = fs::read_to_string(PAGE).expect("the page is there");
    let mut examples = 0;
    for block in page.split("```cel\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.lines() {
            assert_eq!(ask(&event, &stores, line), Ok(Value::Bool(true)), "{line}");
            examples += 1;
        }
    }
    assert!(examples > 40, "only {examples} examples are on the page");
}
