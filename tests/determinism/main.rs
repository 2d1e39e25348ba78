//! The same bytes for any number of threads, any size of batches and windows, and any form of the capture.
//!
//! All detectors that come with the program, and some in YAML that consume what these find and ask stores, look at what Tracee
//! really printed, at generated events, and at what this machine does; every cell of the matrix has the same bytes.

mod captures;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

use captures::{generated, in_all_forms, pack, printed, recorded};

/// The built-in detectors, the examples of YAML detectors, and some that make chains and ask stores.
pub(crate) const DETECTORS: &str = concat!(
    "builtin,",
    env!("CARGO_MANIFEST_DIR"),
    "/detectors/yaml/examples,",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/determinism/rules"
);

/// Threads, events of a window and events of a batch.
type Way = [&'static str; 3];

/// Every number of threads with small and with large windows.
const WAYS: [Way; 6] = [
    ["1", "1111", "333"],
    ["1", "1000000", "65536"],
    ["2", "1111", "333"],
    ["2", "1000000", "65536"],
    ["8", "1111", "333"],
    ["8", "1000000", "65536"],
];

/// Where much is to be compared, not every form in every way: every number of threads, and small and large windows.
const SOME_WAYS: [Way; 3] = [
    ["1", "1000000", "65536"],
    ["2", "700", "64"],
    ["8", "1111", "333"],
];

pub(crate) fn tracee_cap() -> Command {
    Command::cargo_bin("tracee-cap").expect("the binary is built with the tests")
}

/// What replay prints.
fn replayed(captures: &[&Path], way: Way, arguments: &[&str]) -> Vec<u8> {
    let [threads, window, batch] = way;
    let output = tracee_cap()
        .arg("replay")
        .args(captures)
        .args(["--detectors", DETECTORS, "--threads", threads])
        .args(["--window", window, "--batch-size", batch])
        .args(arguments)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

fn lines(output: &[u8]) -> usize {
    output.iter().filter(|byte| **byte == b'\n').count()
}

/// Replays captures that hold the same events, each in a way. Gives what each prints.
fn is_the_same<'a>(cells: impl Iterator<Item = (&'a PathBuf, Way)>, arguments: &[&str]) -> Vec<u8> {
    let mut expected: Option<Vec<u8>> = None;
    for (capture, way) in cells {
        let found = replayed(&[capture], way, arguments);
        assert!(
            expected.as_ref().is_none_or(|expected| *expected == found),
            "{}, {way:?}, {arguments:?}: other output",
            capture.display()
        );
        expected = Some(found);
    }
    expected.expect("there are cells")
}

/// Every capture in every way.
fn all<'a>(captures: &'a [PathBuf], ways: &'a [Way]) -> impl Iterator<Item = (&'a PathBuf, Way)> {
    captures
        .iter()
        .flat_map(|capture| ways.iter().map(move |way| (capture, *way)))
}

/// Every capture in another way.
fn some(captures: &[PathBuf]) -> impl Iterator<Item = (&PathBuf, Way)> {
    captures.iter().zip(SOME_WAYS)
}

/// The names of what was found.
fn names(output: &[u8]) -> BTreeSet<String> {
    let lines = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let name = |line| -> String {
        let event: serde_json::Value = serde_json::from_slice(line).expect("a line of JSON");
        event["name"].as_str().expect("a name").to_owned()
    };
    lines.map(name).collect()
}

#[test]
fn what_tracee_printed_gives_the_same_in_all_ways_and_forms() {
    let directory = tempfile::tempdir().expect("a directory");
    for equals in in_all_forms(directory.path(), printed) {
        let found = is_the_same(all(&equals, &WAYS), &[]);
        assert!(lines(&found) > 10, "{} detections are too few", lines(&found));
    }
}

#[test]
fn what_is_generated_gives_the_same_in_all_ways_and_forms() {
    let directory = tempfile::tempdir().expect("a directory");
    let [whole, bare] = in_all_forms(directory.path(), generated);
    let found = is_the_same(all(&whole, &WAYS), &[]);
    let names = names(&found);
    for name in [
        // With memory of a container.
        "k8s_api_connection",
        // With symbols.
        "hooked_syscall_detector",
        // The end of a chain over these.
        "interesting_container",
    ] {
        assert!(names.contains(name), "{name} was not found: {names:?}");
    }
    let found = is_the_same(all(&bare, &WAYS), &[]);
    assert!(lines(&found) > 10, "{} detections are too few", lines(&found));
}

/// Parts of the generated events. Those of process 301, which is old, and of its descendants are many.
const PARTS: [&[&str]; 8] = [
    &["--from", "seq:1501", "--to", "seq:4444"],
    &["--from", "+3ms", "--to", "-3ms"],
    &["--event", "@proc,security_socket_connect,net_packet_*"],
    &["--container", "service-3", "--container", "service-4"],
    &["--process-tree", "301", "--process-tree", "302"],
    &["--where", "uid=0", "--where", "processorId<4"],
    &[
        "--where",
        "size(process.getAncestry(workload.process.unique_id, 4)) > 2",
    ],
    &[
        "--from",
        "seq:2000",
        "--event",
        "sched_process_*",
        "--where",
        "container=started",
    ],
];

#[test]
fn parts_give_the_same_in_all_forms() {
    let directory = tempfile::tempdir().expect("a directory");
    for equals in in_all_forms(directory.path(), generated) {
        let whole = lines(&replayed(&[&equals[0]], WAYS[0], &[]));
        for part in PARTS {
            let found = lines(&is_the_same(some(&equals), part));
            assert!(0 < found && found < whole, "{found} of {whole} by {part:?}");
        }
    }
}

#[test]
fn several_captures_give_the_same_in_all_forms() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = |name| {
        let folder = directory.path().join(name);
        std::fs::create_dir(&folder).expect("a new directory");
        folder
    };
    let [printed, generated] = [("printed", printed as fn(&_, _, _)), ("generated", generated)]
        .map(|(name, make)| in_all_forms(&folder(name), make).concat());
    let alone = |capture: &Path| replayed(&[capture], WAYS[0], &[]);
    // Of each, the first three know the same, and the last two.
    for (first, second, way) in [(0, 2, 0), (1, 0, 1), (2, 1, 2), (3, 4, 1)] {
        let (first, second, way) = (&printed[first], &generated[second], SOME_WAYS[way]);
        assert!(
            replayed(&[first, second], way, &[]) == [alone(first), alone(second)].concat(),
            "{} and {}, {way:?}: not the one after the other",
            first.display(),
            second.display()
        );
    }
}

#[test]
fn every_form_of_output_is_the_same_in_all_ways() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    generated(&capture, captures::Known::All, 900);
    let captures = [capture.clone(), pack(&capture), capture];
    for form in [
        "table", "json", "findings", "parquet", "csv", "sarif", "junit", "ocsf",
    ] {
        let found = is_the_same(some(&captures), &["--to", "seq:3000", "-o", form]);
        assert!(found.len() > 1000, "{form}: {} bytes", found.len());
    }
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
        let pack = pack(&capture);
        let found = is_the_same(all(&[capture, pack], &SOME_WAYS), &[]);
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(&live),
            "flushes every {flush_interval}"
        );
    }
}
