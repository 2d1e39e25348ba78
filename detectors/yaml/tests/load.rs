//! Which files are read, and what they can see of each other.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use detectors_api::detector::EventDetector as _;
use detectors_yaml::load::{Loaded, MAX_FILE_SIZE, load};
use tempfile::TempDir;

/// A detector that produces event `name`, with this condition.
fn detector(name: &str, condition: &str) -> String {
    format!(
        "type: detector\nid: {name}\nproduced_event: {{name: {name}, version: 1.0}}\n\
         requirements: {{events: [{{name: sched_process_exec}}]}}\nconditions: ['{condition}']\n"
    )
}

fn list(name: &str) -> String {
    format!("type: string_list\nname: {name}\nvalues: [a]\n")
}

fn directory(files: &[(&str, String)]) -> TempDir {
    let directory = TempDir::new().expect("a directory can be made");
    for (name, text) in files {
        fs::write(directory.path().join(name), text).expect("a file can be written");
    }
    directory
}

fn ids(loaded: &Loaded) -> Vec<String> {
    let detectors = loaded.detectors.iter();
    detectors.map(|detector| detector.definition().id).collect()
}

fn texts(errors: &[detectors_yaml::error::FileError], directory: &Path) -> Vec<String> {
    let prefix = format!("{}/", directory.display());
    let first = |text: String| text.lines().next().unwrap_or_default().replace(&prefix, "");
    errors.iter().map(|error| first(error.to_string())).collect()
}

#[test]
fn a_directory_is_read_flat_and_by_name() {
    let directory = directory(&[
        ("b.yaml", detector("b", "true")),
        ("a.yml", detector("a", "true")),
        ("c.YAML", detector("c", "true")),
        ("notes.txt", "no detector".to_owned()),
        (".hidden.yaml", detector("hidden", "true")),
    ]);
    fs::create_dir(directory.path().join("sub")).expect("a directory can be made");
    fs::write(directory.path().join("sub/d.yaml"), detector("d", "true")).expect("a file can be written");
    let loaded = load([directory.path()]);
    assert_eq!(ids(&loaded), ["a", "b"]);
    assert_eq!(texts(&loaded.errors, directory.path()), [""; 0]);
    assert_eq!(
        texts(&loaded.warnings, directory.path()),
        ["sub: it has no effect: the directories in a directory are not read"]
    );
}

/// Kubernetes mounts a ConfigMap as links to files below `..data`, itself a link to a directory.
#[test]
fn links_to_files_are_followed() {
    let directory = directory(&[]);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("..2026_01_01")).expect("a directory can be made");
    fs::write(at("..2026_01_01/rule.yaml"), detector("linked", "true")).expect("a file can be written");
    symlink("..2026_01_01", at("..data")).expect("a link can be made");
    symlink("..data/rule.yaml", at("rule.yaml")).expect("a link can be made");
    symlink("nowhere", at("dangling.yaml")).expect("a link can be made");
    let loaded = load([directory.path()]);
    assert_eq!(ids(&loaded), ["linked"]);
    assert_eq!(
        texts(&loaded.errors, directory.path()),
        ["dangling.yaml: No such file or directory (os error 2)"]
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn what_is_no_regular_small_text_is_refused() {
    let directory = directory(&[("large.yaml", "#".repeat(MAX_FILE_SIZE as usize + 1))]);
    let at = |name: &str| directory.path().join(name);
    fs::write(at("binary.yaml"), [0xff, 0xfe]).expect("a file can be written");
    let made = std::process::Command::new("mkfifo").arg(at("pipe.yaml")).status();
    assert!(made.is_ok_and(|status| status.success()), "a pipe can be made");
    let loaded = load([directory.path().to_owned(), PathBuf::from("/nowhere/at/all")]);
    assert_eq!(
        texts(&loaded.errors, directory.path()),
        [
            "binary.yaml: the text is not UTF-8",
            "large.yaml: it has 1048577 bytes; 1048576 are allowed",
            "pipe.yaml: it is no regular file",
            "/nowhere/at/all: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn lists_belong_to_their_directory() {
    let with = directory(&[
        ("a.yaml", detector("with", "\"a\" in NAMES")),
        ("b.yaml", detector("other", "\"a\" in NAMES")),
        ("names.yaml", list("NAMES")),
    ]);
    let without = directory(&[("a.yaml", detector("without", "\"a\" in NAMES"))]);
    let loaded = load([with.path(), without.path()]);
    assert_eq!(
        ids(&loaded),
        ["other", "with"]
            .map(str::to_owned)
            .iter()
            .rev()
            .cloned()
            .collect::<Vec<_>>()
    );
    assert_eq!(loaded.errors.len(), 1);
    assert!(
        loaded.errors[0].file.starts_with(without.path()),
        "{}",
        loaded.errors[0]
    );

    // A file that is named by itself sees the lists of its directory, and brings no other detector along.
    let loaded = load([with.path().join("a.yaml")]);
    assert_eq!(ids(&loaded), ["with"]);
    assert_eq!(loaded.lists.len(), 1);
    assert!(loaded.errors.is_empty());
}

#[test]
fn lists_of_the_same_name_cost_only_those_who_use_them() {
    let directory = directory(&[
        ("list1.yaml", list("TWIN")),
        ("list2.yaml", list("TWIN")),
        ("uses.yaml", detector("uses", "\"a\" in TWIN")),
        ("other.yaml", detector("other", "true")),
    ]);
    let loaded = load([directory.path()]);
    assert_eq!(ids(&loaded), ["other"]);
    assert!(loaded.lists.is_empty(), "which of them is meant cannot be told");
    let texts = texts(&loaded.errors, directory.path());
    assert_eq!(
        texts[0],
        "list2.yaml:2:7: name: the list TWIN is in list1.yaml:2:7 too"
    );
    assert!(texts[1].starts_with("uses.yaml:5:"), "{texts:?}");
}

#[test]
fn ids_and_events_are_taken_once() {
    let directory = directory(&[
        ("a.yaml", detector("same", "true")),
        ("b.yaml", detector("same", "true")),
    ]);
    let path = directory.path().join("a.yaml");
    let loaded = load([directory.path(), directory.path(), &path]);
    assert_eq!(ids(&loaded), ["same"], "what is named twice is read once");
    assert_eq!(
        texts(&loaded.errors, directory.path()),
        [
            "b.yaml:2:5: id: the id same is in a.yaml:2:5 too",
            "b.yaml:3:24: produced_event.name: the event same is in a.yaml:3:24 too",
        ]
    );
}

#[test]
fn only_the_first_document_is_read() {
    let two = format!("{}---\ntype: [\n", detector("first", "true"));
    let directory = directory(&[
        ("a.yaml", two),
        ("b.yaml", format!("{}}}\n", detector("broken", "true"))),
    ]);
    let loaded = load([directory.path()]);
    assert_eq!(ids(&loaded), ["first"]);
    assert_eq!(
        texts(&loaded.warnings, directory.path()),
        ["a.yaml:6:1: only the first document of a file is read"]
    );
    assert_eq!(
        loaded.errors.len(),
        1,
        "what follows without `---` belongs to the document"
    );
}

#[test]
fn a_detector_next_to_a_file_is_still_there_for_who_asks_for_it() {
    let rules = directory(&[
        ("a.yaml", detector("a", "true")),
        ("b.yaml", detector("b", "true")),
    ]);
    let links = directory(&[]);
    symlink(rules.path().join("b.yaml"), links.path().join("b.yaml")).expect("a link can be made");
    // The first is read with the lists next to it; the other one, through a link, for itself.
    let loaded = load([rules.path().join("a.yaml"), links.path().to_owned()]);
    assert_eq!(ids(&loaded), ["a", "b"]);
}

#[test]
fn a_warning_leaves_a_detector_usable() {
    let text = format!("{}auto_populate: {{threat: true}}\n", detector("a", "true"));
    let directory = directory(&[("a.yaml", text)]);
    let loaded = load([directory.path()]);
    assert_eq!(ids(&loaded), ["a"]);
    assert_eq!(
        texts(&loaded.warnings, directory.path()),
        ["a.yaml:6:25: auto_populate.threat: it has no effect: the detector has no threat"]
    );
}

#[test]
fn a_field_that_no_event_has_is_told() {
    let directory = directory(&[("a.yaml", detector("a", "getEventData(\"pathnam\") != \"x\""))]);
    let loaded = load([directory.path()]);
    assert_eq!(ids(&loaded), ["a"]);
    let [warning] = &loaded.warnings[..] else {
        panic!("there is one warning: {:?}", loaded.warnings);
    };
    assert_eq!(
        (
            warning.position.map(|at| (at.line, at.column)),
            warning.hint.as_deref()
        ),
        (Some((5, 28)), Some("did you mean pathname?"))
    );
}
