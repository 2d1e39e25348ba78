//! The built-in detectors on what this kernel does: what they watch for is acted out, recorded, and replayed, next to harmless
//! twins that nobody may say anything about. It needs root, BTF, perl and control groups, and says so where it has to skip.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use ebpf::kernel::{cgroup_mount, cgroup_v2};
use serde_json::Value;

/// What is acted out; parts of the program, so that it runs where the sources are not.
const ACTIONS: &str = include_str!("live_detectors/actions.sh");
const ACTOR: &str = include_str!("live_detectors/actor.pl");
const CONTAINER: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

/// What is to be found in it.
const EXPECTED: &str = include_str!("live_detectors/expected.txt");

/// One line of what is to be found.
struct Expected {
    action: &'static str,
    places: &'static [&'static str],
    event: &'static str,
    detection: &'static str,
    comm: &'static str,
}

fn expected() -> impl Iterator<Item = Expected> {
    let lines = EXPECTED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [action, places, event, detection, comm] = words[..] else {
            panic!("five words: {line}");
        };
        let places: &[_] = match places {
            "host" => &["host"],
            "anywhere" => &["outside", "starting", "container"],
            "container" => &["container"],
            other => panic!("no place: {other}"),
        };
        Expected {
            action,
            places,
            event,
            detection,
            comm,
        }
    })
}

/// Inputs that nothing on this machine can bring about, or that nothing is said about by themselves.
const NOT_ACTED_OUT: &[(&str, &str)] = &[
    // What an exec tells is remembered for the connections that follow.
    ("k8s_api_connection", "sched_process_exec"),
    // A module would have to be loaded, or the kernel's tables be changed.
    ("kernel_module_loading", "module_load"),
    ("proc_fops_hooking", "hooked_proc_fops"),
    ("syscall_hooking", "hooked_syscall"),
    ("hooked_syscall_detector", "syscall_table_check"),
    ("hooked_seq_ops_detector", "print_net_seq_ops"),
];

fn tracee_cap() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
}

/// Says something that the test harness does not keep to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Has everything acted out in front of the recorder. None, with a note, where this machine has no sensor.
fn record(directory: &Path, capture: &Path) -> Option<Output> {
    let Some(hierarchy) = cgroup_mount(cgroup_v2()) else {
        say("SKIPPED: no control groups are mounted");
        return None;
    };
    if Command::new("perl").arg("-e1").status().is_err() {
        say("SKIPPED: no perl to act with");
        return None;
    }
    let (actions, actor) = (directory.join("actions.sh"), directory.join("actor.pl"));
    fs::write(&actions, ACTIONS).expect("written");
    fs::write(&actor, ACTOR).expect("written");
    let work = directory.join("work");
    fs::create_dir(&work).expect("made");
    let output = tracee_cap()
        .args(["record", "--env", "--detectors", "builtin", "-o", "ndjson", "-w"])
        .arg(capture)
        .args(["--", "sh"])
        .arg(&actions)
        .arg("main")
        .env("ACTIONS", &actions)
        .env("ACTOR", actor)
        .env("NOTES", directory.join("notes"))
        .env("WORK", work)
        .env("HIERARCHY", hierarchy.point)
        .env("GROUP", format!("tracee-cap-detectors-{}", std::process::id()))
        .env("CONTAINER", CONTAINER)
        .env("LC_ALL", "C")
        // The actions alone decide about these. Cargo sets one of them.
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("LD_PRELOAD")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .output()
        .expect("the binary runs");
    if output.status.code() == Some(4) {
        say(&format!(
            "SKIPPED, no live recording here: {}",
            text(&output.stderr)
        ));
        return None;
    }
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("exit status: 0"), "an action failed: {said}");
    assert!(said.contains("nothing was lost"), "{said}");
    Some(output)
}

/// Actions by the pid of their process, as "place name".
fn notes(path: &Path) -> BTreeMap<u64, String> {
    let text = fs::read_to_string(path).expect("the actions took notes");
    let note = |line: &str| {
        let (action, pid) = line.rsplit_once(' ').expect("three words");
        (pid.parse().expect("a pid"), action.to_owned())
    };
    text.lines().map(note).collect()
}

/// The action that a detection is about: the innermost that the process or one of its ancestors has noted.
fn action<'n>(detection: &Value, notes: &'n BTreeMap<u64, String>) -> Option<&'n str> {
    let process = &detection["workload"]["process"];
    let ancestors = process["ancestors"].as_array().into_iter().flatten();
    let mut pids = std::iter::once(process)
        .chain(ancestors)
        .filter_map(|process| process["pid"].as_u64());
    pids.find_map(|pid| notes.get(&pid)).map(String::as_str)
}

/// A detection, as the tables here have it: action, event, detection, comm.
fn summary(detection: &Value, notes: &BTreeMap<u64, String>) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!(
        "{}: {} gives away {} by {}",
        action(detection, notes).unwrap_or("nobody"),
        text(&detection["detected_from"]["name"]),
        text(&detection["name"]),
        text(&detection["workload"]["process"]["thread"]["name"]),
    )
}

#[test]
fn what_is_acted_out_is_found_and_its_harmless_twin_is_not() {
    // A name with a dot in front would make every file in it a hidden one.
    let directory = tempfile::Builder::new()
        .prefix("tracee-cap-")
        .tempdir()
        .expect("a directory");
    let capture = directory.path().join("actions.tcap");
    let Some(recorded) = record(directory.path(), &capture) else {
        return;
    };
    let replayed = tracee_cap()
        .arg("replay")
        .arg(&capture)
        .args(["--detectors", "builtin", "-o", "ndjson"])
        .output()
        .expect("it runs");
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let live: Vec<_> = text(&recorded.stdout)
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(str::to_owned)
        .collect();
    let found: Vec<_> = text(&replayed.stdout).lines().map(str::to_owned).collect();
    assert_eq!(live, found, "replay finds something else than live detection");

    let notes = notes(&directory.path().join("notes"));
    let found: BTreeSet<_> = found
        .iter()
        .map(|line| summary(&serde_json::from_str(line).expect("a line of JSON"), &notes))
        .collect();
    let mut wanted = BTreeSet::new();
    for Expected {
        action,
        places,
        event,
        detection,
        comm,
    } in expected()
    {
        for place in places {
            let noted = format!("{place} {action}");
            assert!(notes.values().any(|note| *note == noted), "nobody did {noted}");
            if ebpf::plan::find(event).is_some() {
                wanted.insert(format!("{noted}: {event} gives away {detection} by {comm}"));
            }
        }
    }
    let missed: Vec<_> = wanted.difference(&found).collect();
    let wrong: Vec<_> = found.difference(&wanted).collect();
    assert!(
        missed.is_empty() && wrong.is_empty(),
        "missed: {missed:#?}\nnobody asked for: {wrong:#?}"
    );
}

#[test]
fn every_input_of_every_detector_is_acted_out() {
    let mut unrecorded = BTreeSet::new();
    for detector in detectors_builtin::detectors() {
        let definition = detector.definition();
        let name = definition.event.name.as_str();
        for event in definition
            .events
            .iter()
            .map(|requirement| requirement.name.as_str())
        {
            let acted_out = expected().any(|line| (line.detection, line.event) == (name, event));
            let excused = NOT_ACTED_OUT.contains(&(name, event));
            assert!(
                acted_out != excused,
                "{name} on {event}: acted out {acted_out}, excused {excused}"
            );
            if ebpf::plan::find(event).is_none() {
                unrecorded.insert(event.to_owned());
            }
        }
    }
    let unrecorded: Vec<_> = unrecorded.into_iter().collect();
    say(&format!(
        "NOT RECORDED, so that nothing is found in them: {}",
        unrecorded.join(", ")
    ));
}
