//! `--event`, `--container`, `--process-tree`, `--where`: which events detectors are given.

use std::path::{Path, PathBuf};

use detectors_api::testkit::TestEvent;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{found, make, make_with, recorded, said};

/// Finds every event of two types, and says which file and which process it was.
const EVERYTHING: &str = "\
type: detector
id: ACME-1
produced_event:
  name: seen
  version: 1.0.0
  description: An event was seen
  fields:
    - {name: path, type: string}
    - {name: pid, type: uint32}
requirements:
  events:
    - name: security_file_open
    - name: openat
output:
  fields:
    - {name: path, expression: 'getEventData(\"pathname\")'}
    - {name: pid, expression: 'workload.process.host_pid'}
";

const START: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const WEB: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const DATABASE: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

struct Scene {
    directory: TempDir,
    capture: PathBuf,
    rule: String,
}

impl Scene {
    fn new(events: &[TestEvent]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let capture = directory.path().join("scene.tcap");
        make_with(&capture, recorded(events), &[]);
        let rule = directory.path().join("rule.yaml");
        std::fs::write(&rule, EVERYTHING).expect("written");
        let rule = rule.display().to_string();
        Self {
            directory,
            capture,
            rule,
        }
    }

    /// The files of the events that the detector is given.
    fn seen(&self, arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<_> = ["--detectors", &self.rule]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let path = |event: &Value| {
            let data = event["data"].as_array().expect("fields");
            data[0]["str"].as_str().expect("a path").to_owned()
        };
        found(&self.capture, &arguments).iter().map(path).collect()
    }

    fn said(&self, arguments: &[&str]) -> (String, i32) {
        let arguments: Vec<_> = ["--detectors", &self.rule]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        said(&arguments, &[&self.capture])
    }
}

fn open(path: &str) -> TestEvent {
    TestEvent::new("security_file_open").set("pathname", path)
}

#[test]
fn events_are_chosen_by_name() {
    let scene = Scene::new(&[
        open("/a"),
        TestEvent::new("openat").set("pathname", "/b"),
        open("/c"),
    ]);
    assert_eq!(scene.seen(&[]), ["/a", "/b", "/c"]);
    assert_eq!(scene.seen(&["--event", "openat"]), ["/b"]);
    assert_eq!(scene.seen(&["--event", "security_*"]), ["/a", "/c"]);
    assert_eq!(scene.seen(&["--event", "openat,security_file_open"]).len(), 3);
    let (text, code) = scene.said(&["--event", "security_file_opn"]);
    assert!(
        code == 2 && text.contains("did you mean security_file_open"),
        "{text}"
    );
    let (text, code) = scene.said(&["--event", "@nosuchset"]);
    assert!(code == 2 && text.contains("sets are:"), "{text}");
    let (text, code) = scene.said(&["--event", "ptrace"]);
    assert!(
        code == 0 && text.contains("no detector that runs looks at"),
        "{text}"
    );
}

#[test]
fn containers_are_chosen_by_id_and_by_name() {
    let scene = Scene::new(&[
        open("/host"),
        // Nobody had told its name yet.
        open("/web/early").container(WEB, true),
        open("/web").container(WEB, true).image("web", "nginx", ""),
        open("/database")
            .container(DATABASE, true)
            .image("database", "postgres", ""),
    ]);
    assert_eq!(scene.seen(&["--container", "web"]), ["/web/early", "/web"]);
    assert_eq!(scene.seen(&["--container", &WEB[..12]]), ["/web/early", "/web"]);
    assert_eq!(scene.seen(&["--container", DATABASE]), ["/database"]);
    assert_eq!(
        scene
            .seen(&["--container", "web", "--container", "database"])
            .len(),
        3
    );
    let (text, code) = scene.said(&["--container", "we"]);
    assert!(code == 0 && text.contains("has no container `we`"), "{text}");
    let (text, _) = scene.said(&["--container", &WEB[..6]]);
    assert!(text.contains("ids need 12 digits or more"), "{text}");
}

/// A shell (100) starts a script (200), which starts a reader (300). Then 200 comes back as somebody else's child.
fn family() -> Scene {
    let fork = |parent: (u32, u64), child: (u32, u64)| {
        TestEvent::new("sched_process_fork")
            .process(parent.0, parent.1)
            .set("parent_process_tid", parent.0 as i32)
            .set("parent_process_pid", parent.0 as i32)
            .set("parent_process_start_time", parent.1)
            .set("parent_tid", parent.0 as i32)
            .set("parent_pid", parent.0 as i32)
            .set("parent_start_time", parent.1)
            .set("leader_tid", child.0 as i32)
            .set("leader_pid", child.0 as i32)
            .set("leader_start_time", child.1)
            .set("child_tid", child.0 as i32)
            .set("child_pid", child.0 as i32)
            .set("start_time", child.1)
    };
    let (shell, script, reader, other, again) = (
        (100, START),
        (200, START + SECOND),
        (300, START + 2 * SECOND),
        (400, START + 3 * SECOND),
        (200, START + 9 * SECOND),
    );
    let open = |path: &str, who: (u32, u64)| open(path).process(who.0, who.1);
    Scene::new(&[
        open("/shell", shell),
        fork(shell, script),
        fork(script, reader),
        open("/reader", reader),
        open("/other", other),
        open("/script", script),
        fork(other, again),
        open("/again", again),
    ])
}

#[test]
fn a_process_comes_with_its_descendants() {
    let scene = family();
    assert_eq!(
        scene.seen(&["--process-tree", "100"]),
        ["/shell", "/reader", "/script"]
    );
    assert_eq!(scene.seen(&["--process-tree", "300"]), ["/reader"]);
    assert_eq!(scene.seen(&["--process-tree", "400"]), ["/other", "/again"]);
    // Both that had the id.
    assert_eq!(
        scene.seen(&["--process-tree", "200"]),
        ["/reader", "/script", "/again"]
    );
    let (text, code) = scene.said(&["--process-tree", "200"]);
    assert!(
        code == 0 && text.contains("2 processes were 200, and all are meant"),
        "{text}"
    );
    assert!(text.contains("since 2026-01-01T00:00:01.000000000Z"), "{text}");
    let script = detectors_api::entity::entity_id(200, START + SECOND);
    let root = format!("entity:{script}");
    assert_eq!(scene.seen(&["--process-tree", &root]), ["/reader", "/script"]);
    let (text, code) = scene.said(&["--process-tree", "4711"]);
    assert!(
        code == 2 && text.contains("no event is of process 4711"),
        "{text}"
    );
    assert_eq!(scene.said(&["--process-tree", "bash"]).1, 2);
    assert_eq!(
        scene.seen(&["--process-tree", "300", "--process-tree", "400"]),
        ["/reader", "/other", "/again"]
    );
    // The tree is known from before the range.
    assert_eq!(
        scene.seen(&["--process-tree", "100", "--from", "seq:3"]),
        ["/reader", "/script"]
    );
}

#[test]
fn conditions_are_filters_or_cel_and_all_hold() {
    let scene = Scene::new(&[
        open("/etc/passwd").uid(0),
        open("/etc/shadow").uid(1000),
        open("/tmp/x").uid(0),
    ]);
    assert_eq!(
        scene.seen(&["--where", "pathname=/etc/*"]),
        ["/etc/passwd", "/etc/shadow"]
    );
    assert_eq!(
        scene.seen(&["--where", "uid=0", "--where", "pathname=/etc/*"]),
        ["/etc/passwd"]
    );
    assert_eq!(
        scene.seen(&[
            "--where",
            "getEventData('pathname').endsWith('w') && workload.process.uid > 0u"
        ]),
        ["/etc/shadow"]
    );
    let (text, code) = scene.said(&["--where", "pathnam=/etc/*"]);
    assert!(
        code == 2 && text.contains("did you mean `pathname`?") && text.contains("as CEL"),
        "{text}"
    );
    assert_eq!(scene.said(&["--where", "cel:pathname=/etc/*"]).1, 2);
    // Events without a value do not match, and that is told.
    let (text, code) = scene.said(&["--where", "getEventData('argv').exists(a, a == 'x')"]);
    assert!(code == 0 && text.contains("no value for 3 events"), "{text}");
    assert!(text.contains("(security_file_open)"), "{text}");
}

#[test]
fn a_range_of_a_restricted_run_is_part_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 12_000);
    let restricted = ["--where", "processorId>=4", "--where", "container"];
    let lines = |more: &[&str]| {
        let arguments: Vec<_> = restricted.iter().chain(more).copied().collect();
        text(&capture, &arguments)
    };
    let all = lines(&[]);
    assert!(all.lines().count() > 3, "too few to tell: {all}");
    assert!(all.len() < text(&capture, &[]).len());
    let parts = lines(&["--to", "seq:5000"]) + &lines(&["--from", "seq:5001"]);
    assert!(parts == all, "the parts are not the whole");
    for threads in ["1", "4"] {
        assert!(
            lines(&["--threads", threads, "--window", "700"]) == all,
            "{threads} threads"
        );
    }
}

fn text(capture: &Path, arguments: &[&str]) -> String {
    String::from_utf8(crate::support::replayed(capture, arguments)).expect("text")
}

#[test]
fn what_was_restricted_is_in_the_record() {
    let scene = Scene::new(&[open("/a"), open("/b")]);
    let record = scene.directory.path().join("run.json");
    let (text, code) = scene.said(&[
        "--where",
        "pathname=/a",
        "--where",
        "getEventData('flags') == 3",
        "--provenance",
        &record.display().to_string(),
    ]);
    assert_eq!(code, 0, "{text}");
    let run: Value = serde_json::from_slice(&std::fs::read(&record).expect("a record")).expect("JSON");
    let conditions = &run["captures"][0]["restrictions"]["conditions"];
    assert_eq!(conditions[0], "cel:getEventData('flags') == 3");
    assert_eq!(conditions[1], "filter:pathname=/a");
}
