//! `record` of what another program sees: through the binary, as a user would.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use capture::{CaptureReader, Source, State};
use detectors_api::json::{Line, read_line};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prost::Message;
use serde_json::Value;
use tempfile::TempDir;
use tracee::Address;
use tracee::testkit::{Listen, Offer, Server, Step};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/tracee/legacy");

fn tracee_cap(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracee-cap"));
    command.args(args);
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Events that Tracee recorded, a line each.
fn recording(name: &str) -> String {
    fs::read_to_string(Path::new(RECORDINGS).join(name)).unwrap()
}

/// Reads progress until the event with this number is acknowledged.
fn await_acknowledgement(recorder: &mut Child, seq: u64) {
    let mut said = BufReader::new(recorder.stderr.as_mut().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the recorder has ended");
        let progress: Value = serde_json::from_str(&line).unwrap();
        if progress["acknowledged_seq"].as_u64() == Some(seq) {
            return;
        }
    }
}

struct Room {
    directory: TempDir,
    capture: PathBuf,
}

impl Room {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let capture = directory.path().join("stream.tcap");
        Self { directory, capture }
    }

    /// `record -` with `args`.
    fn record(&self, args: &[&str]) -> Command {
        let mut command = tracee_cap(&["record", "-", "-w"]);
        command
            .arg(&self.capture)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Records `input` to its end.
    fn record_all(&self, input: impl AsRef<[u8]>, args: &[&str]) -> Output {
        let mut recorder = self.record(args).spawn().unwrap();
        recorder.stdin.take().unwrap().write_all(input.as_ref()).unwrap();
        recorder.wait_with_output().unwrap()
    }

    /// Starts to record `input` through a pipe that stays open, and waits until all of its events are acknowledged.
    fn record_on(&self, input: &str) -> (Child, ChildStdin) {
        let events = input.lines().count() as u64;
        let mut recorder = self
            .record(&["--progress", "ndjson", "--flush-interval", "50ms"])
            .spawn()
            .unwrap();
        let mut pipe = recorder.stdin.take().unwrap();
        pipe.write_all(input.as_bytes()).unwrap();
        await_acknowledgement(&mut recorder, events - 1);
        (recorder, pipe)
    }

    /// What is in the capture, as exported.
    fn exported(&self, capture: &Path) -> Vec<u8> {
        let output = tracee_cap(&["export", "--format", "extended"])
            .arg(capture)
            .output()
            .unwrap();
        assert!(!output.stdout.is_empty(), "{}", text(&output.stderr));
        output.stdout
    }

    /// What is in a capture that `import` makes of `input`.
    fn imported(&self, input: &str) -> Vec<u8> {
        let (file, capture) = ("events.ndjson", "import.tcap");
        let place = |name| self.directory.path().join(name);
        fs::write(place(file), input).unwrap();
        let mut import = tracee_cap(&["import", "--skip-bad", "-w"]);
        let output = import.arg(place(capture)).arg(place(file)).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        self.exported(&place(capture))
    }
}

#[test]
fn standard_input_gives_what_an_import_gives() {
    let room = Room::new();
    let input = recording("trace.jsonl") + &recording("dns.jsonl");
    let output = room.record_all(&input, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(
        said.contains("The stream ended after") && said.contains("nothing was lost."),
        "{said}"
    );
    assert_eq!(room.exported(&room.capture), room.imported(&input));
    let reader = CaptureReader::open(&room.capture).unwrap();
    let header = &reader.manifest().header;
    assert!(header.created.is_some());
    let Source::Import { inputs } = &header.source else {
        panic!("{:?}", header.source);
    };
    assert_eq!(
        (
            inputs[0].name.as_str(),
            inputs[0].format.as_str(),
            inputs[0].events
        ),
        ("-", "ndjson", input.lines().count() as u64)
    );
    // It is not replaced unless that is wanted.
    assert_eq!(room.record_all("", &[]).status.code(), Some(2));
    assert!(room.record_all("", &["--force"]).status.success());
}

#[test]
fn events_are_acknowledged_while_the_pipe_is_open() {
    let room = Room::new();
    let input = recording("trace.jsonl");
    let (mut recorder, _pipe) = room.record_on(&input);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let reader = CaptureReader::open(&room.capture).unwrap();
    assert_eq!(reader.state(), State::Truncated);
    assert_eq!(room.exported(&room.capture), room.imported(&input));
}

#[test]
fn signals_end_it_while_the_pipe_is_open() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let room = Room::new();
        let input = recording("exec.jsonl");
        let (mut recorder, mut pipe) = room.record_on(&input);
        pipe.write_all(input.as_bytes()).unwrap();
        pipe.write_all(b"{\"not the whole line").unwrap();
        kill(Pid::from_raw(recorder.id().cast_signed()), signal).unwrap();
        let mut said = String::new();
        recorder.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(recorder.wait().unwrap().success(), "{said}");
        assert!(said.contains("Stopped after"), "{said}");
        let reader = CaptureReader::open(&room.capture).unwrap();
        assert_eq!(reader.state(), State::Closed);
        assert_eq!(
            room.exported(&room.capture),
            room.imported(&(input.clone() + &input))
        );
        drop(pipe);
    }
}

#[test]
fn limits_end_it_while_the_pipe_is_open() {
    let room = Room::new();
    let mut recorder = room.record(&["--duration", "100ms"]).spawn().unwrap();
    let pipe = recorder.stdin.take();
    let output = recorder.wait_with_output().unwrap();
    assert!(
        text(&output.stderr).contains("The time is over"),
        "{}",
        text(&output.stderr)
    );
    drop(pipe);

    let mut recorder = room
        .record(&["--force", "--max-size", "100KiB", "--flush-interval", "10ms"])
        .spawn()
        .unwrap();
    let mut pipe = recorder.stdin.take().unwrap();
    let input = recording("trace.jsonl");
    // Until nobody reads any more.
    while pipe.write_all(input.as_bytes()).is_ok() {}
    let output = recorder.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(
        text(&output.stderr).contains("The capture has its size"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn bad_lines_are_told_and_counted() {
    let room = Room::new();
    let event = recording("exec.jsonl").lines().next().unwrap().to_owned();
    let input = format!("{event}\nnonsense\n\n{event}\n{{\"half\":");
    let output = room.record_all(&input, &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for part in ["-:2: ", "-:5: ", "2 records could not be read and are left out"] {
        assert!(said.contains(part), "{said}");
    }
    let reader = CaptureReader::open(&room.capture).unwrap();
    assert_eq!(reader.state(), State::Closed);
    assert_eq!(
        (reader.manifest().unreadable(), reader.manifest().totals.written),
        (2, 2)
    );
    let output = room.record_all(&input, &["--force", "--skip-bad"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn nothing_makes_a_capture_of_nothing() {
    let room = Room::new();
    let output = room.record_all("", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let reader = CaptureReader::open(&room.capture).unwrap();
    assert_eq!(
        (reader.state(), reader.manifest().totals.received),
        (State::Closed, 0)
    );
}

#[test]
fn events_can_be_selected() {
    let room = Room::new();
    let output = room.record_all(
        recording("trace.jsonl"),
        &["--events", "net_packet_dns,file_write,absent"],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let reader = CaptureReader::open(&room.capture).unwrap();
    let kept = reader.manifest().events.iter();
    let kept: Vec<_> = kept.map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(
        reader.manifest().header.filters,
        ["events=net_packet_dns,file_write,absent"]
    );
    assert!(text(&output.stderr).contains("Note: none of the events was absent."));
    // The catalogue does not know one of them, and the process tree is made of executions.
    assert_eq!(
        kept,
        [("_other", 1), ("net_packet_dns", 21), ("sched_process_exec", 2)]
    );
}

const DETECTOR: &str = r#"
type: detector
id: TEST-001
produced_event:
  name: executed
  version: 1.0.0
  fields: [{name: path, type: string}]
requirements:
  events: [{name: sched_process_exec}]
output:
  fields: [{name: path, expression: getEventData("pathname")}]
auto_populate: {detected_from: true, process_ancestry: true}
"#;

#[test]
fn detectors_find_live_what_replay_finds() {
    let room = Room::new();
    let rules = room.directory.path().join("rules.yaml");
    fs::write(&rules, DETECTOR).unwrap();
    let input = recording("trace.jsonl") + &recording("exec.jsonl");
    let detectors = ["--detectors", rules.to_str().unwrap(), "-o", "ndjson"];
    let live = room.record_all(&input, &detectors);
    assert!(live.status.success(), "{}", text(&live.stderr));
    let replayed = tracee_cap(&["replay"])
        .arg(&room.capture)
        .args(detectors)
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let found = text(&live.stdout);
    assert_eq!(found.lines().count(), 4, "{found}");
    assert_eq!(found, text(&replayed.stdout));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let room = Room::new();
    for args in [
        &["--ring-size", "1MiB"][..],
        &["--latency", "1s"],
        &["--env"],
        &["--no-symbols"],
        &["--scope", "uid=0"],
        &["--data", "ptrace.pid=1"],
        &["--no-enrichment"],
        &["--runtime-socket", "docker=/run/docker.sock"],
        &["--", "true"],
    ] {
        for source in [&["-"][..], &["--from-tracee", "localhost:4466"]] {
            let mut command = tracee_cap(&["record"]);
            let output = command.args(source).arg("-w").arg(&room.capture).args(args);
            let output = output.stdin(Stdio::null()).output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(said.contains("cannot be used with"), "{args:?}: {said}");
        }
    }
    for args in [
        &["record", "--skip-bad"][..],
        &["record", "events.ndjson"],
        &["record", "-", "--from-tracee", "localhost:4466"],
        &["record", "--from-tracee", "nowhere"],
    ] {
        let output = tracee_cap(args).arg("-w").arg(&room.capture).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    }
    assert!(!room.capture.exists());
}

/// Events of the recordings, as Tracee would send them.
fn script(room: &Room) -> Vec<Step> {
    let exported = room.imported(&recording("trace.jsonl"));
    let messages = text(&exported).lines().map(|line| {
        let Ok(Line::Event(event)) = read_line(line.as_bytes()) else {
            panic!("no event: {line}");
        };
        Step::Event(event.event.encode_to_vec().into())
    });
    messages.collect()
}

/// `record --from-tracee` to the end of the stream.
fn record_from(room: &Room, address: &Address, args: &[&str]) -> Output {
    tracee_cap(&["record", "--force", "--from-tracee"])
        .arg(address.to_string())
        .arg("-w")
        .arg(&room.capture)
        .args(args)
        .output()
        .unwrap()
}

/// What is in a capture, as Tracee would write it.
fn printed(capture: &Path) -> Vec<u8> {
    let output = tracee_cap(&["export"]).arg(capture).output().unwrap();
    assert!(!output.stdout.is_empty(), "{}", text(&output.stderr));
    output.stdout
}

#[test]
fn a_running_tracee_is_recorded() {
    let room = Room::new();
    let mut script = script(&room);
    script.push(Step::Lose(3));
    for (listen, offer) in [
        (Listen::Unix, Offer::Everything),
        (Listen::Tcp, Offer::NoDiagnostics),
    ] {
        let server = Server::start(listen, offer, script.clone()).unwrap();
        let output = record_from(&room, server.address(), &[]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("The stream ended after"), "{said}");
        match offer {
            Offer::NoDiagnostics => assert!(said.contains("does not tell what it loses"), "{said}"),
            _ => assert!(said.contains("3 of 27 were lost."), "{said}"),
        }
        let imported = room.directory.path().join("import.tcap");
        assert_eq!(text(&printed(&room.capture)), text(&printed(&imported)));
        let info = tracee_cap(&["info", "-o", "table"])
            .arg(&room.capture)
            .output()
            .unwrap();
        let from = format!("{} (grpc, 24 events, made by tracee v0.24.1)", server.address());
        assert!(text(&info.stdout).contains(&from), "{}", text(&info.stdout));
    }
}

#[test]
fn a_stream_that_breaks_off_is_an_error_that_keeps_what_came() {
    let room = Room::new();
    let mut script = script(&room);
    script.push(Step::Pause(Duration::from_millis(300)));
    script.push(Step::Vanish);
    let server = Server::start(Listen::Unix, Offer::Everything, script).unwrap();
    let output = record_from(&room, server.address(), &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the stream broke off: "), "{said}");
    let reader = CaptureReader::open(&room.capture).unwrap();
    assert_eq!(
        (reader.state(), reader.manifest().totals.written),
        (State::Closed, 24)
    );
}

#[test]
fn signals_end_the_recording_of_a_tracee_that_has_nothing_to_say() {
    let room = Room::new();
    let server = Server::start(Listen::Unix, Offer::Everything, vec![Step::Hang]).unwrap();
    let mut recorder = tracee_cap(&["record", "--progress", "ndjson", "--flush-interval", "50ms"])
        .args(["--from-tracee", &server.address().to_string(), "-w"])
        .arg(&room.capture)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(recorder.stderr.take().unwrap());
    // It has begun when it tells how far it is.
    said.read_line(&mut String::new()).unwrap();
    kill(Pid::from_raw(recorder.id().cast_signed()), Signal::SIGINT).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(recorder.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("Stopped after"), "{rest}");
    assert_eq!(CaptureReader::open(&room.capture).unwrap().state(), State::Closed);
}

#[test]
fn signals_end_the_waiting_for_an_answer() {
    let room = Room::new();
    let path = room.directory.path().join("silent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let recorder = tracee_cap(&["record", "--from-tracee"])
            .arg(format!("unix:{}", path.display()))
            .arg("-w")
            .arg(&room.capture)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It is connected, and nobody will answer; it would give up by itself, with another exit code.
        let _connection = listener.accept().unwrap();
        kill(Pid::from_raw(recorder.id().cast_signed()), signal).unwrap();
        let output = recorder.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("stopped before unix:"), "{said}");
        assert!(!room.capture.exists());
    }
}

#[test]
fn whoever_is_not_tracee_costs_no_capture() {
    let room = Room::new();
    assert!(room.record_all("", &[]).status.success());
    let nobody = Address::Unix(
        room.directory
            .path()
            .join("none.sock")
            .to_str()
            .unwrap()
            .to_owned(),
    );
    let server = Server::start(Listen::Tcp, Offer::NoEvents, Vec::new()).unwrap();
    for (address, exit, says) in [
        (&nobody, 4, "cannot connect to unix:"),
        (
            server.address(),
            3,
            "does not answer as Tracee does: it has no such service",
        ),
    ] {
        let output = record_from(&room, address, &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(room.capture.exists());
    }
}
