//! Small fixtures, and the binary over them.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Loss, WriterOptions};
use detectors_api::testkit::TestEvent;

/// The detector that most fixtures are for: every file that is opened below /secret.
pub(crate) const RULE: &str = "\
type: detector
id: ACME-1
produced_event:
  name: secret_read
  version: 1.0.0
  fields:
    - {name: path, type: string}
    - {name: program, type: string}
requirements:
  events:
    - {name: security_file_open, data_filters: ['pathname=/secret/*']}
output:
  fields:
    - {name: path, expression: getEventData(\"pathname\")}
    - {name: program, expression: workload.process.thread.name}
";

/// A directory of fixtures, beside a directory `rules` with the detector.
#[derive(Debug)]
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        place.write("rules/secret.yaml", RULE);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the directory")).expect("made");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is text")
    }

    /// Changes a file.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{text}");
        self.write(name, &text.replace(from, to));
    }

    /// A fixture in which these files are opened.
    pub(crate) fn fixture(&self, name: &str, opened: &[&str], expect: &str) {
        self.fixture_with(name, opened, expect, &[]);
    }

    /// The same, and something was lost.
    pub(crate) fn fixture_with(&self, name: &str, opened: &[&str], expect: &str, losses: &[Loss]) {
        self.write(
            &format!("{name}/fixture.yaml"),
            &format!(
                "fixture: 1\nmade: {{how: written}}\n# The rules of this repository.\ndetectors: [../../rules]\nexpect:\n{expect}"
            ),
        );
        let path = self.path(name).join("capture.tcap");
        make(&path, opened, losses);
    }

    /// What `tracee-cap` does in the directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let output = Command::cargo_bin("tracee-cap")
            .expect("the binary is built with the tests")
            .current_dir(self.directory.path())
            .args(arguments)
            .output()
            .expect("it runs");
        Done {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A capture in which these files are opened, one a second.
pub(crate) fn make(path: &Path, opened: &[&str], losses: &[Loss]) {
    let mut writer =
        CaptureWriter::create(path, Header::default(), WriterOptions::default()).expect("it is new");
    for (second, file) in (1_i64..).zip(opened) {
        let event = TestEvent::new("security_file_open")
            .process(42, 1_000_000_000)
            .comm("cat")
            .at_ns(1_800_000_000_000_000_000 + second * 1_000_000_000)
            .set("pathname", *file);
        writer.push(&event.to_recorded());
    }
    for loss in losses {
        writer.record_loss(loss.clone());
    }
    writer.finish().expect("finished");
}

/// So many events were lost.
pub(crate) fn lost(count: u64) -> Loss {
    Loss {
        seq_from: 0,
        seq_to: 1,
        time_from: None,
        time_to: None,
        cpu: None,
        cause: "ring_full".to_owned(),
        count,
    }
}
