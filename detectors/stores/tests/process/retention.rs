//! What is forgotten, what is dropped, and what keyframes hold.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::UInt32Type;
use detectors_api::stores::{ProcessStore as _, Stores as _};
use detectors_api::testkit::TestEvent;
use detectors_stores::{FoldError, Stores};

use crate::host::*;

/// Something that lets time pass.
fn tick(seconds: u64) -> TestEvent {
    exec(at(seconds), INIT, "/sbin/init")
}

fn found(stores: &Stores, seq: u64, of: (u32, u64)) -> bool {
    stores.at(seq, 0).processes().get_process(id(of)).is_ok()
}

#[test]
fn a_forgotten_process_is_found_by_no_route() {
    let grandchild = (300, B + 2 * SECOND);
    let events = [
        fork(at(1), P, C),
        clone(at(1), C, P, T),
        fork(at(2), C, grandchild),
        exit(at(3), grandchild),
        exit(at(3), C).set("process_group_exit", true),
        tick(8),
        tick(20),
    ];
    let mut stores = told_with_retention(10 * SECOND, &events);
    for (stores, seq) in [(restored(&mut stores, Some(10 * SECOND)), 8), (stores, 7)] {
        let view = stores.at(seq, 0);
        let processes = view.processes();
        assert!(processes.get_process(id(C)).expect_err("gone").is_not_found());
        assert!(processes.get_process_by_host_pid(C.0).is_err());
        assert_eq!(processes.get_child_processes(id(P)), Ok(Vec::new()));
        assert_eq!(processes.get_child_processes(id(C)), Ok(Vec::new()));
        assert_eq!(processes.get_ancestry(id(grandchild), 5), Ok(Vec::new()));
        assert_eq!(processes.metrics().item_count, 2, "P and init live");
        let all = stores.processes().at(seq, 0);
        assert_eq!(pids(&all.all()), [INIT.0, P.0]);
        assert_eq!(all.executable_path(id(C)), None);
        assert_eq!(all.at_time(id(C), B + 2 * SECOND), None);
        assert_eq!((all.thread(id(T)), all.threads(id(C)).len()), (None, 0));
    }
}

#[test]
fn what_is_forgotten_later_is_still_there_before() {
    let events = [fork(at(1), P, C), exit(at(3), C), tick(8), tick(20)];
    let stores = told_with_retention(10 * SECOND, &events);
    assert!(found(&stores, 3, C) && !found(&stores, 4, C));
    assert_eq!(stores.at(3, 0).processes().metrics().item_count, 3);
}

#[test]
fn a_living_descendant_keeps_its_ancestors() {
    let grandchild = (300, B + 2 * SECOND);
    let mut stores = told_with_retention(
        10 * SECOND,
        &[
            fork(at(1), P, C),
            fork(at(2), C, grandchild),
            exit(at(3), C),
            tick(30),
        ],
    );
    assert!(found(&stores, 4, C));
    tell(&mut stores, 5, &[exit(at(31), grandchild), tick(60)]);
    assert!(found(&stores, 5, C) && !found(&stores, 6, C) && !found(&stores, 6, grandchild));
}

#[test]
fn a_forgotten_process_that_is_mentioned_again_is_another_one() {
    let events = [
        fork(at(1), P, C),
        exec(at(2), C, "/bin/a"),
        exit(at(3), C),
        tick(20),
        fork(at(21), C, (300, B + 21 * SECOND)),
    ];
    let stores = told_with_retention(10 * SECOND, &events);
    let view = stores.at(5, 0);
    let again = view.processes().get_process(id(C)).expect("mentioned");
    assert_eq!(
        (again.exe, again.exit_ns, again.parent_entity_id),
        ("", None, None)
    );
}

#[test]
fn threads_that_exited_long_ago_are_forgotten() {
    let events = [
        fork(at(1), P, C),
        clone(at(2), C, P, T),
        thread_exit(at(3), C, T),
        tick(20),
    ];
    let stores = told_with_retention(10 * SECOND, &events);
    let threads = |seq| stores.processes().at(seq, 0).threads(id(C)).len();
    assert_eq!((threads(3), threads(4)), (2, 1));
}

#[test]
fn a_long_recording_does_not_grow() {
    let mut stores = told_with_retention(SECOND, &[fork(at(1), P, C)]);
    let mut seq = 2;
    for second in 2..400 {
        let child = (1000 + second, B + u64::from(second) * SECOND);
        let now = u64::from(second);
        let events = [
            fork(at(now), P, child),
            clone(at(now), child, P, (child.0 + 1, child.1)),
            exec(at(now), child, "/bin/true"),
            exit(at(now), child).set("process_group_exit", true),
        ];
        tell(&mut stores, seq, &events);
        seq += 4;
        stores.compact(seq - 1);
    }
    assert!(stores.processes().len() < 30, "{}", stores.processes().len());
    assert!(
        stores.processes().versions() < 100,
        "{}",
        stores.processes().versions()
    );
    let view = stores.at(seq, 0);
    let children = view.processes().get_child_processes(id(P)).expect("healthy");
    assert_eq!(children.len() as u64 + 1, view.processes().metrics().item_count);
}

#[test]
fn former_adopters_keep_their_children_in_keyframes() {
    let mut stores = told(&[
        fork(at(1), P, C),
        exec(at(2), C, "/bin/a").parent(300, B),
        exec(at(3), C, "/bin/a").parent(INIT.0, INIT.1),
    ]);
    let again = restored(&mut stores, None);
    for parent in [P, (300, B), INIT] {
        let view = again.at(4, 0);
        let children = view.processes().get_child_processes(id(parent)).expect("healthy");
        assert_eq!(pids(&children), [C.0], "{parent:?}");
    }
}

/// The keyframe of a small host with one column replaced.
fn spoilt(column: &str, array: impl Fn(usize) -> ArrayRef) -> Result<(), FoldError> {
    let mut stores = told(&[fork(at(1), P, C), clone(at(2), C, P, T)]);
    let mut frames: Vec<(String, RecordBatch)> = stores
        .keyframes()
        .into_iter()
        .map(|(name, rows)| (name.to_owned(), rows))
        .collect();
    for (_, rows) in frames.iter_mut().filter(|(name, _)| name == "process") {
        let place = rows.schema().index_of(column).expect("a column");
        let mut columns = rows.columns().to_vec();
        columns[place] = array(rows.num_rows());
        *rows = RecordBatch::try_new(rows.schema(), columns).expect("same types");
    }
    Stores::new().restore(stores.settled(), &frames, Vec::new())
}

#[test]
fn a_malformed_keyframe_is_refused_with_its_place() {
    let error = spoilt("parent", |rows| Arc::new(UInt32Array::from(vec![Some(9); rows])));
    assert_eq!(
        error.expect_err("there is no row 9").to_string(),
        "column `parent` of the table keyframes/process has `9` in row 0: the table has 2 processes, counted from 0"
    );
    let error = spoilt("kind", |rows| Arc::new(StringArray::from(vec!["cgroup"; rows])));
    assert_eq!(
        error.expect_err("an unknown kind").to_string(),
        "column `kind` of the table keyframes/process has `cgroup` in row 0: this version knows no such kind of row"
    );
    let error = spoilt("id", |rows| Arc::new(UInt32Array::from(vec![None; rows])));
    assert_eq!(
        error.expect_err("no id").to_string(),
        "column `id` of the table keyframes/process has a null in row 0"
    );
}

#[test]
fn a_part_of_a_keyframe_knows_what_is_in_it() {
    let grandchild = (300, B + 2 * SECOND);
    let events = [
        fork(at(1), P, C),
        clone(at(1), C, P, T),
        fork(at(2), C, grandchild),
    ];
    let mut stores = told_with_retention(10 * SECOND, &events);
    let frames = stores.keyframes();
    let known_by = |kept: &[u32]| {
        let frames: Vec<_> = frames
            .iter()
            .map(|(name, rows)| match *name {
                "process" => (
                    *name,
                    Stores::part_of_keyframe(name, rows, kept).expect("our own"),
                ),
                name => (name, rows.clone()),
            })
            .map(|(name, rows)| (name.to_owned(), rows))
            .collect();
        let mut stores = Stores::new();
        stores.restore(9, &frames, Vec::new()).expect("it makes sense");
        stores
    };
    let (_, rows) = frames
        .iter()
        .find(|(name, _)| *name == "process")
        .expect("a table");
    let all: Vec<u32> = (0..rows.num_rows() as u32).collect();
    assert_eq!(Stores::part_of_keyframe("process", rows, &all), Ok(rows.clone()));
    // Whoever is left out, all others are found by all routes.
    for (place, left_out) in stores.processes().at(9, 0).all().iter().enumerate() {
        let ids = rows
            .column_by_name("id")
            .expect("a column")
            .as_primitive::<UInt32Type>();
        let row = all
            .iter()
            .find(|row| ids.value(**row as usize) == left_out.entity_id);
        let kept: Vec<_> = all.iter().filter(|other| Some(*other) != row).copied().collect();
        let part = known_by(&kept);
        let view = part.processes().at(9, 0);
        let whole = stores.processes().at(9, 0);
        for (other, process) in whole.all().iter().enumerate() {
            let found = view.get_process(process.entity_id);
            assert_eq!(found.is_ok(), other != place, "{process:?} without {left_out:?}");
            let threads = whole.threads(process.entity_id).len();
            let left = if other == place { 0 } else { threads };
            assert_eq!(view.threads(process.entity_id).len(), left);
            let ancestry = view.get_ancestry(process.entity_id, 9).expect("known or not");
            assert!(
                ancestry
                    .iter()
                    .all(|ancestor| ancestor.entity_id != left_out.entity_id)
            );
        }
    }
    assert!(Stores::part_of_keyframe("nonsense", rows, &all).is_err());
    assert_eq!(known_by(&[]).processes().len(), 0);
}
