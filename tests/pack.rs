//! The forms of a capture through the command line: what is said about a directory is said about its pack, and about the events
//! that it was imported from.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use capture::{CaptureWriter, Header, WriterOptions};
use detectors_api::event::RecordedEvent;
use fixtures::generator::Generator;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/tracee");
const BINARY: &str = env!("CARGO_BIN_EXE_tracee-cap");

struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tmp")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// The tool, working here, with temporary files of its own.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .current_dir(self.directory.path())
            .env("TMPDIR", self.path("tmp"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        assert_eq!(self.temporary(), Vec::<PathBuf>::new(), "{args:?}");
        output
    }

    /// What a run prints that ends well.
    fn stdout(&self, args: &[&str]) -> Vec<u8> {
        let output = self.run(args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            text(&output.stderr)
        );
        output.stdout
    }

    /// Exit code and stderr.
    fn failure(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.run(args);
        (output.status.code(), text(&output.stderr).to_owned())
    }

    fn temporary(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn recording(name: &str) -> String {
    format!("{RECORDINGS}/{name}")
}

/// A capture of generated events; if it is not `closed`, its recorder died.
fn make(path: &str, closed: bool) {
    let options = WriterOptions {
        segment_rows: 1000,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, Header::default(), options).unwrap();
    let events: Vec<RecordedEvent> = Generator::new(7).take(2500).collect();
    for events in events.chunks(500) {
        for event in events {
            writer.push(event);
        }
        writer.flush().unwrap();
    }
    if closed {
        writer.finish().unwrap();
    }
}

/// What a command answers, without the name of what it was asked about.
fn answer(room: &Room, capture: &str, args: &[&str]) -> String {
    let args: Vec<_> = args
        .iter()
        .map(|arg| if *arg == "CAPTURE" { capture } else { arg })
        .collect();
    // Queries tell the file name.
    let name = capture.rsplit('/').next().unwrap();
    text(&room.stdout(&args))
        .replace(capture, "CAPTURE")
        .replace(name, "CAPTURE")
}

#[test]
fn all_forms_of_a_recording_give_the_same_answers() {
    let room = Room::new();
    for name in [
        "legacy/docs_events.ndjson",
        "legacy/exec.jsonl",
        "v1beta1/events.ndjson.zst",
    ] {
        let events = recording(name);
        room.stdout(&["import", &events, "-w", "x.tcap", "--force"]);
        room.stdout(&["pack", "x.tcap", "--force"]);
        for args in [
            &["replay", "CAPTURE", "--output", "ndjson", "--threads", "2"][..],
            &["replay", "CAPTURE", "--output", "table"],
            &["export", "CAPTURE", "--format", "extended"],
            &["sql", "CAPTURE", "SELECT * FROM events"],
            &["sql", "CAPTURE", "SELECT * FROM processes"],
            &[
                "sql",
                "CAPTURE",
                "SELECT name, count(*) AS n FROM events GROUP BY name ORDER BY name",
            ],
            &["verify", "CAPTURE"],
        ] {
            let expected = answer(&room, "x.tcap", args);
            assert_eq!(answer(&room, "x.tcap.tar", args), expected, "{name}: {args:?}");
            assert_eq!(answer(&room, &events, args), expected, "{name}: {args:?}");
        }
        let replayed = answer(&room, "x.tcap", &["replay", "CAPTURE", "--output", "ndjson"]);
        assert_eq!(replayed.is_empty(), name != "v1beta1/events.ndjson.zst", "{name}");
    }
}

#[test]
fn equal_runs_over_events_have_equal_records() {
    let room = Room::new();
    let events = recording("v1beta1/events.ndjson.zst");
    let run = |capture: &str, record: &str| {
        room.stdout(&["replay", capture, "--provenance", record]);
        let mut record: serde_json::Value =
            serde_json::from_slice(&fs::read(room.path(record)).unwrap()).unwrap();
        for name in ["timing", "argv"] {
            record.as_object_mut().unwrap().remove(name).unwrap();
        }
        assert_eq!(record["captures"][0]["capture"].take(), capture);
        record
    };
    let first = run(&events, "a.json");
    assert_eq!(run(&events, "b.json"), first);
    room.stdout(&["import", &events, "-w", "x.tcap"]);
    room.stdout(&["pack", "x.tcap"]);
    let mut kept = run("x.tcap", "c.json");
    assert_eq!(run("x.tcap.tar", "d.json"), kept);
    // A capture that is kept has an id.
    let id = kept["captures"][0]["id"].take();
    assert_ne!(id, first["captures"][0]["id"]);
    kept["captures"][0]["id"] = first["captures"][0]["id"].clone();
    assert_eq!(kept, first);
}

#[test]
fn events_come_from_standard_input_too() {
    let room = Room::new();
    let events = recording("legacy/docs_events.ndjson");
    let expected = room.stdout(&["export", &events]);
    let output = room
        .command(&["export", "-"])
        .stdin(fs::File::open(&events).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("-: 203 events imported for this run"));
    assert_eq!(output.stdout, expected);
}

#[test]
fn info_tells_the_form() {
    let room = Room::new();
    make(&room.path("x.tcap"), true);
    room.stdout(&["pack", "x.tcap"]);
    for (capture, form) in [
        ("x.tcap", "directory"),
        ("x.tcap.tar", "pack"),
        (&recording("legacy/exec.jsonl"), "events"),
    ] {
        let info = room.stdout(&["info", capture, "-o", "json"]);
        let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
        assert_eq!(info["form"], form);
        assert_eq!(info["capture"], capture);
    }
    let table = room.stdout(&["info", "x.tcap.tar", "-o", "table"]);
    assert!(text(&table).contains("form       a pack: all files in one\n"));
}

#[test]
fn packs_go_through_pipes() {
    let room = Room::new();
    make(&room.path("x.tcap"), true);
    let pack = room.stdout(&["pack", "x.tcap", "-w", "-"]);
    room.stdout(&["pack", "x.tcap"]);
    assert_eq!(fs::read(room.path("x.tcap.tar")).unwrap(), pack);
    let output = room
        .command(&["unpack", "-", "-w", "again.tcap"])
        .stdin(fs::File::open(room.path("x.tcap.tar")).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        room.stdout(&["export", "again.tcap", "--format", "extended"]),
        room.stdout(&["export", "x.tcap", "--format", "extended"])
    );
    assert_eq!(room.failure(&["unpack", "-"]).0, Some(2));
}

#[test]
fn nothing_is_overwritten_without_force() {
    let room = Room::new();
    make(&room.path("x.tcap"), true);
    room.stdout(&["pack", "x.tcap"]);
    for args in [
        &["pack", "x.tcap"][..],
        &["unpack", "x.tcap.tar"],
        // A directory is no file, and the other way round.
        &["pack", "x.tcap", "-w", "tmp", "--force"],
        &["unpack", "x.tcap.tar", "-w", "x.tcap.tar", "--force"],
    ] {
        let (exit, said) = room.failure(args);
        assert_eq!(exit, Some(2), "{args:?}: {said}");
    }
    room.stdout(&["pack", "x.tcap", "--force"]);
    room.stdout(&["unpack", "x.tcap.tar", "--force"]);
    room.stdout(&["verify", "x.tcap"]);
    let (exit, said) = room.failure(&["unpack", "x.tcap", "-w", "y"]);
    assert_eq!(
        (exit, said.contains("x.tcap is a directory already")),
        (Some(2), true),
        "{said}"
    );
}

#[test]
fn a_truncated_capture_stays_truncated() {
    let room = Room::new();
    make(&room.path("x.tcap"), false);
    let whole = room.run(&["export", "x.tcap"]);
    assert_eq!(whole.status.code(), Some(5));
    let (exit, said) = room.failure(&["pack", "x.tcap"]);
    assert_eq!(exit, Some(5), "{said}");
    assert!(said.contains("is truncated: its recorder died"), "{said}");
    let (exit, _) = room.failure(&["unpack", "x.tcap.tar", "-w", "y.tcap"]);
    assert_eq!(exit, Some(5));
    for form in ["x.tcap.tar", "y.tcap"] {
        let output = room.run(&["export", form]);
        assert_eq!(output.status.code(), Some(5));
        assert_eq!(output.stdout, whole.stdout);
        assert_eq!(room.run(&["verify", form]).status.code(), Some(5));
    }
}

#[test]
fn what_is_being_recorded_is_not_packed() {
    let room = Room::new();
    let _writer =
        CaptureWriter::create(room.path("x.tcap"), Header::default(), WriterOptions::default()).unwrap();
    let (exit, said) = room.failure(&["pack", "x.tcap"]);
    assert_eq!(exit, Some(2));
    assert!(
        said.contains("x.tcap is still being recorded: end the recording first"),
        "{said}"
    );
    assert!(!Path::new(&room.path("x.tcap.tar")).exists());
}

#[test]
fn damage_is_named() {
    let room = Room::new();
    make(&room.path("x.tcap"), true);
    room.stdout(&["pack", "x.tcap"]);
    let pack = fs::read(room.path("x.tcap.tar")).unwrap();
    let write = |bytes: &[u8]| fs::write(room.path("x.tcap.tar"), bytes).unwrap();

    write(&pack[..pack.len() / 2]);
    for command in [
        &["info", "x.tcap.tar"][..],
        &["replay", "x.tcap.tar"],
        &["verify", "x.tcap.tar"],
        &["unpack", "x.tcap.tar", "-w", "y.tcap"],
    ] {
        let (exit, said) = room.failure(command);
        assert_eq!(exit, Some(3), "{said}");
        assert!(said.contains("the pack is cut off"), "{said}");
    }

    // The first bytes of a Parquet file, after the header that names it.
    let name = b"process/part-000001.parquet\0";
    let at = pack.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let mut damaged = pack;
    damaged[at + 512 + 40] ^= 1;
    write(&damaged);
    let output = room.run(&["verify", "x.tcap.tar"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        text(&output.stdout),
        "process/part-000001.parquet: the digest is wrong: the file was changed\n"
    );
    for command in [
        ["unpack", "x.tcap.tar", "-w", "y.tcap"],
        ["pack", "x.tcap.tar", "-w", "z.tar"],
    ] {
        let (exit, said) = room.failure(&command);
        assert_eq!(exit, Some(3), "{said}");
        assert!(
            said.contains("x.tcap.tar/process/part-000001.parquet: the digest is wrong"),
            "{said}"
        );
        assert!(!Path::new(&room.path(command[3])).exists());
    }
}

#[test]
fn events_that_cannot_be_read_are_left_out_and_told() {
    let room = Room::new();
    let good = fs::read_to_string(recording("legacy/exec.jsonl")).unwrap();
    fs::write(room.path("x.ndjson"), format!("{good}no event\n{good}")).unwrap();
    let output = room.run(&["export", "x.ndjson"]);
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("x.ndjson:3: "), "{said}");
    assert!(
        said.contains("x.ndjson: 1 records could not be read and are left out"),
        "{said}"
    );
    // The numbers are those that an import gives.
    room.run(&["import", "x.ndjson", "-w", "x.tcap", "--skip-bad"]);
    assert_eq!(output.stdout, room.stdout(&["export", "x.tcap"]));

    fs::write(room.path("x.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    let (exit, said) = room.failure(&["replay", "x.png"]);
    assert_eq!(exit, Some(3));
    assert!(
        said.contains("x.png is neither a capture nor a file of events"),
        "{said}"
    );
    let (exit, said) = room.failure(&["replay", "nowhere"]);
    assert_eq!(exit, Some(3));
    assert!(said.contains("there is no such file or directory"), "{said}");
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let room = Room::new();
    let mut child = room
        .command(&["export", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(&fs::read(recording("legacy/docs_events.ndjson")).unwrap())
        .unwrap();
    let wait_for = |what: &str, done: &mut dyn FnMut() -> bool| {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what} takes too long");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    wait_for("the temporary capture", &mut || {
        room.temporary()
            .iter()
            .any(|path| path.join("events.tcap/manifest.json").exists())
    });
    let terminated = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(terminated.success());
    let mut status = None;
    wait_for("the end", &mut || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let signal = std::os::unix::process::ExitStatusExt::signal(&status.unwrap());
    assert_eq!(signal, Some(15));
    assert_eq!(room.temporary(), Vec::<PathBuf>::new());
}
