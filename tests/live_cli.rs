//! `record` and `doctor` on the kernel that runs the tests. They need root and BTF, and say so where they have to skip.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use capture::{CaptureReader, State};
use serde_json::Value;

fn tracee_cap() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
}

/// Runs `record`; none, with a note that the test harness does not capture, where this machine has no sensor.
fn record(capture: &Path, arguments: &[&str]) -> Option<Output> {
    let output = tracee_cap()
        .args(["record", "-w"])
        .arg(capture)
        .args(arguments)
        .output()
        .expect("the binary runs");
    if output.status.code() == Some(4) {
        skip(&stderr(&output));
        return None;
    }
    Some(output)
}

fn skip(reason: &str) {
    let note = format!("SKIPPED, no live recording here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_is_recorded_and_its_end_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("command.tcap");
    let Some(output) = record(&capture, &["--", "/bin/sh", "-c", "exit 5"]) else {
        return;
    };
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(output.stdout.is_empty());
    assert!(text.contains("The command ended with exit status: 5"), "{text}");
    assert!(text.contains("nothing was lost"), "{text}");
    assert_eq!(CaptureReader::open(&capture).unwrap().state(), State::Closed);

    // It is not replaced unless that is wanted.
    let again = record(&capture, &["--", "/bin/true"]).unwrap();
    assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
    let forced = record(&capture, &["--force", "--", "/bin/true"]).unwrap();
    assert!(forced.status.success(), "{}", stderr(&forced));
}

#[test]
fn mistakes_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("none.tcap");
    for arguments in [&["--", "/no/such/program"][..], &["--events", "no_such_event"]] {
        let Some(output) = record(&capture, arguments) else {
            return;
        };
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(!capture.exists());
    }
}

/// What a recording with these arguments has of what `cat` opens: the paths in `directory`, and the names of who opened them.
fn opened(directory: &Path, arguments: &[&str]) -> Option<Vec<(String, String)>> {
    let capture = directory.join("opened.tcap");
    let [one, two] = ["one", "two"].map(|name| directory.join(name).display().to_string());
    let script = format!("cat {one} >/dev/null; head -c1 {two} >/dev/null; cat {two} >/dev/null");
    let mut arguments = arguments.to_vec();
    arguments.extend([
        "--force",
        "--events",
        "security_file_open",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ]);
    let output = record(&capture, &arguments)?;
    assert!(output.status.success(), "{}", stderr(&output));
    let reader = CaptureReader::open(&capture).expect("a capture");
    let filters = reader.manifest().header.filters.join(" ");
    for pair in arguments
        .chunks(2)
        .filter(|pair| pair[0] == "--scope" || pair[0] == "--data")
    {
        assert!(filters.contains(pair[1]), "{filters}");
    }
    let events = reader
        .events()
        .expect("readable")
        .map(|event| event.expect("readable").1.event);
    let mut found = Vec::new();
    // Processes are recorded whatever the filters say.
    let mut exits = 0;
    for event in events {
        exits += usize::from(event.name == "sched_process_exit");
        let text = |name: &str| {
            event
                .data
                .iter()
                .find(|field| field.name == name)
                .and_then(|field| match &field.value {
                    Some(detectors_api::proto::event_value::Value::Str(text)) => Some(text.clone()),
                    _ => None,
                })
        };
        let path = text("pathname").filter(|path| Path::new(path).starts_with(directory));
        if let (true, Some(path)) = (event.name == "security_file_open", path) {
            let thread = event.workload.and_then(|workload| workload.process?.thread);
            found.push((thread.map(|thread| thread.name).unwrap_or_default(), path));
        }
    }
    assert!(exits >= 4, "{exits}");
    Some(found)
}

#[test]
fn filters_decide_what_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let [one, two] = ["one", "two"].map(|name| directory.join(name).display().to_string());
    for file in [&one, &two] {
        std::fs::write(file, "text").unwrap();
    }
    let by = |comm: &str, path: &str| (comm.to_owned(), path.to_owned());
    let all = vec![by("cat", &one), by("head", &two), by("cat", &two)];
    let Some(found) = opened(&directory, &[]) else {
        return;
    };
    assert_eq!(found, all);
    let path = |pattern: &str| format!("security_file_open.pathname={}/{pattern}", directory.display());
    let cases = [
        (
            vec!["--scope", "comm=cat"],
            vec![by("cat", &one), by("cat", &two)],
        ),
        (vec!["--scope", "comm!=cat"], vec![by("head", &two)]),
        (vec!["--scope", "comm=c*"], vec![by("cat", &one), by("cat", &two)]),
        (vec!["--scope", "uid>4000000000"], vec![]),
        (vec!["--scope", "container"], vec![]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(opened(&directory, &arguments), Some(expected), "{arguments:?}");
    }
    let (star, exact) = (path("t*"), path("one"));
    assert_eq!(
        opened(&directory, &["--data", &star]),
        Some(vec![by("head", &two), by("cat", &two)])
    );
    assert_eq!(
        opened(&directory, &["--data", &exact, "--scope", "comm=cat"]),
        Some(vec![by("cat", &one)])
    );
}

#[test]
fn an_event_that_is_named_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("none.tcap");
    // Watches are only seen at a function of the kernel, which some kernels do not let be watched.
    let Some(output) = record(
        &capture,
        &["--events", "@fs_monitor,-fanotify_*", "--", "/bin/true"],
    ) else {
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
    let output = tracee_cap()
        .args(["record", "--force", "--events", "security_path_notify", "-w"])
        .arg(&capture)
        .args(["--", "/bin/true"])
        .output()
        .unwrap();
    let said = stderr(&output);
    match output.status.code() {
        Some(0) => {}
        Some(4) => assert!(
            said.contains("security_path_notify cannot be recorded on this kernel"),
            "{said}"
        ),
        other => panic!("{other:?}: {said}"),
    }
}

#[test]
fn missing_privileges_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            env!("CARGO_BIN_EXE_tracee-cap"),
        ])
        .args(["record", "--duration", "1s", "-w"])
        .arg(directory.path().join("x.tcap"))
        .output();
    let output = match output {
        Ok(output) if stderr(&output).contains("setpriv:") => return skip(&stderr(&output)),
        Ok(output) => output,
        Err(error) => return skip(&format!("no setpriv: {error}")),
    };
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("CAP_BPF, CAP_PERFMON"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn doctor_tells_every_event() {
    let output = tracee_cap().args(["doctor", "-o", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    match output.status.code() {
        Some(0) => {
            let events = report["events"].as_array().unwrap();
            assert_eq!(events.len(), ebpf::plan::PLAN.len());
            for event in events {
                // What is not available has a reason.
                assert!(
                    event["status"] == "hooked" || event["refused"][0].is_string(),
                    "{event}"
                );
            }
        }
        Some(4) => assert!(report["problem"].is_string(), "{report}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn acknowledged_events_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("killed.tcap");
    let mut recorder = tracee_cap()
        .args(["record", "--progress", "ndjson", "--flush-interval", "50ms", "-w"])
        .arg(&capture)
        .args(["--", "/bin/sh", "-c", "for i in $(seq 2000); do /bin/true; done"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = None;
    for line in BufReader::new(recorder.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        let Ok(progress) = serde_json::from_str::<Value>(&line) else {
            assert_eq!(recorder.wait().unwrap().code(), Some(4), "{line}");
            return skip(&line);
        };
        acknowledged = progress["acknowledged_seq"].as_u64();
        assert_eq!(
            progress["received"].as_u64().unwrap(),
            acknowledged.map_or(0, |seq| seq + 1) + progress["lost"].as_u64().unwrap()
        );
        if acknowledged > Some(2000) {
            break;
        }
    }
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let acknowledged = acknowledged.unwrap();
    let reader = CaptureReader::open(&capture).unwrap();
    assert_ne!(reader.state(), State::Closed);
    let read = reader
        .events()
        .unwrap()
        .filter(|event| event.as_ref().unwrap().0 <= acknowledged)
        .count();
    assert_eq!(read as u64, acknowledged + 1);
}
