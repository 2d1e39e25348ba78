//! Small histories whose answers were worked out by hand.

use detectors_api::stores::{HealthStatus, ProcessInfo, Stores as _};
use detectors_stores::Stores;
use detectors_stores::process::Moment;

use crate::host::*;

const LONG: &str = "/usr/bin/some-long-binary-name";
const MS: u64 = 1_000_000;

/// What is known about a process as of an event.
fn process(stores: &Stores, seq: u64, of: (u32, u64)) -> ProcessInfo<'_> {
    let all = stores.processes().at(seq, 0).all();
    let found = all.into_iter().rfind(|info| info.entity_id == id(of));
    found.expect("known")
}

/// The process at some milliseconds after B, as of an event: whether it was alive, pid, binary and exit.
fn at_ms(stores: &Stores, seq: u64, of: (u32, u64), ms: u64) -> Option<(bool, u32, String, Option<u64>)> {
    let moment = stores
        .processes()
        .at(seq, 0)
        .at_time(id(of), B + ms * MS)
        .expect("known");
    let told = |alive, info: ProcessInfo<'_>| Some((alive, info.host_pid, info.exe.to_owned(), info.exit_ns));
    match moment {
        Moment::Unborn => None,
        Moment::Alive(info) => told(true, info),
        Moment::Dead(info) => told(false, info),
    }
}

#[test]
fn a_life_from_fork_to_exit() {
    let stores = told(&[
        fork(at(1), P, C),
        exec(at(2), C, LONG),
        exec(at(3), C, "/bin/second"),
        exit(at(4), C).set("exit_code", 3),
    ]);
    let parent = process(&stores, 1, P);
    assert_eq!(
        (parent.host_pid, parent.host_ppid, parent.ppid),
        (100, None, None)
    );
    assert_eq!((parent.name, parent.exe), ("", ""));
    assert_eq!((parent.start_ns, parent.exit_ns), (Some(B), None));

    let child = process(&stores, 1, C);
    assert_eq!(child.parent_entity_id, Some(1_308_413_163));
    assert_eq!((child.host_pid, child.pid), (200, Some(20)));
    assert_eq!(
        (child.host_ppid, child.ppid, child.name),
        (Some(100), Some(10), "")
    );

    let child = process(&stores, 2, C);
    assert_eq!(
        (child.exec_name, child.name),
        ("some-long-binary", "some-long-binar")
    );
    assert_eq!(child.exe, LONG);

    let child = process(&stores, 4, C);
    assert_eq!((child.name, child.exe), ("second", "/bin/second"));
    assert_eq!((child.exit_ns, child.exit_code), (Some(B + 4 * SECOND), Some(3)));

    let last = 4;
    let alive = |exe: &str| Some((true, 200, exe.to_owned(), None));
    assert_eq!(at_ms(&stores, last, C, 500), None, "not started");
    assert_eq!(at_ms(&stores, last, C, 1500), alive(""));
    assert_eq!(at_ms(&stores, last, C, 2500), alive(LONG));
    assert_eq!(at_ms(&stores, last, C, 3500), alive("/bin/second"));
    let exited = |alive| Some((alive, 200, "/bin/second".to_owned(), Some(B + 4 * SECOND)));
    assert_eq!(at_ms(&stores, last, C, 4000), exited(true));
    assert_eq!(at_ms(&stores, last, C, 4001), exited(false));
    assert_eq!(
        at_ms(&stores, 3, C, 9000),
        alive("/bin/second"),
        "the exit is yet to come"
    );

    let view = stores.at(last, at(4));
    let processes = view.processes();
    assert_eq!(processes.metrics().item_count, 2);
    assert_eq!(processes.health().status, HealthStatus::Healthy);
    assert_eq!(processes.health().last_check_ns, at(4));
}

#[test]
fn an_exit_before_its_fork() {
    let stores = told(&[exit(at(4), C), fork(at(1), P, C)]);
    assert_eq!(process(&stores, 2, C).exit_ns, Some(B + 4 * SECOND));
    assert!(matches!(at_ms(&stores, 2, C, 5000), Some((false, ..))));
    assert!(matches!(at_ms(&stores, 2, C, 3000), Some((true, .., None))));
}

#[test]
fn an_exec_before_its_fork() {
    let stores = told(&[exec(at(2), C, "/bin/child"), fork(at(1), P, C)]);
    let child = process(&stores, 2, C);
    assert_eq!((child.host_pid, child.pid, child.ppid), (200, Some(20), Some(10)));
    assert_eq!((child.name, child.exe), ("child", "/bin/child"));
}

#[test]
fn threads_come_and_go() {
    let mut stores = told(&[
        fork(at(1), P, C),
        clone(at(1) + 500 * MS.cast_signed(), C, P, T),
        thread_exit(at(1) + 700 * MS.cast_signed(), C, T),
    ]);
    assert_eq!(id(T), 79_718_784);
    let alive = |stores: &Stores, seq, ms| -> Vec<(u32, u32)> {
        let threads = stores.processes().at(seq, 0).threads(id(C));
        let alive = threads.iter().filter(|thread| thread.alive_at(B + ms * MS));
        alive.map(|thread| (thread.host_tid, thread.entity_id)).collect()
    };
    assert_eq!(alive(&stores, 3, 1600), [(200, id(C)), (201, id(T))]);
    assert_eq!(alive(&stores, 3, 1800), [(200, id(C))]);
    assert_eq!(alive(&stores, 2, 1800), [(200, id(C)), (201, id(T))]);
    assert_eq!(alive(&stores, 1, 1600), [(200, id(C))]);

    let thread = stores.processes().at(3, 0).thread(id(T)).expect("known");
    assert_eq!((thread.host_tid, thread.tid), (201, Some(21)));
    assert_eq!((thread.host_pid, thread.process_entity_id), (200, id(C)));
    assert_eq!(
        (thread.start_ns, thread.exit_ns),
        (Some(T.1), Some(B + 1700 * MS))
    );

    let view = stores.at(3, 0);
    assert!(
        view.processes().get_process(id(T)).is_err(),
        "a thread is no process"
    );
    assert_eq!(view.processes().metrics().item_count, 2);

    let again = restored(&mut stores, None);
    assert_eq!(alive(&again, 4, 1600), [(200, id(C)), (201, id(T))]);
    assert_eq!(alive(&again, 4, 1800), [(200, id(C))]);
}

#[test]
fn a_thread_tells_of_an_adoption() {
    let stores = told(&[
        exec(at(0), INIT, "/sbin/systemd"),
        fork(at(1), P, C),
        exec(at(2), C, "/bin/daemon").parent(P.0, P.1),
        clone(at(3), C, INIT, T),
    ]);
    let daemon = process(&stores, 4, C);
    assert_eq!(
        (daemon.name, daemon.exe),
        ("daemon", "/bin/daemon"),
        "it keeps its name"
    );
    assert_eq!(
        (daemon.parent_entity_id, daemon.adopted_by),
        (Some(id(P)), Some(601_294_466))
    );
    assert_eq!(process(&stores, 3, C).adopted_by, None, "not yet");
    let view = stores.at(4, 0);
    for parent in [P, INIT] {
        let children = view.processes().get_child_processes(id(parent)).expect("healthy");
        assert_eq!(pids(&children), [200]);
    }
    let chain = view.processes().get_ancestry(id(C), 5).expect("healthy");
    assert_eq!(pids(&chain), [200, 100], "ancestry follows creation");
}
