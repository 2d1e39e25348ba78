//! A capture of a busy server, and the binary over it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Host, JournalPolicy, WriterOptions};
use fixtures::generator::Generator;

use crate::CAPTURE;

/// Something is renamed in a container.
const RULE: &str = "\
type: detector
id: ACME-1
produced_event:
  name: renamed_in_a_container
  version: 1.0.0
  fields:
    - {name: parent, type: string, optional: true}
requirements:
  events:
    - {name: security_inode_rename, scope_filters: [container]}
output:
  fields:
    - {name: parent, expression: 'process.getAncestry(workload.process.unique_id, 2)[1].name', optional: true}
";

/// A directory with a capture, a rule and a store.
#[derive(Debug)]
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        place.write("rules/renamed.yaml", RULE);
        place.write("feed.json", r#"{"store": "ip_reputation", "entries": []}"#);
        let header = Header {
            host: Host {
                architecture: "x86_64".to_owned(),
                ..Host::default()
            },
            enrichments: vec!["environment".to_owned()],
            ..Header::default()
        };
        let options = WriterOptions {
            journal: JournalPolicy::Off,
            segment_rows: 3_000,
            ..WriterOptions::default()
        };
        let mut writer = CaptureWriter::create(place.path(CAPTURE), header, options).expect("it is new");
        for event in Generator::new(3).take(8_000) {
            writer.push(&event);
        }
        writer.finish().expect("finished");
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

    /// Makes a fixture of the capture.
    pub(crate) fn make(&self, name: &str, words: &[&str]) -> Done {
        self.run(&[&["fixture", "make", CAPTURE, "-w", name][..], words].concat())
    }

    /// What is found in the capture: lines with their ends.
    pub(crate) fn detections(&self, words: &[&str]) -> Vec<String> {
        let done = self.run(&[&["replay", CAPTURE, "-o", "ndjson"][..], words].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done.out.split_inclusive('\n').map(str::to_owned).collect()
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

/// All files below a directory with their contents, by their paths in it.
pub(crate) fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut next = vec![directory.to_owned()];
    while let Some(path) = next.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                next.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below it");
                found.push((name.display().to_string(), fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

/// Bytes of all files below a directory.
pub(crate) fn directory_size(directory: &Path) -> usize {
    files(directory).iter().map(|(_, bytes)| bytes.len()).sum()
}
