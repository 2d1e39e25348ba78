//! Lives of processes.

use detectors_api::stores::Stores as _;
use detectors_api::testkit::batches;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::{FoldError, Stores};

use crate::host::*;

fn get(stores: &Stores, seq: u64, process: (u32, u64)) -> Option<(String, String, Option<u64>)> {
    let view = stores.at(seq, 0);
    let info = view.processes().get_process(id(process)).ok()?;
    Some((info.name.to_owned(), info.exe.to_owned(), info.exit_ns))
}

#[test]
fn a_life_is_seen_as_it_was_at_every_event() {
    let stores = told(&[
        fork(at(1), P, C),
        exec(at(2), C, "/usr/bin/some-long-binary-name"),
        exec(at(3), C, "/bin/second"),
        exit(at(4), C),
    ]);
    assert_eq!(get(&stores, 0, C), None);
    assert_eq!(get(&stores, 1, C), Some((String::new(), String::new(), None)));
    let first = "/usr/bin/some-long-binary-name";
    assert_eq!(
        get(&stores, 2, C),
        Some(("some-long-binar".to_owned(), first.to_owned(), None))
    );
    let second = |exit| Some(("second".to_owned(), "/bin/second".to_owned(), exit));
    assert_eq!(get(&stores, 3, C), second(None));
    assert_eq!(get(&stores, 4, C), second(Some(B + 4 * SECOND)));
    assert_eq!(stores.at(2, 0).executable_path(id(C)), Some(first));

    let view = stores.at(4, 0);
    let child = view.processes().get_process(id(C)).expect("known");
    assert_eq!((id(P), id(C)), (1_308_413_163, 89_982_011));
    assert_eq!(
        (child.parent_entity_id, child.host_ppid, child.ppid),
        (Some(id(P)), Some(100), Some(10))
    );
    assert_eq!(
        (child.host_pid, child.pid, child.start_ns),
        (200, Some(20), Some(C.1))
    );
}

#[test]
fn a_parent_that_was_never_seen_is_inferred() {
    // Created by a thread of another process, which alone was seen to act.
    let stores = told(&[fork(at(1), P, C).process(300, B)]);
    let view = stores.at(1, 0);
    let parent = view.processes().get_process(id(P)).expect("mentioned");
    assert!(parent.inferred);
    assert_eq!((parent.host_pid, parent.ppid, parent.exit_ns), (100, None, None));
    assert!(
        !view
            .processes()
            .get_process(id((300, B)))
            .expect("acted")
            .inferred
    );
}

#[test]
fn an_unknown_process_is_not_found() {
    let stores = Stores::new();
    let view = stores.at(7, 0);
    let error = view.processes().get_process(5).expect_err("nothing happened");
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "process.get_process: no process with entity id 5 is known"
    );
    assert_eq!(view.processes().get_child_processes(5), Ok(Vec::new()));
    assert_eq!(view.processes().get_ancestry(5, 3), Ok(Vec::new()));
}

#[test]
fn an_exec_without_a_fork_makes_a_child_of_the_parent_that_it_carries() {
    let stores = told(&[exec(at(2), C, "/bin/child").parent(P.0, P.1)]);
    let view = stores.at(1, 0);
    let children = view.processes().get_child_processes(id(P)).expect("healthy");
    assert_eq!(
        children.iter().map(|child| child.host_pid).collect::<Vec<_>>(),
        [200]
    );
    let chain = view.processes().get_ancestry(id(C), 5).expect("healthy");
    assert_eq!(pids(&chain), [200, 100]);
}

#[test]
fn an_adopted_process_keeps_its_creator_and_its_name() {
    const INIT: (u32, u64) = (1, B - SECOND);
    let stores = told(&[
        fork(at(1), P, C),
        exit(at(2), P),
        exec(at(3), C, "/bin/daemon").parent(INIT.0, INIT.1),
    ]);
    let view = stores.at(3, 0);
    let daemon = view.processes().get_process(id(C)).expect("known");
    assert_eq!(daemon.name, "daemon");
    assert_eq!(daemon.parent_entity_id, Some(id(P)));
    assert_eq!(daemon.adopted_by, Some(id(INIT)));
    for parent in [P, INIT] {
        let children = view.processes().get_child_processes(id(parent)).expect("healthy");
        assert_eq!(pids(&children), [200]);
    }
    assert_eq!(
        stores.at(2, 0).processes().get_child_processes(id(INIT)),
        Ok(Vec::new()),
        "not yet adopted"
    );
}

#[test]
fn a_reused_pid_in_the_same_tenth_of_a_second_is_another_process() {
    let again = (C.0, C.1 + 7);
    assert_eq!(id(C), id(again), "the ids are the same");
    let stores = told(&[
        fork(at(1), P, C),
        exec(at(1), C, "/bin/first"),
        exit(at(1), C),
        fork(at(1) + 8, P, again),
        exec(at(2), again, "/bin/second"),
    ]);
    assert_eq!(
        get(&stores, 3, C),
        Some(("first".to_owned(), "/bin/first".to_owned(), Some(B + SECOND)))
    );
    assert_eq!(get(&stores, 4, C), Some((String::new(), String::new(), None)));
    assert_eq!(
        get(&stores, 5, C),
        Some(("second".to_owned(), "/bin/second".to_owned(), None))
    );
}

#[test]
fn an_exit_that_overtook_the_fork_still_counts() {
    let stores = told(&[exit(at(4), C), fork(at(1), P, C)]);
    let view = stores.at(2, 0);
    let process = view.processes().get_process(id(C)).expect("known");
    assert_eq!(process.exit_ns, Some(B + 4 * SECOND));
    assert_eq!(process.parent_entity_id, Some(id(P)));
}

#[test]
fn a_thread_that_exits_leaves_its_process_alive() {
    let stores = told(&[fork(at(1), P, C), exit(at(2), C).thread(201, B + 2 * SECOND)]);
    assert_eq!(get(&stores, 2, C).expect("known").2, None);
    assert_eq!(stores.processes().len(), 2, "a thread is no process");
}

#[test]
fn a_snapshot_is_there_from_the_start_and_gives_ancestry() {
    let task = |host_pid: u32, start_ns, host_ppid, parent_start_ns, comm: &str| TaskSnapshot {
        host_pid,
        host_tid: host_pid,
        pid: host_pid,
        tid: host_pid,
        host_ppid,
        ppid: host_ppid,
        start_ns,
        parent_start_ns,
        comm: comm.to_owned(),
        exe: format!("/usr/bin/{comm}"),
        ..TaskSnapshot::default()
    };
    let mut stores = Stores::new();
    // The child's row comes first.
    let tasks = [
        task(100, B, 1, B - SECOND, "sshd"),
        task(1, B - SECOND, 0, 0, "systemd"),
        TaskSnapshot {
            host_tid: 101,
            ..task(100, B, 1, B - SECOND, "worker")
        },
    ];
    stores
        .add_input(snapshot_input(&tasks))
        .expect("nothing applied yet");
    stores.apply(&batches(&[fork(at(1), P, C)])).expect("in order");

    let view = stores.at(1, 0);
    let chain = view.processes().get_ancestry(id(C), 6).expect("healthy");
    assert_eq!(
        chain
            .iter()
            .map(|info| (info.host_pid, info.exe))
            .collect::<Vec<_>>(),
        [
            (200, "/usr/bin/sshd"),
            (100, "/usr/bin/sshd"),
            (1, "/usr/bin/systemd")
        ]
    );
    assert_eq!(
        pids(&view.processes().get_ancestry(id(C), 2).expect("healthy")),
        [200, 100]
    );
    assert_eq!(stores.at(0, 0).executable_path(id(P)), Some("/usr/bin/sshd"));
    assert_eq!(
        stores.add_input(snapshot_input(&tasks)),
        Err(FoldError::LateInput {
            store: "process".to_owned(),
            seq: 0,
            settled: 2
        })
    );
}

#[test]
fn a_start_time_from_procfs_is_matched_with_the_exact_one() {
    // Truncation to a clock tick has moved the start, and with it the id, across a tenth of a second.
    let exact = (300, B + 3_000_000);
    let coarse = (300, B - 4_000_000);
    assert_ne!(id(exact), id(coarse));
    let mut stores = Stores::new();
    let task = TaskSnapshot {
        host_pid: coarse.0,
        host_tid: coarse.0,
        start_ns: coarse.1,
        exe: "/usr/sbin/cron".to_owned(),
        coarse: true,
        ..TaskSnapshot::default()
    };
    stores
        .add_input(snapshot_input(&[task]))
        .expect("nothing applied yet");
    stores
        .apply(&batches(&[fork(at(1), exact, C)]))
        .expect("in order");
    assert_eq!(stores.at(1, 0).executable_path(id(exact)), Some("/usr/sbin/cron"));
    assert_eq!(
        stores.at(0, 0).executable_path(id(exact)),
        None,
        "not known before the event"
    );
    assert_eq!(stores.processes().len(), 2);
}

#[test]
fn events_must_come_in_order() {
    let mut stores = told(&[fork(at(1), P, C)]);
    let again = batches(&[exit(at(2), C)]);
    assert_eq!(
        stores.apply(&again),
        Err(FoldError::OutOfOrder { seq: 1, settled: 2 })
    );
    assert_eq!(get(&stores, 9, C).expect("known").2, None, "nothing was applied");
}

#[test]
fn what_cannot_be_used_is_counted() {
    let stores = told(&[fork(at(1), P, C).without("start_time"), fork(at(2), P, (201, B))]);
    assert_eq!(stores.processes().unusable_events(), 1);
}

#[test]
fn a_loop_of_parents_ends() {
    let stores = told(&[
        exec(at(1), P, "/bin/a").parent(C.0, C.1),
        exec(at(2), C, "/bin/b").parent(P.0, P.1),
    ]);
    let view = stores.at(2, 0);
    assert_eq!(
        pids(&view.processes().get_ancestry(id(P), usize::MAX).expect("healthy")),
        [100, 200]
    );
}
