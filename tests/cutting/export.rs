//! `export` takes the options of `slice`.

use std::collections::BTreeSet;

use crate::support::Room;

#[test]
fn what_is_exported_is_what_a_slice_has() {
    let room = Room::new();
    room.generate("a.tcap", 2000);
    let all = room.ok("export a.tcap");
    let whole: BTreeSet<_> = all.lines().collect();
    for (number, how) in [
        "--from seq:500 --to seq:999",
        "--from +1ms --to -1ms",
        "--where container=started",
        "--event sched_process_* --where container=started --from seq:700",
        "--process-tree 1",
    ]
    .iter()
    .enumerate()
    {
        let exported = room.ok(&format!("export a.tcap {how}"));
        room.ok(&format!("slice a.tcap {how} --only -w {number}.tcap"));
        assert!(exported == room.ok(&format!("export {number}.tcap")), "{how}");
        assert!(!exported.is_empty() && exported.len() < all.len(), "{how}");
        assert!(exported.lines().all(|line| whole.contains(line)), "{how}");
    }
    assert!(room.fails(2, "export a.tcap --event nosuch").contains("nosuch"));
    room.ok("export a.tcap --to seq:3 -w events.ndjson");
    room.fails(2, "export a.tcap --to seq:3 -w events.ndjson");
    room.ok("export a.tcap --to seq:3 -w events.ndjson --force");
}
