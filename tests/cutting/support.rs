//! A place to work in.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use capture::{CaptureReader, CaptureWriter, Entry, Header, Host, Loss, WriterOptions};
use detectors_stores::Input;
use detectors_stores::symbol::Kallsyms;
use fixtures::generator::{Generator, KALLSYMS};

/// Who started what, and where: each event by itself, with what stores know.
pub(crate) const RULE: &str = "\
type: detector
id: who-started
produced_event: {name: who_started, version: 1.0.0, description: Who started what}
requirements:
  min_tracee_version: 0.0.0
  events: [{name: sched_process_exec}]
  datastores: [{name: process}]
conditions: [getEventData(\"pathname\") != \"\"]
auto_populate: {detected_from: true, process_ancestry: true}
";

pub(crate) struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("tmp")).expect("made");
        fs::write(directory.path().join("rule.yaml"), RULE).expect("written");
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
            .args(args)
            .current_dir(self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let left = fs::read_dir(self.path().join("tmp"))
            .expect("it is there")
            .count();
        assert_eq!(left, 0, "{args:?} left temporary files");
        output
    }

    /// What a run prints that ends well.
    pub(crate) fn ok(&self, line: &str) -> String {
        let args: Vec<_> = line.split(' ').collect();
        let output = self.run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a run says that ends with this exit code.
    pub(crate) fn fails(&self, code: i32, line: &str) -> String {
        let args: Vec<_> = line.split(' ').collect();
        let output = self.run(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }

    /// Everything that a capture says.
    pub(crate) fn entries(&self, name: &str) -> Vec<Entry> {
        let reader = CaptureReader::open(self.path().join(name)).expect("a capture");
        let entries = reader.entries().expect("readable");
        entries.collect::<Result<_, _>>().expect("readable")
    }

    pub(crate) fn header(&self, name: &str) -> Header {
        let reader = CaptureReader::open(self.path().join(name)).expect("a capture");
        reader.manifest().header.clone()
    }

    /// Generated events, with symbols and some losses.
    pub(crate) fn generate(&self, name: &str, count: usize) {
        self.generate_on(name, count, 42, "");
    }

    /// The same, of another seed, on a host of its own.
    pub(crate) fn generate_on(&self, name: &str, count: usize, seed: u64, host: &str) {
        let options = WriterOptions {
            segment_rows: 900,
            ..WriterOptions::default()
        };
        let header = Header {
            capture_id: "0123456789abcdef0123456789abcdef".to_owned(),
            host: Host {
                name: host.to_owned(),
                boot_id: host.to_owned(),
                ..Host::default()
            },
            ..Header::default()
        };
        let mut writer =
            CaptureWriter::create(self.path().join(name), header, options).expect("a new capture");
        let symbols = Kallsyms::read(KALLSYMS.as_bytes()).expect("text can be read");
        let symbols = Input {
            store: "symbol".to_owned(),
            seq: 0,
            rows: symbols.rows,
        };
        writer.add_input(symbols).expect("there is no event yet");
        for (number, mut event) in (1..).zip(Generator::new(seed).take(count)) {
            // Generated events all have the same one.
            event.kernel.host_name = None;
            writer.push(&event);
            if number % 500 == 0 {
                writer.flush().expect("flushed");
            }
        }
        for (seq_from, count) in [(10, 1), (1500, 2), (1999, 4)] {
            writer.record_loss(Loss {
                seq_from,
                seq_to: seq_from + 2,
                time_from: None,
                time_to: None,
                cpu: None,
                cause: "ring_full".to_owned(),
                count,
            });
        }
        writer.finish().expect("finished");
    }
}
