//! `tracee-cap fixture redact` through the command line.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/tracee");
const BINARY: &str = env!("CARGO_BIN_EXE_tracee-cap");

struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    /// A room with `x.tcap`: what Tracee printed while it watched a job.
    fn new() -> Self {
        let room = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let recording = format!("{RECORDINGS}/legacy/exec.jsonl");
        assert_code(&room.run(&["import", &recording, "-w", "x.tcap"]), 0);
        room
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(BINARY)
            .args(args)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Redacts `x.tcap`.
    fn redact(&self, out: &str, args: &[&str]) -> Output {
        self.run(&[&["fixture", "redact", "x.tcap", "-w", out], args].concat())
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn export(&self, capture: &str) -> String {
        let output = self.run(&["export", capture]);
        assert_code(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is in the room, but for the capture.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "x.tcap")
            .collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
}

#[test]
fn values_are_gone_and_events_stay() {
    let room = Room::new();
    let before = room.export("x.tcap");
    let output = room.redact(
        "y.tcap",
        &[
            "--redact",
            "all",
            "--report",
            "r.json",
            "--mapping",
            "m.json",
            "--new-key",
            "k",
        ],
    );
    assert_code(&output, 0);
    assert!(output.stdout.is_empty());
    assert_code(&room.run(&["verify", "y.tcap"]), 0);
    let after = room.export("y.tcap");
    assert_eq!(after.lines().count(), before.lines().count());
    let mapping = room.json("m.json");
    let mapping = mapping.as_array().unwrap();
    assert!(mapping.len() > 20, "{}", mapping.len());
    let users: Vec<_> = mapping
        .iter()
        .filter(|mapped| mapped["class"] == "user")
        .map(|mapped| {
            (
                mapped["value"].as_str().unwrap(),
                mapped["token"].as_str().unwrap(),
            )
        })
        .collect();
    let (user, token) = users[0];
    assert!(before.contains(user) && !after.contains(user));
    assert!(after.contains(token));
    // What tells values is for nobody else.
    for secret in ["m.json", "k"] {
        assert_eq!(
            room.path(secret).metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let report = room.json("r.json");
    let classes: Vec<_> = report["classes"].as_array().unwrap().iter().collect();
    assert!(
        classes
            .iter()
            .any(|class| class["class"] == "user" && class["values"] == users.len())
    );
    let report = report.to_string() + &stderr(&output);
    assert!(!report.contains(user), "{report}");
}

#[test]
fn a_key_makes_the_same_tokens_again() {
    let room = Room::new();
    assert_code(&room.redact("a.tcap", &["--redact", "all", "--new-key", "k"]), 0);
    let output = room.redact("b.tcap", &["--redact", "all", "--key", "k"]);
    assert_code(&output, 0);
    assert!(!stderr(&output).contains("not kept"), "{}", stderr(&output));
    assert_eq!(room.export("a.tcap"), room.export("b.tcap"));
    let manifest = |name: &str| fs::read(room.path(name).join("manifest.json")).unwrap();
    assert_eq!(manifest("a.tcap"), manifest("b.tcap"));
    let output = room.redact("c.tcap", &["--redact", "all"]);
    assert_code(&output, 0);
    assert!(stderr(&output).contains("not kept"), "{}", stderr(&output));
    assert_ne!(room.export("a.tcap"), room.export("c.tcap"));
    // A key is never overwritten.
    assert_code(&room.redact("d.tcap", &["--redact", "all", "--new-key", "k"]), 2);
    fs::write(room.path("k"), "short").unwrap();
    assert_code(&room.redact("d.tcap", &["--redact", "all", "--key", "k"]), 3);
    assert_eq!(room.names(), ["a.tcap", "b.tcap", "c.tcap", "k"]);
}

#[test]
fn the_result_has_the_form_of_its_name() {
    let room = Room::new();
    let key = ["--redact", "hostname", "--new-key", "k"];
    assert_code(&room.redact("y.tcap", &key), 0);
    for name in ["y.tcap.tar", "y.tcap.txt"] {
        assert_code(&room.redact(name, &["--redact", "hostname", "--key", "k"]), 0);
        assert!(room.path(name).is_file());
        assert_eq!(room.export(name), room.export("y.tcap"));
    }
    let again = ["--redact", "hostname", "--key", "k"];
    for name in ["y.tcap", "y.tcap.tar"] {
        assert_code(&room.redact(name, &again), 2);
        assert_code(&room.redact(name, &[&again[..], &["--force"]].concat()), 0);
    }
    // Nothing but a capture is replaced, and not the capture itself.
    fs::create_dir(room.path("mine")).unwrap();
    fs::write(room.path("mine/letter"), "dear").unwrap();
    for name in ["mine", "x.tcap", "./x.tcap"] {
        assert_code(&room.redact(name, &[&again[..], &["--force"]].concat()), 2);
    }
    assert_code(&room.run(&["verify", "x.tcap"]), 0);
}

#[test]
fn a_fixture_is_redacted_while_it_is_made() {
    let room = Room::new();
    let recording = format!("{RECORDINGS}/v1beta1/events.ndjson.zst");
    assert_code(&room.run(&["import", &recording, "-w", "big.tcap"]), 0);
    let make = |name: &str, more: &[&str]| {
        let args = [
            "fixture",
            "make",
            "big.tcap",
            "--detector",
            "k8s_*,TRC-10?",
            "-w",
            name,
        ];
        room.run(&[&args[..], more].concat())
    };
    assert_code(&make("tests/open", &[]), 0);
    let output = make("tests/shared", &["--redact", "all", "--new-key", "k"]);
    assert_code(&output, 0);
    assert!(stderr(&output).contains("found as before"), "{}", stderr(&output));
    assert_code(&room.run(&["test", "tests"]), 0);
    let expected = |name: &str| fs::read_to_string(room.path(name).join("expected.ndjson")).unwrap();
    let (open, shared) = (expected("tests/open"), expected("tests/shared"));
    assert_eq!(open.lines().count(), shared.lines().count());
    let ids = |text: &str| -> Vec<String> {
        let ids = text.split("\"container\":{\"id\":\"").skip(1);
        ids.filter_map(|rest| Some(rest.get(..64)?.to_owned())).collect()
    };
    assert!(!ids(&open).is_empty());
    for id in ids(&open) {
        assert!(!shared.contains(&id) && !shared.contains(&id[..12]), "{id}");
    }
    // Nothing is made if what was redacted is what detectors look for.
    let output = make("tests/blind", &["--redact", "paths:/**", "--key", "k"]);
    assert_code(&output, 1);
    assert!(!room.path("tests/blind").exists());
    assert_code(
        &make(
            "tests/blind",
            &["--redact", "paths:/**", "--key", "k", "--allow-changes"],
        ),
        0,
    );
    assert_code(&make("tests/none", &["--key", "k"]), 2);
}

#[test]
fn the_page_says_what_each_word_touches() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redaction.md");
    let page = fs::read_to_string(page).unwrap();
    for word in fixtures::redact::Word::NAMES {
        assert!(page.contains(&format!("| `{word}`")), "{word}");
    }
}

#[test]
fn what_makes_no_sense_is_told() {
    let room = Room::new();
    for (args, told) in [
        (&["--redact", "hostnam"][..], "did you mean hostname?"),
        (&["--redact", "zzzzzzzz"], "words are: hostname"),
        (&["--redact", "paths:"], "is no pattern of paths"),
        (&["--redact", "all", "--keep", ""], "--keep"),
        (&["--redact", "all", "--key", "none"], "cannot be read"),
        (&[], "--redact"),
    ] {
        let output = room.redact("y.tcap", args);
        assert_code(&output, 2);
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
        assert_eq!(room.names(), [""; 0], "{args:?}");
    }
}

/// Looks for a directory of somebody, or for what everybody has.
fn rule(id: &str, filter: &str) -> String {
    format!(
        "type: detector\nid: {id}\nproduced_event:\n  name: {}\n  version: 1.0.0\n  description: a test\nrequirements:\n  events:\n    - name: \
         sched_process_exec\n      data_filters:\n        - {filter}\nauto_populate:\n  detected_from: true\n",
        id.to_ascii_lowercase().replace('-', "_")
    )
}

#[test]
fn detections_have_to_be_the_same() {
    let room = Room::new();
    let exported = room.export("x.tcap");
    let paths: Vec<_> = exported
        .lines()
        .filter_map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            let data = event["data"].as_array()?.iter();
            let mut pathname = data.filter(|value| value["name"] == "pathname");
            Some(pathname.next()?["str"].as_str()?.to_owned())
        })
        .collect();
    let path = paths.iter().find(|path| path.starts_with("/usr/")).unwrap();
    fs::create_dir(room.path("rules")).unwrap();
    let write = |name: &str, text: String| fs::write(room.path("rules").join(name), text).unwrap();
    write("a.yaml", rule("ACME-1", &format!("pathname={path}")));
    let args = ["--redact", "all", "--detectors", "./rules"];
    let output = room.redact("a.tcap", &args);
    assert_code(&output, 0);
    assert!(stderr(&output).contains("found as before"), "{}", stderr(&output));
    // All of a path that a detector looks for is redacted.
    let directory = path.rsplit_once('/').unwrap().0;
    let hidden = format!("paths:{directory}/*");
    let args = ["--redact", hidden.as_str(), "--detectors", "./rules"];
    let output = room.redact("b.tcap", &args);
    assert_code(&output, 1);
    let told = stderr(&output);
    assert!(
        told.contains("ACME-1")
            && told.contains("is not found any more: it filters by pathname of sched_process_exec"),
        "{told}"
    );
    assert!(room.path("b.tcap").is_dir());
    assert_code(
        &room.redact("c.tcap", &[&args[..], &["--allow-changes"]].concat()),
        0,
    );
    assert_code(
        &room.redact("d.tcap", &[&args[..2], &["--detectors", "none"]].concat()),
        0,
    );
    // What detectors look at can stay.
    assert_code(
        &room.redact("e.tcap", &[&args[..], &["--keep", "basename"]].concat()),
        0,
    );
}

#[test]
fn help_shows_how() {
    let room = Room::new();
    let output = room.run(&["fixture", "redact", "--help"]);
    assert_code(&output, 0);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("Examples:") && help.contains("paths:GLOB"),
        "{help}"
    );
}
