//! The same bytes for any number of threads, any size of batches and windows, and any form of the capture.
//!
//! All detectors that come with the program look at what Tracee really printed, at generated events, and at what this machine
//! does; every cell of the matrix has the same digest.

use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Import, Input, InputFormat, WriterOptions};
use fixtures::generator::Generator;

/// The built-in detectors, and the examples of YAML detectors.
const DETECTORS: &str = concat!("builtin,", env!("CARGO_MANIFEST_DIR"), "/detectors/yaml/examples");
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/tracee");

fn tracee_cap() -> Command {
    Command::cargo_bin("tracee-cap").expect("the binary is built with the tests")
}

/// What a file of events says about how they were recorded, which is nothing; or that environments were.
fn header(environment: bool) -> Header {
    Header {
        enrichments: environment
            .then(|| "environment".to_owned())
            .into_iter()
            .collect(),
        ..Header::default()
    }
}

fn options(segment_rows: u64) -> WriterOptions {
    WriterOptions {
        segment_rows,
        ..WriterOptions::default()
    }
}

/// Everything that Tracee printed, but for a large recording of one event type that no detector asks for.
fn real(path: &Path, header: Header, segment_rows: u64) {
    let mut writer = CaptureWriter::create(path, header, options(segment_rows)).expect("a new capture");
    for name in [
        "legacy/docs_events.ndjson",
        "legacy/trace.jsonl",
        "legacy/dns.jsonl",
        "legacy/exec.jsonl",
        "legacy/exec-noenv.jsonl",
        "v1beta1/events.ndjson.zst",
    ] {
        let input = Input::File(PathBuf::from(RECORDINGS).join(name));
        Import::open(&input, InputFormat::Auto)
            .expect("the recording is there")
            .run(&mut writer, &mut |bad| panic!("{bad}"), &|_| {})
            .expect("the recording is whole");
    }
    writer.finish().expect("finished");
}

fn generated(path: &Path, header: Header, segment_rows: u64) {
    let mut writer = CaptureWriter::create(path, header, options(segment_rows)).expect("a new capture");
    for (count, event) in (1..).zip(Generator::new(42).take(6_000)) {
        writer.push(&event);
        if count % 500 == 0 {
            writer.flush().expect("flushed");
        }
    }
    writer.finish().expect("finished");
}

/// What replay prints.
fn replayed(capture: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = tracee_cap()
        .arg("replay")
        .arg(capture)
        .args(["--detectors", DETECTORS, "-o", "ndjson"])
        .args(arguments)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output.stdout
}

fn lines(output: &[u8]) -> usize {
    output.iter().filter(|byte| **byte == b'\n').count()
}

/// Replays all `captures`, which hold the same events, in all ways. Gives what each prints.
fn is_the_same_in_all_ways(captures: &[&Path]) -> Vec<u8> {
    let expected = replayed(captures[0], &["--threads", "1"]);
    for capture in captures {
        for threads in ["1", "2", "8"] {
            for (window, batch) in [("1111", "333"), ("1000000", "65536")] {
                let ways = ["--threads", threads, "--window", window, "--batch-size", batch];
                assert!(
                    replayed(capture, &ways) == expected,
                    "{}, {threads} threads, windows of {window}: other output",
                    capture.display()
                );
            }
        }
    }
    expected
}

/// The capture in one file.
fn pack(capture: &Path) -> PathBuf {
    let file = capture.with_extension("tcap.tar");
    tracee_cap()
        .arg("pack")
        .arg(capture)
        .arg("-w")
        .arg(&file)
        .assert()
        .success();
    file
}

/// The events of the capture, a line for each.
fn export(capture: &Path) -> PathBuf {
    let file = capture.with_extension("ndjson");
    let mut export = tracee_cap();
    export
        .arg("export")
        .arg(capture)
        .args(["--format", "extended", "-w"])
        .arg(&file);
    export.assert().success();
    file
}

/// `make` writes the same events for any size of segments: they must give the same in all ways and forms.
fn is_the_same_in_all_forms(make: fn(&Path, Header, u64)) {
    let directory = tempfile::tempdir().expect("a directory");
    let [large, small, bare] =
        ["large.tcap", "small.tcap", "bare.tcap"].map(|name| directory.path().join(name));
    make(&large, header(true), 1_000_000);
    make(&small, header(true), 900);
    let found = is_the_same_in_all_ways(&[&large, &small, &pack(&small)]);
    assert!(
        lines(&found) > 10,
        "{} detections are too few to tell",
        lines(&found)
    );
    make(&bare, header(false), 900);
    let found = is_the_same_in_all_ways(&[&bare, &export(&bare)]);
    assert!(
        lines(&found) > 10,
        "{} detections are too few to tell",
        lines(&found)
    );
}

#[test]
fn what_tracee_printed_gives_the_same_in_all_ways_and_forms() {
    is_the_same_in_all_forms(real);
}

#[test]
fn what_is_generated_gives_the_same_in_all_ways_and_forms() {
    is_the_same_in_all_forms(generated);
}

/// Something worth a detection or two, some of them with memory and ancestors.
const ACTIONS: &str = "cp /bin/echo $0 && $0 harmless >/dev/null; rm -f $0; \
                       cat /proc/sys/kernel/randomize_va_space /etc/ld.so.preload >/dev/null 2>&1; \
                       i=0; while [ $i -lt 30 ]; do /bin/true; i=$((i + 1)); done; sh -c 'cat /etc/shadow >/dev/null'";

/// Records with live detection. Gives what was printed; none, with a note, where this machine has no sensor.
fn recorded(capture: &Path, flush_interval: &str) -> Option<Vec<u8>> {
    let program = format!("/dev/shm/tracee-cap-determinism-{}", std::process::id());
    let output = tracee_cap()
        .args(["record", "--env", "--detectors", DETECTORS, "-o", "ndjson"])
        .args(["--flush-interval", flush_interval, "-w"])
        .arg(capture)
        .args(["--", "sh", "-c", ACTIONS, &program])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(4) {
        // Not `eprintln`: the test harness would keep that to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED, no live recording here: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    // The recorded command prints nothing.
    Some(output.stdout)
}

#[test]
fn what_was_printed_live_is_printed_in_all_ways() {
    let directory = tempfile::tempdir().expect("a directory");
    for flush_interval in ["5ms", "100ms", "10s"] {
        let capture = directory.path().join(format!("{flush_interval}.tcap"));
        let Some(live) = recorded(&capture, flush_interval) else {
            return;
        };
        assert!(lines(&live) > 0, "nothing was found, so this shows nothing");
        let found = is_the_same_in_all_ways(&[&capture]);
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(&live),
            "flushes every {flush_interval}"
        );
    }
}
