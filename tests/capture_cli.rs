//! Captures through the command line: import, info, verify, export.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/tracee");

fn tracee_cap(args: &[&str]) -> Output {
    Command::cargo_bin("tracee-cap")
        .unwrap()
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.directory.path().join(name), content).unwrap();
        self.path(name)
    }
}

fn import(inputs: &[&str], capture: &str) {
    let output = tracee_cap(&[&["import", "-w", capture], inputs].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}

fn recordings() -> Vec<PathBuf> {
    let mut found: Vec<_> = ["legacy", "v1beta1"]
        .iter()
        .flat_map(|folder| fs::read_dir(Path::new(RECORDINGS).join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("json"))
        // 38 MB: too much to compare twice.
        .filter(|path| !path.ends_with("dns_events.ndjson.gz"))
        .collect();
    found.sort();
    found
}

/// No event of a recording is left out, whatever its encoding and compression.
#[test]
fn every_event_of_every_recording_is_kept() {
    let room = Room::new();
    for (recording, events) in [
        ("legacy/dns.jsonl", 21),
        ("legacy/dns_events.ndjson.gz", 24_010),
        ("legacy/docs_events.ndjson", 203),
        ("legacy/exec-noenv.jsonl", 2),
        ("legacy/exec.jsonl", 2),
        ("legacy/trace.jsonl", 24),
        ("v1beta1/events.ndjson.zst", 5000),
    ] {
        let capture = room.path(&recording.replace('/', "-"));
        import(&[&format!("{RECORDINGS}/{recording}")], &capture);
        let output = tracee_cap(&["info", "-o", "json", &capture]);
        let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let totals = serde_json::json!({"received": events, "written": events, "lost": 0});
        assert_eq!(info["totals"], totals, "{recording}");
    }
}

/// Everything that was ever recorded goes into one capture, out, and into another one: nothing changes on the way.
#[test]
fn export_and_import_give_an_equal_capture() {
    let room = Room::new();
    let inputs = recordings();
    let inputs: Vec<_> = inputs.iter().map(|path| path.to_str().unwrap()).collect();
    assert!(inputs.len() > 4, "{inputs:?}");
    let first = room.path("first.tcap");
    import(&inputs, &first);
    let exported = tracee_cap(&["export", &first, "--format", "extended"]);
    assert_eq!(exported.status.code(), Some(0));
    let second = room.path("second.tcap");
    import(&[&room.write("exported", &exported.stdout)], &second);
    let again = tracee_cap(&["export", &second, "--format", "extended"]);
    assert!(exported.stdout == again.stdout);

    let digest = |capture: &str| {
        let output = tracee_cap(&["verify", capture, "-o", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["faults"], serde_json::json!([]));
        assert!(found["events"].as_u64().unwrap() > 5000);
        found["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest(&first), digest(&second));
}

#[test]
fn protobuf_and_standard_input() {
    let room = Room::new();
    let input = format!("{RECORDINGS}/v1beta1/events.ndjson.zst");
    let first = room.path("first.tcap");
    import(&[&input], &first);
    let messages = tracee_cap(&["export", &first, "--format", "protobuf"]).stdout;
    let second = room.path("second.tcap");
    Command::cargo_bin("tracee-cap")
        .unwrap()
        .args(["import", "-", "-w", &second])
        .write_stdin(messages)
        .assert()
        .code(0);
    let lines = |capture: &str| tracee_cap(&["export", capture]).stdout;
    assert!(lines(&first) == lines(&second));
}

const LOG: &str = r#"{"level":"info","ts":1.5,"msg":"is ready"}"#;

/// An event line that certainly is one: the first of the recordings.
fn event_line() -> String {
    let recording = fs::read_to_string(format!("{RECORDINGS}/legacy/exec.jsonl")).unwrap();
    recording.lines().next().unwrap().to_owned()
}

#[test]
fn unreadable_records_are_named_counted_and_left_out() {
    let room = Room::new();
    let event = event_line();
    let input = room.write(
        "untidy",
        format!("{event}\n\n{LOG}\nnonsense\n{event}\n{{\"half\":"),
    );
    let capture = room.path("x.tcap");
    let output = tracee_cap(&["import", &input, "-w", &capture]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(&output.stderr);
    assert!(stderr.contains(&format!("{input}:4: ")), "{stderr}");
    assert!(stderr.contains(&format!("{input}:6: ")), "{stderr}");
    assert!(
        stderr.contains("2 records could not be read and are left out"),
        "{stderr}"
    );
    assert!(stderr.contains("2 events"), "{stderr}");

    let skipped = tracee_cap(&["import", &input, "-w", &capture, "--force", "--skip-bad"]);
    assert_eq!(skipped.status.code(), Some(0));
    let info = tracee_cap(&["info", &capture, "-o", "json"]);
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    let source = &info["recording"]["source"]["import"]["inputs"][0];
    for (member, count) in [("records", 5), ("events", 2), ("log_lines", 1), ("unreadable", 2)] {
        assert_eq!(source[member], count, "{member}: {source}");
    }
    assert_eq!(
        info["totals"],
        serde_json::json!({"received": 2, "written": 2, "lost": 0})
    );
}

#[test]
fn a_compressed_input_that_breaks_off_keeps_what_came_before() {
    let room = Room::new();
    let whole = fs::read(format!("{RECORDINGS}/v1beta1/events.ndjson.zst")).unwrap();
    let input = room.write("broken.zst", &whole[..whole.len() / 2]);
    let capture = room.path("x.tcap");
    let output = tracee_cap(&["import", &input, "-w", &capture]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("the input breaks off here"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(tracee_cap(&["verify", &capture]).status.code(), Some(0));
    let exported = tracee_cap(&["export", &capture]);
    assert!(exported.stdout.iter().filter(|byte| **byte == b'\n').count() > 100);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let room = Room::new();
    let input = room.write("one", event_line());
    let capture = room.path("x.tcap");
    import(&[&input], &capture);
    assert_eq!(
        tracee_cap(&["import", &input, "-w", &capture]).status.code(),
        Some(2)
    );
    let file = room.write("out.ndjson", "precious");
    let output = tracee_cap(&["export", &capture, "-w", &file]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(
        tracee_cap(&["export", &capture, "-w", &file, "--force"])
            .status
            .code(),
        Some(0)
    );
    assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
    // An input that is not there must not cost the capture.
    let output = tracee_cap(&["import", &room.path("missing"), "-w", &capture, "--force"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(tracee_cap(&["verify", &capture]).status.code(), Some(0));
}

#[test]
fn exports_are_cut_by_name_and_number() {
    let room = Room::new();
    let capture = room.path("x.tcap");
    import(&[&format!("{RECORDINGS}/legacy/docs_events.ndjson")], &capture);
    let lines = |args: &[&str]| -> Vec<String> {
        let output = tracee_cap(&[&["export", capture.as_str()], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(str::to_owned).collect()
    };
    let all = lines(&[]);
    assert_eq!(lines(&["--from", "seq:10", "--to", "seq:12"]), all[10..=12]);
    let name = |line: &String| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["name"].as_str().unwrap().to_owned()
    };
    let wanted = name(&all[0]);
    let found = lines(&["--event", &wanted]);
    let expected: Vec<_> = all.iter().filter(|line| name(line) == wanted).cloned().collect();
    assert_eq!(found, expected);
    assert_eq!(
        tracee_cap(&["export", &capture, "--from", "seq:5", "--to", "seq:4"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn damage_has_its_exit_codes() {
    let room = Room::new();
    let capture = room.path("x.tcap");
    import(&[&format!("{RECORDINGS}/legacy/docs_events.ndjson")], &capture);
    let code = |args: &[&str]| tracee_cap(args).status.code();
    assert_eq!(code(&["info", &room.path("nowhere")]), Some(3));

    // What a killed recorder leaves: a manifest that still says open.
    let manifest = Path::new(&capture).join("manifest.json");
    let closed = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        closed.replace(r#""state": "closed""#, r#""state": "open""#),
    )
    .unwrap();
    for command in ["info", "verify", "export"] {
        let output = tracee_cap(&[command, &capture]);
        assert_eq!(output.status.code(), Some(5), "{command}");
        assert!(
            text(&output.stderr).contains("is truncated: its recorder died"),
            "{}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stderr).lines().count(), 1);
    }
    fs::write(&manifest, closed).unwrap();

    let part = Path::new(&capture).join("process/part-000000.parquet");
    let mut content = fs::read(&part).unwrap();
    content[100] ^= 1;
    fs::write(&part, content).unwrap();
    let output = tracee_cap(&["verify", &capture]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stdout).starts_with("process/part-000000.parquet: "),
        "{}",
        text(&output.stdout)
    );
}
