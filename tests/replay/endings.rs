//! What was lost, and runs that are stopped.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use capture::Loss;
use fixtures::generator::Generator;

use crate::support::{make_with, said, tracee_cap};

fn loss(seq_from: u64, seq_to: u64, cause: &str, count: u64) -> Loss {
    Loss {
        seq_from,
        seq_to,
        time_from: Some(1_767_225_600_000_000_000),
        time_to: Some(1_767_225_601_000_000_000),
        cpu: Some(0),
        cause: cause.to_owned(),
        count,
    }
}

#[test]
fn what_was_lost_in_the_range_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("lossy.tcap");
    let losses = [
        loss(100, 101, "ring_full", 7),
        loss(300, 310, "ring_full", 2),
        loss(700, 701, "filter_error", 1),
    ];
    make_with(&capture, Generator::new(1).take(1000), &losses);
    let (text, code) = said(&[], &[&capture]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("(10 lost)"), "{text}");
    assert!(
        text.contains(
            "lost: 9 events between 100 and 310 (2026-01-01T00:00:00.000000000Z to 2026-01-01T00:00:01.000000000Z): ring_full"
        ),
        "{text}"
    );
    assert!(text.contains("lost: 1 events between 700 and 701"), "{text}");
    let (text, _) = said(&["--from", "seq:400", "--to", "seq:600"], &[&capture]);
    assert!(
        text.contains("201 events (400 to 600) of 1000 (0 lost)"),
        "{text}"
    );
    assert!(!text.contains("lost:"), "{text}");
}

#[test]
fn ctrl_c_ends_the_run_and_keeps_what_was_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("long.tcap");
    make_with(&capture, Generator::new(1).take(60_000), &[]);
    let record = directory.path().join("run.json");
    // Who runs the tests in the background may ignore the signal, and what is run would, too.
    let mut replay = std::process::Command::new("env")
        .arg("--default-signal=INT")
        .arg(tracee_cap().get_program())
        .args(["replay", "--window", "1000", "--threads", "1", "-o", "ndjson"])
        .arg("--provenance")
        .arg(&record)
        .arg(&capture)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = BufReader::new(replay.stdout.take().expect("piped"));
    // With a full pipe it waits, so that it cannot be done before the signal comes.
    let mut first = String::new();
    out.read_line(&mut first).expect("something is found");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(replay.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it is there");
    let rest: Vec<_> = out.lines().collect::<Result<_, _>>().expect("text");
    let output = replay.wait_with_output().expect("it ends");
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in [&first].into_iter().chain(&rest) {
        serde_json::from_str::<serde_json::Value>(line).expect("whole lines were written");
    }
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.contains("interrupted"), "{text}");
    assert!(!record.exists(), "there is no record of half a run");
}
