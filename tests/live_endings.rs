//! How a recording begins and ends where something is missing, is full, or sends a signal: what is said, the exit code, and that
//! what was acknowledged can be read. It needs root and BTF, and says so where it has to skip.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use capture::{CaptureReader, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_tracee-cap");

fn skip(reason: &str) {
    // Straight to the descriptor: the test harness captures what is printed.
    let note = format!("SKIPPED, no live recording here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

/// Whether this machine has no sensor; then that is said.
fn has_no_sensor() -> bool {
    let output = Command::new(BINARY)
        .arg("doctor")
        .output()
        .expect("the binary runs");
    if output.status.code() == Some(4) {
        skip(&String::from_utf8_lossy(&output.stderr));
        return true;
    }
    false
}

/// Runs a script in mounts of its own, with the binary, a directory and what else it is told.
fn in_own_mounts(script: &str, directory: &Path) -> Option<Output> {
    let output = Command::new("unshare")
        .args(["--mount", "/bin/sh", "-c", script, "sh", BINARY])
        .arg(directory)
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("unshare:") || said.contains("mount:") {
        skip(&said);
        return None;
    }
    Some(output)
}

/// The events of a capture; all of them can be read.
fn events(reader: &CaptureReader) -> u64 {
    let mut events = reader.events().expect("it opens");
    events
        .try_fold(0, |count, event| event.map(|_| count + 1))
        .expect("they can be read")
}

#[test]
fn a_full_disk_ends_the_recording_and_keeps_what_was_acknowledged() {
    if has_no_sensor() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    // The directory outside cannot be filled, so what is left is copied there.
    let script = "mkdir $2/full && mount -t tmpfs -o size=3m tmpfs $2/full && \
                  $1 record -w $2/full/x.tcap --no-symbols --flush-interval 100ms --events security_file_open -- \
                  sh -c 'while [ -e $0 ]; do cat /etc/passwd /etc/group /etc/hostname >/dev/null; done' $2/go; code=$?; \
                  rm $2/go; cp -r $2/full/x.tcap $2/kept.tcap; exit $code";
    std::fs::write(directory.path().join("go"), "").expect("a file");
    let Some(output) = in_own_mounts(script, directory.path()) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let told: u64 = said
        .split_once("has the ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("it says how much there is: {said}"));
    let reader = CaptureReader::open(directory.path().join("kept.tcap")).expect("it is readable");
    assert_eq!(reader.state(), State::Truncated);
    assert_eq!(events(&reader), reader.manifest().totals.written);
    assert!(told > 0 && reader.manifest().totals.written >= told, "{told}");
    let totals = reader.manifest().totals;
    assert_eq!(totals.received, totals.written + totals.lost);
}

#[test]
fn a_kernel_without_btf_is_named() {
    if has_no_sensor() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs tmpfs /sys/kernel/btf && $1 record -w $2/x.tcap --duration 1s";
    let Some(output) = in_own_mounts(script, directory.path()) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("/sys/kernel/btf/vmlinux"), "{said}");
    assert!(!directory.path().join("x.tcap").exists());
}

#[test]
fn signals_end_a_recording_in_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let directory = tempfile::tempdir().expect("a directory");
        let capture = directory.path().join("x.tcap");
        let mut recorder = Command::new(BINARY)
            .args(["record", "--progress", "ndjson", "--flush-interval", "50ms", "-w"])
            .arg(&capture)
            // It is left running, and must not keep the pipe open.
            .args(["--", "sh", "-c", "exec sleep 60 2>/dev/null"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(recorder.stderr.take().expect("a pipe")).lines();
        let first = lines.next().expect("it says something").expect("text");
        if serde_json::from_str::<Value>(&first).is_err() {
            assert_eq!(recorder.wait().expect("it ends").code(), Some(4), "{first}");
            return skip(&first);
        }
        kill(Pid::from_raw(recorder.id().cast_signed()), signal).expect("it runs");
        let said: Vec<String> = lines.map(|line| line.expect("text")).collect();
        let status = recorder.wait().expect("it ends");
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{said:?}");
        let last = said.last().expect("a summary");
        assert!(last.starts_with("Stopped after"), "{last}");
        assert!(last.contains("The command was left running."), "{last}");
        let reader = CaptureReader::open(&capture).expect("it is readable");
        assert_eq!(reader.state(), State::Closed);
        assert_eq!(events(&reader), reader.manifest().totals.written);
        end_what_was_recorded(&reader);
    }
}

/// Ends the command that was left running.
fn end_what_was_recorded(reader: &CaptureReader) {
    let events = reader.events_of(&["sched_process_exec"], 0..=u64::MAX);
    for (_, event) in events.expect("it opens").map_while(Result::ok) {
        let process = event.event.workload.and_then(|workload| workload.process);
        let pid = process.and_then(|process| process.host_pid).expect("a process");
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
}

/// Busy, with a buffer that is too small: what is lost before the death of the recorder has to be known after it.
#[test]
fn a_killed_recorder_leaves_what_it_acknowledged_and_tells_what_was_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let (capture, go) = (directory.path().join("x.tcap"), directory.path().join("go"));
    std::fs::write(&go, "").expect("a file");
    // It outlives the recorder, and must not keep the pipe open.
    let work = "exec 2>/dev/null; while [ -e $0 ]; do cat /etc/passwd /etc/group >/dev/null; done";
    let mut recorder = Command::new(BINARY)
        .args(["record", "--progress", "ndjson", "--flush-interval", "20ms"])
        .args(["--ring-size", "4KiB", "--no-symbols"])
        .args(["--events", "@default,openat,read,write,close", "-w"])
        .arg(&capture)
        .args(["--", "sh", "-c", work])
        .arg(&go)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(recorder.stderr.take().expect("a pipe"))
        .lines()
        .map(|line| line.expect("text"));
    let mut told = Value::Null;
    // A minute at most.
    for line in lines.by_ref().take(3000) {
        let Ok(progress) = serde_json::from_str(&line) else {
            let _ = std::fs::remove_file(&go);
            assert_eq!(recorder.wait().expect("it ends").code(), Some(4), "{line}");
            return skip(&line);
        };
        told = progress;
        if told["acknowledged_seq"].as_u64() > Some(2000) && told["lost"].as_u64() > Some(0) {
            break;
        }
    }
    recorder.kill().expect("it runs");
    let status = recorder.wait().expect("it ends");
    std::fs::remove_file(&go).expect("it is there");
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{told}");
    // What it said last, unless it died while saying it.
    if let Some(last) = lines.filter_map(|line| serde_json::from_str(&line).ok()).last() {
        told = last;
    }
    let number = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{name} of {told}"));

    let reader = CaptureReader::open(&capture).expect("it is readable");
    assert_eq!(reader.state(), State::Truncated);
    let totals = reader.manifest().totals;
    assert_eq!(events(&reader), totals.written);
    assert!(totals.written > number("acknowledged_seq"), "{totals:?} {told}");
    assert!(
        totals.lost > 0 && totals.lost >= number("lost"),
        "{totals:?} {told}"
    );
    assert_eq!(totals.received, totals.written + totals.lost);
    let losses = reader.losses().expect("they can be read");
    assert_eq!(losses.iter().map(|loss| loss.count).sum::<u64>(), totals.lost);

    // Whoever reads it learns that something is missing at its end.
    for command in [
        &["replay", "--detectors", "builtin"][..],
        &["export"],
        &["verify"],
    ] {
        let output = Command::new(BINARY)
            .args(command)
            .arg(&capture)
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{command:?}: {said}");
        assert!(
            said.contains("is truncated: its recorder died"),
            "{command:?}: {said}"
        );
    }
}

#[test]
fn a_buffer_that_is_too_small_loses_and_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("x.tcap");
    let work = "for one in 1 2 3 4; do (for i in $(seq 200); do cat /etc/passwd /etc/group >/dev/null; done) & done; wait";
    let output = Command::new(BINARY)
        .args([
            "record",
            "--ring-size",
            "4KiB",
            "--no-symbols",
            "--events",
            "@default,openat,read,write,close",
        ])
        .arg("-w")
        .arg(&capture)
        .args(["--", "sh", "-c", work])
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(4) {
        return skip(&said);
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("were lost (try a larger --ring-size)"), "{said}");
    let reader = CaptureReader::open(&capture).expect("it is readable");
    let totals = reader.manifest().totals;
    assert!(totals.lost > 0);
    assert_eq!(totals.received, totals.written + totals.lost);
    assert_eq!(events(&reader), totals.written);
    let losses = reader.losses().expect("they can be read");
    assert_eq!(losses.iter().map(|loss| loss.count).sum::<u64>(), totals.lost);
    for loss in losses {
        assert!(
            loss.seq_from <= loss.seq_to && loss.seq_to <= totals.written,
            "{loss:?}"
        );
    }
}
