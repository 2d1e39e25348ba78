//! The answer as of event N is the answer of a plain fold of the first N events: whatever order events come in, whatever is
//! missing, and whether the store was fed at once, had its history dropped, or began with a keyframe.

mod naive;

use std::collections::BTreeSet;

use detectors_api::entity::entity_id;
use detectors_api::event::{BatchBuilder, EventBatch};
use detectors_api::stores::{ProcessInfo, Stores as _};
use detectors_api::testkit::TestEvent;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Settings, Stores};
use naive::{Fact, Now, Task, What};
use proptest::prelude::*;

/// Few pids and few start times, three of them in one tenth of a second: ids are reused all the time.
const STARTS: [u64; 4] = [100_000_001, 100_000_002, 100_000_003, 900_000_000];
const PIDS: std::ops::Range<u32> = 1..5;
const TIDS: std::ops::Range<u32> = 11..13;
const SECOND: u64 = 1_000_000_000;

fn task() -> impl Strategy<Value = Task> {
    (PIDS, prop::sample::select(STARTS.to_vec()))
}

fn thread() -> impl Strategy<Value = Task> {
    (TIDS, prop::sample::select(STARTS.to_vec()))
}

/// Lives in pieces, about one event a second; some come some seconds late.
fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let what = prop_oneof![
        (task(), task()).prop_map(|(parent, child)| What::Fork { parent, child }),
        (task(), task(), thread()).prop_map(|(process, parent, thread)| What::Clone {
            process,
            parent,
            thread
        }),
        (task(), task(), 0..3_u8).prop_map(|(task, parent, path)| What::Exec { task, parent, path }),
        (task(), any::<bool>(), 0..3).prop_map(|(task, complete, code)| What::Exit { task, complete, code }),
        (task(), thread(), any::<bool>()).prop_map(|(process, thread, complete)| What::ThreadExit {
            process,
            thread,
            complete
        }),
    ];
    prop::collection::vec((what, 0..3_u64, 0..2_u32), 1..60).prop_map(|whats| {
        let timed = (4..).zip(whats);
        timed
            .map(|(second, (what, late, uid))| Fact {
                time: (second - late) * SECOND,
                uid,
                what,
            })
            .collect()
    })
}

fn event(fact: &Fact) -> TestEvent {
    let event = |name| {
        TestEvent::new(name)
            .at_ns(fact.time.cast_signed())
            .uid(fact.uid)
            .comm("")
    };
    let cloned = |process: Task, parent: Task, child: Task, leader: Task| {
        event("sched_process_fork")
            .process(process.0, process.1)
            .set("parent_process_pid", parent.0)
            .set("parent_process_start_time", parent.1)
            .set("child_tid", child.0)
            .set("child_pid", leader.0)
            .set("start_time", child.1)
            .set("leader_pid", leader.0)
            .set("leader_start_time", leader.1)
    };
    match &fact.what {
        What::Fork { parent, child } => cloned(*parent, *parent, *child, *child),
        What::Clone {
            process,
            parent,
            thread,
        } => cloned(*process, *parent, *thread, *process),
        What::Exec { task, parent, path } => event("sched_process_exec")
            .process(task.0, task.1)
            .parent(parent.0, parent.1)
            .set("cmdpath", format!("/bin/p{path}"))
            .set("pathname", format!("/bin/p{path}")),
        What::Exit { task, complete, code } => event("sched_process_exit")
            .process(task.0, task.1)
            .set("exit_code", *code)
            .set("process_group_exit", *complete),
        What::ThreadExit {
            process,
            thread,
            complete,
        } => event("sched_process_exit")
            .process(process.0, process.1)
            .thread(thread.0, thread.1)
            .set("process_group_exit", *complete),
    }
}

/// The events with sequence numbers from `first` on; that of the first fact is 1.
fn batches(facts: &[Fact], first: usize, end: usize) -> Vec<EventBatch> {
    let mut builder = BatchBuilder::default();
    for (seq, fact) in (1..).zip(facts) {
        if (first..end).contains(&seq) {
            builder.push(seq as u64, &event(fact).to_recorded());
        }
    }
    builder.finish().batches
}

/// What can be asked about one process.
#[derive(Debug, PartialEq)]
struct Answer {
    pid: u32,
    start: Option<u64>,
    exe: String,
    uid: Option<u32>,
    exit: Option<u64>,
    code: Option<i32>,
    leader_exit: Option<u64>,
    inferred: bool,
    parent: Option<u32>,
    adopter: Option<u32>,
}

fn answer(info: &ProcessInfo<'_>) -> Answer {
    Answer {
        pid: info.host_pid,
        start: info.start_ns,
        exe: info.exe.to_owned(),
        uid: info.uid,
        exit: info.exit_ns,
        code: info.exit_code,
        leader_exit: info.leader_exit_ns,
        inferred: info.inferred,
        parent: info.parent_entity_id,
        adopter: info.adopted_by,
    }
}

fn expected(now: &Now, row: usize) -> Answer {
    let row = &now.rows[row];
    let id = |other: Option<usize>| other.map(|other| now.rows[other].id);
    Answer {
        pid: row.pid,
        start: row.start,
        exe: row.exe.clone(),
        uid: row.uid,
        exit: row.exit,
        code: row.code.filter(|_| row.exit.is_some()),
        leader_exit: row.leader_exit,
        inferred: row.inferred,
        parent: id(row.parent),
        adopter: id(row.adopter),
    }
}

fn ids() -> BTreeSet<u32> {
    PIDS.flat_map(|pid| STARTS.map(|start| entity_id(pid, start)))
        .collect()
}

fn check(stores: &Stores, seq: usize, now: &Now) -> Result<(), TestCaseError> {
    let view = stores.at(seq as u64, 0);
    let all = stores.processes().at(seq as u64, 0);
    let view = view.processes();
    for id in ids() {
        let info = view.get_process(id).ok();
        let row = now.latest(id).map(|row| expected(now, row));
        prop_assert_eq!(info.as_ref().map(answer), row, "{} as of {}", id, seq);
        let chain: Vec<_> = view
            .get_ancestry(id, 99)
            .unwrap_or_default()
            .iter()
            .map(|info| info.host_pid)
            .collect();
        prop_assert_eq!(chain, now.ancestry(id), "ancestry of {} as of {}", id, seq);
        let children = view.get_child_processes(id).unwrap_or_default();
        let children: Vec<_> = children
            .iter()
            .map(|info| (info.start_ns, info.host_pid))
            .collect();
        prop_assert_eq!(children, now.children(id), "children of {} as of {}", id, seq);
        let mut threads: Vec<_> = all
            .threads(id)
            .iter()
            .map(|thread| (thread.start_ns, thread.host_tid, thread.exit_ns))
            .collect();
        threads.sort_unstable();
        prop_assert_eq!(threads, now.threads_of(id), "threads of {} as of {}", id, seq);
    }
    for pid in PIDS {
        let info = view.get_process_by_host_pid(pid).ok();
        let row = now.by_pid(pid).map(|row| expected(now, row));
        prop_assert_eq!(info.as_ref().map(answer), row, "pid {} as of {}", pid, seq);
    }
    for task in TIDS.flat_map(|tid| STARTS.map(|start| (tid, start))) {
        let known = now.latest_thread(entity_id(task.0, task.1));
        prop_assert_eq!(
            all.thread(entity_id(task.0, task.1)).map(|thread| (
                thread.host_tid,
                thread.start_ns,
                thread.exit_ns
            )),
            known.map(|thread| (thread.task.0, Some(thread.task.1), thread.exit)),
            "thread {:?} as of {}",
            task,
            seq
        );
    }
    prop_assert_eq!(view.metrics().item_count, now.known() as u64);
    prop_assert_eq!(all.all().len(), now.known());
    Ok(())
}

/// A plain fold, and what was running before the first event.
fn begin(tasks: &BTreeSet<Task>, retention: Option<u64>) -> (Stores, Now) {
    let rows: Vec<_> = tasks
        .iter()
        .map(|task| TaskSnapshot {
            host_pid: task.0,
            host_tid: task.0,
            start_ns: task.1,
            exe: "/sbin/old".to_owned(),
            ..TaskSnapshot::default()
        })
        .collect();
    let mut stores = Stores::with(Settings {
        retention_ns: retention,
        ..Settings::default()
    });
    let input = Input {
        store: "process".to_owned(),
        seq: 0,
        rows: TaskSnapshot::to_batch(&rows),
    };
    stores.add_input(input).expect("nothing applied yet");
    let mut now = Now::with(retention);
    for task in tasks {
        now.was_running(*task, "/sbin/old");
    }
    (stores, now)
}

fn tasks() -> impl Strategy<Value = BTreeSet<Task>> {
    prop::collection::btree_set(task(), 0..3)
}

fn retention() -> impl Strategy<Value = Option<u64>> {
    prop::option::of((1..20_u64).prop_map(|seconds| seconds * SECOND))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn every_moment_is_as_a_plain_fold_has_it(facts in facts(), tasks in tasks(), retention in retention()) {
        let (mut stores, mut now) = begin(&tasks, retention);
        stores.apply(&batches(&facts, 1, usize::MAX)).expect("in order");
        check(&stores, 0, &now)?;
        for (seq, fact) in (1..).zip(&facts) {
            now.apply(fact);
            check(&stores, seq, &now)?;
        }
    }

    #[test]
    fn dropping_history_changes_no_later_answer(
        facts in facts(),
        tasks in tasks(),
        retention in retention(),
        cuts in prop::collection::btree_set((1..60_usize, 0..6_usize), 1..6),
    ) {
        let (mut stores, mut now) = begin(&tasks, retention);
        let mut moments = vec![now.clone()];
        for fact in &facts {
            now.apply(fact);
            moments.push(now.clone());
        }
        let (mut fed, mut floor) = (1, 0);
        for (end, back) in cuts.into_iter().chain([(facts.len() + 1, 0)]) {
            let end = end.min(facts.len() + 1);
            stores.advance(&batches(&facts, fed, end), end as u64).expect("in order");
            fed = end.max(fed);
            floor = floor.max(fed.saturating_sub(back + 1));
            stores.compact(floor as u64);
            for (seq, now) in moments.iter().enumerate().take(fed).skip(floor) {
                check(&stores, seq, now)?;
            }
        }
    }

    #[test]
    fn a_keyframe_stands_for_what_was_before_it(
        facts in facts(),
        tasks in tasks(),
        retention in retention(),
        key in 1..60_usize,
        compact in any::<bool>(),
    ) {
        let key = key.min(facts.len() + 1);
        let (mut full, mut now) = begin(&tasks, retention);
        full.advance(&batches(&facts, 1, key), key as u64).expect("in order");
        if compact {
            full.compact(key as u64);
        }
        let frames: Vec<_> = full.keyframes().into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect();
        let mut restored = Stores::with(Settings { retention_ns: retention, ..Settings::default() });
        restored.restore(key as u64, &frames, Vec::new()).expect("a keyframe");
        restored.advance(&batches(&facts, key, usize::MAX), facts.len() as u64 + 1).expect("in order");
        let again = restored.keyframes();
        for (seq, fact) in (1..).zip(&facts) {
            now.apply(fact);
            if seq >= key {
                check(&restored, seq, &now)?;
            }
        }
        full.advance(&batches(&facts, key, usize::MAX), facts.len() as u64 + 1).expect("in order");
        prop_assert_eq!(full.keyframes(), again, "both go on alike");
    }
}
