//! `slice`.

use capture::Entry;

use crate::support::Room;

/// What the rule finds: it looks at one event at a time.
fn found(room: &Room, capture: &str, how: &str) -> String {
    room.ok(&format!(
        "replay {capture} --detectors ./rule.yaml -o ndjson{how}"
    ))
}

#[test]
fn a_slice_gives_what_the_whole_gives_there() {
    let room = Room::new();
    room.generate("a.tcap", 3000);
    for (number, how) in [
        " --from seq:1000 --to seq:1999",
        " --from seq:1000",
        " --to seq:1700",
        " --where container=started",
        " --from seq:700 --where container=started --event sched_process_*",
    ]
    .iter()
    .enumerate()
    {
        let expected = found(&room, "a.tcap", how);
        assert!(expected.contains("\"ancestors\""), "{how}");
        let forms: &[_] = if number == 0 {
            &["tcap", "tcap.tar", "tcap.txt"]
        } else {
            &["tcap"]
        };
        for form in forms {
            let slice = format!("{number}.{form}");
            room.ok(&format!("slice a.tcap{how} -w {slice}"));
            // What is kept for stores alone is not asked for.
            let wanted = how.find(" --where").map_or("", |at| &how[at..]);
            assert!(found(&room, &slice, wanted) == expected, "{slice}");
            room.ok(&format!("verify {slice}"));
        }
        // A slice of the slice is a slice of the whole.
        room.ok(&format!(
            "slice {number}.tcap --from seq:1500 --to seq:1600 -w part.tcap --force"
        ));
        let wanted = how.find(" --where").map_or("", |at| &how[at..]);
        let expected = found(
            &room,
            "a.tcap",
            &format!(" --from seq:1500 --to seq:1600{wanted}"),
        );
        assert!(found(&room, "part.tcap", wanted) == expected, "{how}");
    }
}

#[test]
fn a_process_tree_is_cut_out_with_its_ancestors() {
    let room = Room::new();
    room.generate("a.tcap", 3000);
    // The parent of somebody.
    let pid = room.entries("a.tcap").iter().find_map(|entry| match entry {
        Entry::Event { seq, event } if *seq > 500 && event.event.name == "sched_process_fork" => {
            event.event.workload.as_ref()?.process.as_ref()?.host_pid
        }
        _ => None,
    });
    let how = format!(" --process-tree {}", pid.expect("somebody forks"));
    let expected = found(&room, "a.tcap", &how);
    room.ok(&format!("slice a.tcap{how} -w tree.tcap"));
    assert!(!expected.is_empty() && found(&room, "tree.tcap", &how) == expected);
    room.ok(&format!("slice a.tcap{how} --only -w only.tcap"));
    let (whole, tree, only) = (
        room.entries("a.tcap"),
        room.entries("tree.tcap"),
        room.entries("only.tcap"),
    );
    assert!(whole.len() > tree.len() && tree.len() > only.len() && !only.is_empty());
}

#[test]
fn numbers_totals_and_losses_are_those_of_the_whole() {
    let room = Room::new();
    room.generate("a.tcap", 3000);
    let output = room.run(&[
        "slice", "a.tcap", "--from", "seq:1000", "--to", "seq:2000", "-w", "s.tcap",
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("1 losses are counted that may have been before the slice or after it"),
        "{said}"
    );
    let info: serde_json::Value = serde_json::from_str(&room.ok("info s.tcap")).expect("JSON");
    assert_eq!(
        info["totals"],
        serde_json::json!({"received": 1007, "written": 1001, "lost": 6})
    );
    assert_eq!(info["seq"], serde_json::json!({"first": 1000, "last": 2000}));
    let cut = &info["recording"]["cut"];
    assert_eq!(cut["capture_id"], "0123456789abcdef0123456789abcdef");
    assert_eq!(cut["seq"], serde_json::json!({"first": 1000, "last": 2000}));
    let whole: serde_json::Value = serde_json::from_str(&room.ok("info a.tcap")).expect("JSON");
    assert_eq!(cut["digest"], whole["digest"]);
    assert!(
        room.ok("info s.tcap -o table")
            .contains("cut from   0123456789abcdef0123456789abcdef, events 1000 to 2000")
    );
    let of = |name: &str, first: u64| -> Vec<_> {
        let entries = room.entries(name).into_iter();
        entries
            .filter(|entry| matches!(entry, Entry::Event { seq, .. } if (first..=2000).contains(seq)))
            .collect()
    };
    assert!(of("s.tcap", 0) == of("a.tcap", 1000));
    // The same slice again is the same.
    room.ok("slice a.tcap --from seq:1000 --to seq:2000 -w t.tcap");
    assert!(room.entries("t.tcap") == room.entries("s.tcap"));
    assert_eq!(room.header("t.tcap"), room.header("s.tcap"));
}

#[test]
fn what_makes_no_slice_is_refused() {
    let room = Room::new();
    room.generate("a.tcap", 100);
    assert!(
        room.fails(2, "slice a.tcap -w s.tcap")
            .contains("say what to keep")
    );
    assert!(
        room.fails(2, "slice a.tcap --from seq:100 -w s.tcap")
            .contains("no event")
    );
    assert!(
        room.fails(2, "slice a.tcap --to seq:50 -w a.tcap")
            .contains("exists already: --force overwrites it")
    );
    assert!(
        room.fails(2, "slice a.tcap --event nosuch -w s.tcap")
            .contains("nosuch")
    );
    assert!(!room.path().join("s.tcap").exists());
}
