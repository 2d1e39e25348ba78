//! Decisions about odd histories, one by one.

use detectors_api::entity::entity_id;
use detectors_api::stores::{ExecutableFile, ProcessInfo, Stores as _};
use detectors_api::testkit::{TestEvent, batches, batches_of};
use detectors_stores::Stores;
use detectors_stores::process::{Moment, TaskSnapshot};

use crate::host::*;

/// What is known about a process after the last event.
fn last<R>(events: &[TestEvent], of: (u32, u64), read: impl FnOnce(ProcessInfo<'_>) -> R) -> R {
    let stores = told(events);
    let view = stores.at(u64::MAX, 0);
    read(view.processes().get_process(id(of)).expect("known"))
}

fn exit_ns(events: &[TestEvent], of: (u32, u64)) -> Option<u64> {
    last(events, of, |info| info.exit_ns)
}

#[test]
fn a_parent_seen_only_as_parent_has_no_ppid() {
    last(&[fork(at(1), P, C).process(300, B)], P, |parent| {
        assert_eq!((parent.ppid, parent.host_ppid), (None, None));
        assert!(parent.inferred);
    });
}

#[test]
fn an_exec_makes_a_child_even_without_a_fork() {
    let stores = told(&[exec(at(1), C, "/bin/a").parent(P.0, P.1)]);
    let view = stores.at(1, 0);
    let children = view.processes().get_child_processes(id(P)).expect("healthy");
    assert_eq!(pids(&children), [C.0]);
}

#[test]
fn a_thread_exit_makes_no_process() {
    let stores = told(&[thread_exit(at(2), C, T)]);
    assert_eq!(stores.processes().at(1, 0).all().len(), 1);
    assert!(stores.at(1, 0).processes().get_process(id(T)).is_err());
    assert!(stores.processes().at(1, 0).thread(id(T)).is_some());
}

#[test]
fn an_exit_without_a_fork_makes_a_process_that_has_exited() {
    let event = exit(at(2), C).set("exit_code", 1).set("signal_code", 128 + 11);
    last(&[event], C, |info| {
        assert_eq!((info.host_pid, info.start_ns), (C.0, Some(C.1)));
        assert_eq!(
            (info.exit_code, info.exit_signal),
            (Some(1), Some(11)),
            "without core-dump bit"
        );
        assert!(!info.inferred);
    });
}

#[test]
fn a_process_lives_until_its_last_thread_exits() {
    let events = [
        fork(at(1), P, C),
        clone(at(2), C, P, T),
        exit(at(3), C),
        thread_exit(at(5), C, T).set("process_group_exit", true),
    ];
    last(&events[..3], C, |info| {
        assert_eq!((info.exit_ns, info.leader_exit_ns), (None, Some(B + 3 * SECOND)));
        assert_eq!(info.exit_code, None, "not yet over");
    });
    last(&events, C, |info| {
        assert_eq!(info.exit_ns, Some(B + 5 * SECOND));
        assert_eq!(info.leader_exit_ns, Some(B + 3 * SECOND));
    });
}

#[test]
fn the_kernels_word_that_no_thread_is_left_counts_more_than_a_lost_exit() {
    let events = [
        fork(at(1), P, C),
        clone(at(2), C, P, T),
        exit(at(3), C).set("process_group_exit", true),
    ];
    assert_eq!(exit_ns(&events, C), Some(B + 3 * SECOND));
}

#[test]
fn an_exit_that_is_told_late_still_is_the_last_one() {
    let events = [
        fork(at(1), P, C),
        thread_exit(at(6), C, T),
        clone(at(2), C, P, T),
        exit(at(4), C).set("process_group_exit", true),
    ];
    assert_eq!(exit_ns(&events, C), Some(B + 6 * SECOND));
}

#[test]
fn exit_does_not_revive() {
    let over = exit(at(3), C).set("process_group_exit", true);
    for later in [
        exec(at(4), C, "/bin/late"),
        exec(at(2), C, "/bin/early"),
        fork(at(1), P, C),
        fork(at(4), C, (300, B + 4 * SECOND)),
        exit(at(5), C),
        clone(at(2), C, P, T),
    ] {
        let events = [fork(at(1), P, C), over.clone(), later];
        assert_eq!(exit_ns(&events, C), Some(B + 3 * SECOND), "{events:?}");
    }
}

#[test]
fn an_exec_by_another_thread_survives_the_exit_of_the_leader() {
    // The clone was lost, so that the leader seemed to be the last thread.
    let events = [fork(at(1), P, C), exit(at(3), C), exec(at(4), C, "/bin/next")];
    assert_eq!(exit_ns(&events[..2], C), Some(B + 3 * SECOND));
    last(&events, C, |info| {
        assert_eq!((info.exit_ns, info.leader_exit_ns), (None, None));
        assert_eq!(info.exe, "/bin/next");
    });
    // An exec that only came late proves nothing.
    let events = [fork(at(1), P, C), exit(at(3), C), exec(at(2), C, "/bin/next")];
    assert_eq!(exit_ns(&events, C), Some(B + 3 * SECOND));
}

#[test]
fn an_exec_ends_the_other_threads() {
    let stores = told(&[
        fork(at(1), P, C),
        clone(at(2), C, P, T),
        exec(at(3), C, "/bin/a"),
        exit(at(4), C),
    ]);
    let view = stores.processes().at(4, 0);
    assert_eq!(view.thread(id(T)).expect("known").exit_ns, Some(B + 3 * SECOND));
    assert_eq!(
        stores.processes().at(2, 0).thread(id(T)).expect("known").exit_ns,
        None
    );
    let process = view.all().into_iter().find(|info| info.host_pid == C.0);
    assert_eq!(process.expect("known").exit_ns, Some(B + 4 * SECOND));
}

#[test]
fn a_child_is_as_its_parent_was_when_it_was_created() {
    let parent = |event: TestEvent| event.uid(7).container("c0ffee", true);
    let file = exec(at(1), P, "/opt/tool")
        .set("dev", 8_u32)
        .set("inode", 42_u64)
        .set("ctime", 5_u64);
    let events = [
        parent(file.set("inode_mode", 0o100_755_u32)),
        parent(fork(at(2), P, C)),
        parent(exec(at(3), P, "/opt/other")).uid(8),
    ];
    last(&events, C, |child| {
        assert_eq!(
            (child.exe, child.name, child.exec_name),
            ("/opt/tool", "tool", "tool")
        );
        assert_eq!((child.uid, child.container_id), (Some(7), "c0ffee"));
        let file = ExecutableFile {
            dev: 8,
            inode: 42,
            ctime_ns: 5,
            mode: 0o100_755,
        };
        assert_eq!(child.exe_file, Some(file));
    });
    last(&events, P, |parent| {
        assert_eq!(
            (parent.exe, parent.exe_file, parent.uid),
            ("/opt/other", None, Some(8))
        );
    });
}

#[test]
fn a_pid_means_the_process_that_started_last() {
    let again = (C.0, C.1 + 3 * SECOND);
    let stores = told(&[
        fork(at(1), P, C),
        fork(at(4), P, again),
        // Told late.
        exec(at(2), C, "/bin/first"),
    ]);
    let start = |seq| {
        let view = stores.at(seq, 0);
        let process = view.processes().get_process_by_host_pid(C.0).ok();
        process.and_then(|process| process.start_ns)
    };
    assert_eq!((start(0), start(1)), (None, Some(C.1)));
    assert_eq!((start(2), start(3)), (Some(again.1), Some(again.1)));
    let view = stores.at(3, 0);
    let error = view.processes().get_process_by_host_pid(77).expect_err("nobody");
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "process.get_process_by_host_pid: no process 77 is known"
    );
}

#[test]
fn a_moment_is_that_of_the_incarnation_that_had_started() {
    let again = (C.0, C.1 + 7);
    assert_eq!(id(C), id(again));
    let stores = told(&[
        fork(at(1), P, C),
        exec(at(1) + 3, C, "/bin/first"),
        fork(at(1) + 8, P, again),
        exec(at(2), again, "/bin/second"),
    ]);
    let exe = |ns| match stores.processes().at(4, 0).at_time(id(C), ns) {
        Some(Moment::Alive(info)) => Some(info.exe),
        _ => None,
    };
    assert_eq!(exe(C.1 + 4), Some("/bin/first"));
    assert_eq!(exe(B + 3 * SECOND), Some("/bin/second"));
    assert_eq!(exe(C.1 - 1), None);
    assert_eq!(stores.processes().at(4, 0).at_time(5, B), None);
}

#[test]
fn children_are_in_order_of_start_pid_and_id() {
    let (young, old, twin) = ((301, B + 9), (303, B + 5), (302, B + 9));
    let stores = told(&[fork(at(1), P, young), fork(at(1), P, old), fork(at(1), P, twin)]);
    let view = stores.at(3, 0);
    let children = view.processes().get_child_processes(id(P)).expect("healthy");
    assert_eq!(pids(&children), [303, 301, 302]);
}

#[test]
fn threads_of_a_snapshot_belong_to_their_process() {
    let task = |host_tid: u32, start_ns, comm: &str| TaskSnapshot {
        host_pid: 50,
        host_tid,
        pid: 5,
        tid: host_tid - 45,
        start_ns,
        comm: comm.to_owned(),
        coarse: true,
        ..TaskSnapshot::default()
    };
    let mut stores = Stores::new();
    // The thread comes first. Its start is cut to a clock tick, which changes its id.
    let exact = (51, B + 3_000_000);
    let tasks = [task(51, B - 4_000_000, "worker"), task(50, B - SECOND, "server")];
    assert_ne!(entity_id(51, tasks[0].start_ns), id(exact));
    stores
        .add_input(snapshot_input(&tasks))
        .expect("nothing applied yet");
    let leader = (50, B - SECOND);
    stores
        .apply(&batches(&[
            exit(at(1), leader),
            thread_exit(at(2), leader, exact),
        ]))
        .expect("in order");
    let threads = stores.processes().at(0, 0).threads(id(leader));
    let names: Vec<_> = threads.iter().map(|thread| (thread.name, thread.tid)).collect();
    assert_eq!(names, [("server", Some(5)), ("worker", Some(6))]);
    let exit = |seq| stores.processes().at(seq, 0).all()[0].exit_ns;
    assert_eq!((exit(1), exit(2)), (None, Some(B + 2 * SECOND)));
    assert_eq!(
        stores
            .processes()
            .at(2, 0)
            .thread(id(exact))
            .expect("an alias")
            .host_tid,
        51
    );
    assert_eq!(stores.processes().at(2, 0).threads(id(leader)).len(), 2);
}

#[test]
fn history_has_a_row_for_every_version() {
    let stores = told(&[fork(at(1), P, C), exec(at(2), C, "/bin/a"), exit(at(3), C)]);
    let rows: Vec<_> = stores
        .processes()
        .history()
        .map(|version| {
            (
                version.incarnation,
                version.process.host_pid,
                version.from_seq,
                version.until_seq,
                version.process.exe,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (0, 100, 1, None, ""),
            (1, 200, 1, Some(2), ""),
            (1, 200, 2, Some(3), "/bin/a"),
            (1, 200, 3, None, "/bin/a"),
        ]
    );
}

#[test]
fn endless_histories_are_asked_in_little_time() {
    let mut events = vec![fork(at(1), P, C)];
    events.extend((0..3000).map(|run| exec(at(2) + run, C, &format!("/bin/{}", run % 2))));
    let stores = told(&events);
    for seq in 2..=3001 {
        let path = format!("/bin/{}", seq % 2);
        assert_eq!(stores.at(seq, 0).executable_path(id(C)), Some(path.as_str()));
    }
}

#[test]
fn a_process_whose_pid_is_used_again_has_ended() {
    let again = (C.0, C.1 + 5 * SECOND);
    let reuse = [
        fork(at(1), P, C),
        clone(at(1), C, P, T),
        fork(at(6), P, again),
        exec(at(7), again, "/bin/b"),
    ];
    let stores = told(&reuse);
    let end = |seq, of| {
        let view = stores.at(seq, 0);
        view.processes().get_process(id(of)).expect("known").exit_ns
    };
    assert_eq!((end(2, C), end(3, C)), (None, Some(B + 6 * SECOND)));
    assert_eq!(end(4, again), None);
    let threads = stores.processes().at(3, 0).threads(id(C));
    assert!(
        threads
            .iter()
            .all(|thread| thread.exit_ns == Some(B + 6 * SECOND))
    );

    // Its own exit is told late: that counts, and how it ended.
    let late = exit(at(5), C).set("exit_code", 3).set("process_group_exit", true);
    let told_late: Vec<_> = reuse.into_iter().chain([late]).collect();
    last(&told_late, C, |old| {
        assert_eq!((old.exit_ns, old.exit_code), (Some(B + 5 * SECOND), Some(3)));
    });
    assert_eq!(exit_ns(&told_late, again), None);
}

#[test]
fn a_process_lives_on_when_an_older_one_of_its_pid_is_told_of_late() {
    let older = (C.0, C.1 - SECOND);
    let events = [fork(at(2), P, C), fork(at(1), P, older)];
    assert_eq!(exit_ns(&events, C), None);
}

#[test]
fn a_process_that_goes_by_two_ids_has_not_ended() {
    // Its recorder made an id of something else than pid and start time; the fork tells these.
    let named = |event: TestEvent| {
        let mut event = event.to_recorded();
        let workload = event.event.workload.as_mut().expect("somebody did it");
        let process = workload.process.as_mut().expect("a process");
        process.unique_id = Some(7);
        process.thread.as_mut().expect("its leader").unique_id = Some(7);
        event
    };
    let mut stores = Stores::new();
    stores
        .apply(&batches_of(&[
            named(exec(at(1), C, "/bin/a")),
            named(fork(at(2), C, T)),
        ]))
        .expect("events are in order");
    let view = stores.at(u64::MAX, 0);
    let processes = view.processes();
    for id in [7, id(C)] {
        assert_eq!(processes.get_process(id).expect("known").exit_ns, None);
    }
}
