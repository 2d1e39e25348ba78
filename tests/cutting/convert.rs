//! `fixture convert`.

use std::fs;

use crate::support::Room;

const REPLAY: &str = "--detectors builtin,./rule.yaml -o ndjson";

#[test]
fn the_three_forms_say_the_same() {
    let room = Room::new();
    room.generate("a.tcap", 2000);
    room.ok("fixture convert a.tcap --to pack");
    room.ok("fixture convert a.tcap.tar -w b.tcap.txt");
    room.ok("fixture convert b.tcap.txt -w c.tcap");
    let entries = room.entries("a.tcap");
    let found = room.ok(&format!("replay a.tcap {REPLAY}"));
    assert!(found.contains("\"who_started\"") && found.contains("\"ancestors\""));
    for other in ["a.tcap.tar", "b.tcap.txt", "c.tcap"] {
        assert!(room.entries(other) == entries, "{other}");
        assert_eq!(room.header(other), room.header("a.tcap"), "{other}");
        assert!(room.ok(&format!("replay {other} {REPLAY}")) == found, "{other}");
    }
    // Every command takes a text.
    assert!(room.ok("info b.tcap.txt -o table").contains("a text"));
    room.ok("verify b.tcap.txt");
    let count = "SELECT count(*) AS n FROM events";
    let of = |name: &str| {
        let output = room.run(&["sql", name, count, "-o", "csv"]);
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(of("b.tcap.txt"), of("a.tcap"));
    assert_eq!(room.ok("export b.tcap.txt"), room.ok("export a.tcap"));
    // The same capture is the same text.
    let text = fs::read_to_string(room.path().join("b.tcap.txt")).expect("a text");
    assert!(room.ok("fixture convert c.tcap -w -") == text);
}

#[test]
fn nothing_is_replaced_unasked() {
    let room = Room::new();
    room.generate("a.tcap", 100);
    room.ok("fixture convert a.tcap -w b.tcap.txt");
    for line in [
        "a.tcap -w b.tcap.txt",
        "b.tcap.txt -w a.tcap",
        "b.tcap.txt --to directory --to text",
    ] {
        room.fails(2, &format!("fixture convert {line}"));
    }
    room.ok("fixture convert a.tcap -w b.tcap.txt --force");
    room.fails(2, "fixture convert a.tcap");
    room.fails(2, "fixture convert a.tcap --to pack -w -");
}

#[test]
fn the_capture_of_a_fixture_is_converted_where_it_is() {
    let room = Room::new();
    room.generate("a.tcap", 500);
    room.ok("fixture new it --capture a.tcap --detectors ./rule.yaml");
    room.ok("fixture convert it --to text");
    let files = || {
        let names = fs::read_dir(room.path().join("it")).expect("it is there");
        let mut names: Vec<_> = names.map(|entry| entry.expect("a file").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(), ["capture.tcap.txt", "expected.ndjson", "fixture.yaml"]);
    room.ok("test it");
    room.ok("fixture convert it --to directory");
    assert_eq!(files(), ["capture.tcap", "expected.ndjson", "fixture.yaml"]);
    room.ok("test it");
    room.ok("fixture convert it --to directory");
    room.fails(2, "fixture convert it -w elsewhere.tcap");
}

#[test]
fn a_text_that_is_none_is_refused_with_its_line() {
    let room = Room::new();
    room.generate("a.tcap", 100);
    room.ok("fixture convert a.tcap -w b.tcap.txt");
    let path = room.path().join("b.tcap.txt");
    let text = fs::read_to_string(&path).expect("a text");
    fs::write(&path, text.replace("\nevent 7 ", "\nevent seven ")).expect("written");
    let said = room.fails(3, "replay b.tcap.txt");
    let line = text
        .lines()
        .position(|line| line.starts_with("event 7 "))
        .expect("it is there")
        + 1;
    assert!(
        said.contains(&format!("b.tcap.txt, line {line}: `seven` is no sequence number")),
        "{said}"
    );
}
