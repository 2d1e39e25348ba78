//! The main job, on this machine's kernel: record while something happens, replay, find it; and what was printed live is what
//! replay prints.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

fn tracee_cap() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
}

/// Whether this machine can record; if not, says so, loudly.
fn can_record() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let btf = Path::new("/sys/kernel/btf/vmlinux").exists();
    if !(root && btf) {
        // Not `eprintln`: the test harness would keep that to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: recording needs root and BTF (root: {root}, BTF: {btf})"
        );
    }
    root && btf
}

/// Records a program that copies `echo` into memory and runs it from there, with live detection.
fn record_fileless(capture: &Path) -> Output {
    let program = format!("/dev/shm/tracee-cap-test-{}", std::process::id());
    let script = format!("cp /bin/echo {program} && {program} harmless; rm -f {program}");
    tracee_cap()
        .args(["record", "--detectors", "builtin", "-w"])
        .arg(capture)
        .args(["--", "sh", "-c", &script])
        .output()
        .expect("it runs")
}

fn lines(bytes: &[u8]) -> Vec<serde_json::Value> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
        .collect()
}

/// stdout of the recorder, without what the recorded command itself printed there.
fn detections(output: &Output) -> Vec<u8> {
    output
        .stdout
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"{"))
        .flatten()
        .copied()
        .collect()
}

#[test]
fn a_fileless_execution_is_found_with_its_ancestry_live_and_in_replay() {
    if !can_record() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("fileless.tcap");
    let recorded = record_fileless(&capture);
    let stderr = String::from_utf8_lossy(&recorded.stderr);
    assert!(recorded.status.success(), "{stderr}");

    let live = detections(&recorded);
    let found = lines(&live);
    let found: Vec<_> = found
        .iter()
        .filter(|event| event["name"] == "fileless_execution")
        .collect();
    assert_eq!(found.len(), 1, "{stderr}");
    let process = &found[0]["workload"]["process"];
    let program = format!("/dev/shm/tracee-cap-test-{}", std::process::id());
    assert_eq!(process["executable"]["path"], program.as_str());
    let ancestors = process["ancestors"].as_array().expect("ancestors");
    let names: Vec<_> = ancestors
        .iter()
        .filter_map(|ancestor| ancestor["thread"]["name"].as_str())
        .collect();
    // The shell that ran it, the recorder that ran the shell, this test.
    assert!(
        names.len() >= 3 && names[0] == "sh" && names[1] == "tracee-cap",
        "{names:?}"
    );
    assert_eq!(found[0]["threat"]["severity"], 3);
    assert_eq!(found[0]["detected_from"]["name"], "sched_process_exec");

    let replayed = tracee_cap()
        .arg("replay")
        .arg(&capture)
        .args(["--detectors", "builtin"])
        .output()
        .expect("it runs");
    assert!(
        replayed.status.success(),
        "{}",
        String::from_utf8_lossy(&replayed.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&replayed.stdout),
        String::from_utf8_lossy(&live),
        "replay finds something else than live detection"
    );
}
