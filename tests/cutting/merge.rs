//! `merge`.

use std::collections::BTreeMap;

use capture::Entry;

use crate::support::Room;

/// What detectors find that look at one event at a time.
fn found(room: &Room, capture: &str) -> Vec<String> {
    let found = room.ok(&format!("replay {capture} --detectors ./rule.yaml -o ndjson"));
    let mut found: Vec<_> = found.lines().map(str::to_owned).collect();
    assert!(!found.is_empty(), "{capture}");
    found.sort();
    found
}

fn union(mut one: Vec<String>, other: Vec<String>) -> Vec<String> {
    one.extend(other);
    one.sort();
    one
}

fn sql(room: &Room, capture: &str, query: &str) -> String {
    let output = room.run(&["sql", capture, query, "-o", "csv"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{query}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_parts_of_a_recording_are_the_recording_again() {
    let room = Room::new();
    room.generate("a.tcap", 2500);
    room.ok("slice a.tcap --to seq:1499 -w 1.tcap");
    room.ok("slice a.tcap --from seq:1500 -w 2.tcap.txt");
    room.ok("slice a.tcap --from seq:1000 -w 3.tcap.tar");
    let whole = room.entries("a.tcap");
    let replayed = |name: &str| {
        room.ok(&format!(
            "replay {name} --detectors builtin,./rule.yaml -o ndjson"
        ))
    };
    let expected = replayed("a.tcap");
    for (name, parts, shared) in [
        ("apart", "1.tcap 2.tcap.txt", 0),
        ("overlap", "3.tcap.tar 1.tcap", 500),
    ] {
        let output = room.run(
            &format!("merge {parts} -w {name}.tcap")
                .split(' ')
                .collect::<Vec<_>>(),
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("machines: 1"), "{said}");
        assert_eq!(
            said.contains(&format!("{shared} events were in two captures")),
            shared > 0,
            "{said}"
        );
        let merged = room.entries(&format!("{name}.tcap"));
        let differ = merged.iter().zip(&whole).find(|(merged, whole)| merged != whole);
        assert!(differ.is_none() && merged.len() == whole.len(), "{differ:?}");
        assert!(replayed(&format!("{name}.tcap")) == expected, "{name}");
        room.ok(&format!("verify {name}.tcap"));
    }
    let header = room.header("overlap.tcap");
    let told: Vec<_> = header
        .merged
        .iter()
        .map(|part| (part.machine, part.events, part.duplicates))
        .collect();
    assert_eq!(told, [(0, 1500, 0), (0, 1500, 500)]);
}

#[test]
fn what_is_known_of_machines_is_kept_apart() {
    let room = Room::new();
    // The same processes with the same ids did other things, and the other way round.
    room.generate_on("a.tcap", 1500, 42, "web-1");
    room.generate_on("b.tcap", 1500, 42, "web-2");
    room.generate_on("c.tcap", 1500, 7, "db");
    room.ok("merge a.tcap b.tcap c.tcap -w all.tcap");
    let expected = ["b.tcap", "c.tcap"]
        .iter()
        .fold(found(&room, "a.tcap"), |all, name| union(all, found(&room, name)));
    assert!(found(&room, "all.tcap") == expected);
    // In another form, and of parts that begin in the midst, which know what was before.
    room.ok("fixture convert all.tcap -w all.tcap.txt");
    assert!(found(&room, "all.tcap.txt") == expected);
    room.ok("slice a.tcap --from seq:700 -w a2.tcap");
    room.ok("slice c.tcap --from seq:900 -w c2.tcap");
    room.ok("merge a2.tcap c2.tcap -w late.tcap");
    assert!(found(&room, "late.tcap") == union(found(&room, "a2.tcap"), found(&room, "c2.tcap")));
    // A slice of the merge knows it, too.
    room.ok("slice all.tcap --from seq:2000 -w part.tcap");
    let part = room.ok("replay part.tcap --detectors ./rule.yaml -o ndjson");
    assert!(part == room.ok("replay all.tcap --detectors ./rule.yaml -o ndjson --from seq:2000"));

    let hosts = sql(
        &room,
        "all.tcap",
        "SELECT host_name, count(*) AS n FROM events GROUP BY host_name ORDER BY host_name",
    );
    assert_eq!(
        hosts.trim().lines().collect::<Vec<_>>(),
        ["host_name,n", "db,1500", "web-1,1500", "web-2,1500"]
    );
    // Ancestors are told from the machine of the event.
    let query = "SELECT ancestors(process_id, seq, 9) AS a FROM sched_process_exec WHERE host_name = 'db' ORDER BY seq";
    assert!(
        sql(&room, "all.tcap", query) == sql(&room, "c.tcap", &query.replace(" WHERE host_name = 'db'", ""))
    );
    let info = room.ok("info all.tcap -o table");
    assert!(
        info.contains("merged     0123456789abcdef0123456789abcdef (web-1, 1,500 events)"),
        "{info}"
    );
    assert!(
        room.fails(2, "merge all.tcap a.tcap -w again.tcap")
            .contains("merge what it was merged from")
    );
}

/// The events of each host, and whether all are in the order of their times.
fn order(room: &Room, capture: &str, corrections: &[(&str, i64)]) -> BTreeMap<String, Vec<String>> {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last = i64::MIN;
    for entry in room.entries(capture) {
        if let Entry::Event { event, .. } = entry {
            let host = event.kernel.host_name.clone().expect("filled in");
            let time = event
                .event
                .timestamp
                .as_ref()
                .and_then(detectors_api::event::timestamp_ns);
            let correction = corrections
                .iter()
                .find(|(name, _)| *name == host)
                .map_or(0, |(_, ns)| *ns);
            let time = time.expect("every event has one") + correction;
            assert!(time >= last, "{capture}: {host} {time} after {last}");
            last = time;
            hosts.entry(host).or_default().push(format!("{:?}", event.event));
        }
    }
    hosts
}

#[test]
fn events_are_in_the_order_of_their_corrected_times() {
    let room = Room::new();
    room.generate_on("a.tcap", 400, 1, "web-1");
    room.generate_on("b.tcap", 400, 2, "web-2");
    room.ok("merge a.tcap b.tcap -w plain.tcap");
    room.ok("merge a.tcap b.tcap --offset web-2=-3ms --offset a=+1us -w corrected.tcap");
    let plain = order(&room, "plain.tcap", &[]);
    let corrected = order(
        &room,
        "corrected.tcap",
        &[("web-1", 1_000), ("web-2", -3_000_000)],
    );
    // Each machine's own order stays, and so do times.
    assert!(plain == corrected);
    assert!(room.entries("plain.tcap") != room.entries("corrected.tcap"));
    let offsets: Vec<_> = room
        .header("corrected.tcap")
        .merged
        .iter()
        .map(|part| part.offset_ns)
        .collect();
    assert_eq!(offsets, [1_000, -3_000_000]);
    assert!(
        room.fails(2, "merge a.tcap b.tcap --offset web-3=1s -w c.tcap")
            .contains("is called web-3")
    );
    assert!(!room.path().join("c.tcap").exists());
}

#[test]
fn losses_and_totals_are_added_up() {
    let room = Room::new();
    room.generate_on("a.tcap", 2500, 1, "web-1");
    room.generate_on("b.tcap", 2500, 2, "web-2");
    room.ok("merge a.tcap b.tcap -w both.tcap");
    let info: serde_json::Value = serde_json::from_str(&room.ok("info both.tcap")).expect("JSON");
    assert_eq!(
        info["totals"],
        serde_json::json!({"received": 5014, "written": 5000, "lost": 14})
    );
    // The numbers of losses are those of events of their own machine.
    for entry in room.entries("both.tcap") {
        if let Entry::Loss(loss) = entry {
            assert_eq!(loss.seq_from % 2, loss.seq_to % 2);
            assert!(loss.seq_from < loss.seq_to);
        }
    }
}
