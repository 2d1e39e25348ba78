//! What the matrix is over: captures of the same events in every form.

use std::io::Write;
use std::path::{Path, PathBuf};

use capture::{CaptureWriter, Header, Host, Import, Input, InputFormat, WriterOptions};
use detectors_stores::symbol::Kallsyms;
use fixtures::generator::{Generator, KALLSYMS};

use crate::{DETECTORS, tracee_cap};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data/tracee");

/// What is known besides the events. A file of events says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Environments were recorded, and the kernel's symbols.
    All,
    Nothing,
}

/// Begins a capture.
fn writer(path: &Path, known: Known, segment_rows: u64) -> CaptureWriter {
    let header = match known {
        Known::All => Header {
            enrichments: vec!["environment".to_owned()],
            host: Host {
                architecture: "x86_64".to_owned(),
                ..Host::default()
            },
            ..Header::default()
        },
        Known::Nothing => Header::default(),
    };
    let options = WriterOptions {
        segment_rows,
        ..WriterOptions::default()
    };
    let mut writer = CaptureWriter::create(path, header, options).expect("a new capture");
    if known == Known::All {
        let symbols = Kallsyms::read(KALLSYMS.as_bytes()).expect("text can be read");
        let symbols = detectors_stores::Input {
            store: "symbol".to_owned(),
            seq: 0,
            rows: symbols.rows,
        };
        writer.add_input(symbols).expect("there is no event yet");
    }
    writer
}

/// Everything that Tracee printed, but for a large recording of one event type that no detector asks for.
pub(crate) fn printed(path: &Path, known: Known, segment_rows: u64) {
    let mut writer = writer(path, known, segment_rows);
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

/// Generated events.
pub(crate) fn generated(path: &Path, known: Known, segment_rows: u64) {
    let mut writer = writer(path, known, segment_rows);
    for (count, event) in (1..).zip(Generator::new(42).take(6_000)) {
        writer.push(&event);
        if count % 500 == 0 {
            writer.flush().expect("flushed");
        }
    }
    writer.finish().expect("finished");
}

/// Captures of the same events, of which the same is known.
pub(crate) type Equals = Vec<PathBuf>;

/// What `make` writes, in all forms: those that tell everything, and those that tell of events alone.
pub(crate) fn in_all_forms(directory: &Path, make: fn(&Path, Known, u64)) -> [Equals; 2] {
    let path = |name: &str| directory.join(name);
    let (large, small, bare) = (path("large.tcap"), path("small.tcap"), path("bare.tcap"));
    make(&large, Known::All, 1_000_000);
    make(&small, Known::All, 900);
    make(&bare, Known::Nothing, 900);
    let (pack, lines) = (pack(&small), export(&bare));
    [vec![large, small, pack], vec![bare, lines]]
}

/// The capture in one file.
pub(crate) fn pack(capture: &Path) -> PathBuf {
    let file = capture.with_extension("tcap.tar");
    let mut pack = tracee_cap();
    pack.arg("pack").arg(capture).arg("-w").arg(&file);
    pack.assert().success();
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

/// Something worth a detection or two, some of them with memory and ancestors.
const ACTIONS: &str = "cp /bin/echo $0 && $0 harmless >/dev/null; rm -f $0; \
                       cat /proc/sys/kernel/randomize_va_space /etc/ld.so.preload >/dev/null 2>&1; \
                       i=0; while [ $i -lt 30 ]; do /bin/true; i=$((i + 1)); done; sh -c 'cat /etc/shadow >/dev/null'";

/// Records with live detection. Gives what was printed; none, with a note, where this machine has no sensor.
pub(crate) fn recorded(capture: &Path, flush_interval: &str) -> Option<Vec<u8>> {
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
