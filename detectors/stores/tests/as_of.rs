//! The answer as of event N is the answer of a plain fold of the first N events: no history, no bookkeeping, one table of
//! what is the case now.

use std::collections::BTreeSet;

use detectors_api::entity::entity_id;
use detectors_api::stores::{ProcessInfo, Stores as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Stores};
use proptest::prelude::*;

/// Few pids and few start times, three of them in one tenth of a second: ids are reused all the time.
const STARTS: [u64; 4] = [100_000_001, 100_000_002, 100_000_003, 900_000_000];

/// A task: host pid and start.
type Task = (u32, u64);

#[derive(Clone, Debug)]
enum Fact {
    Fork { parent: Task, child: Task },
    Exec { task: Task, parent: Task, path: u8 },
    Exit { task: Task, time: u64 },
}

fn task() -> impl Strategy<Value = Task> {
    (1..5_u32, prop::sample::select(STARTS.to_vec()))
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![
        (task(), task()).prop_map(|(parent, child)| Fact::Fork { parent, child }),
        (task(), task(), 0..3_u8).prop_map(|(task, parent, path)| Fact::Exec { task, parent, path }),
        (task(), 1..99_u64).prop_map(|(task, time)| Fact::Exit { task, time }),
    ];
    prop::collection::vec(fact, 1..40)
}

fn event(fact: &Fact) -> TestEvent {
    match fact {
        Fact::Fork { parent, child } => TestEvent::new("sched_process_fork")
            .process(parent.0, parent.1)
            .comm("")
            .set("parent_process_tid", parent.0)
            .set("parent_process_pid", parent.0)
            .set("parent_process_start_time", parent.1)
            .set("child_tid", child.0)
            .set("child_pid", child.0)
            .set("start_time", child.1),
        Fact::Exec { task, parent, path } => TestEvent::new("sched_process_exec")
            .process(task.0, task.1)
            .parent(parent.0, parent.1)
            .comm("")
            .set("cmdpath", format!("/bin/p{path}"))
            .set("pathname", format!("/bin/p{path}")),
        Fact::Exit { task, time } => TestEvent::new("sched_process_exit")
            .process(task.0, task.1)
            .comm("")
            .at_ns(time.cast_signed()),
    }
}

/// What is the case now.
#[derive(Clone, Debug, Default)]
struct Row {
    pid: u32,
    start: Option<u64>,
    id: u32,
    parent: Option<usize>,
    adopter: Option<usize>,
    exe: String,
    exit: Option<u64>,
    inferred: bool,
}

#[derive(Debug, Default)]
struct Now {
    rows: Vec<Row>,
    children: BTreeSet<(usize, usize)>,
}

impl Now {
    /// The latest row that may be this process.
    fn find(&mut self, pid: u32, id: u32, start: Option<u64>) -> usize {
        let same = |row: &Row| {
            row.id == id && row.pid == pid && (start.is_none() || row.start.is_none() || row.start == start)
        };
        if let Some(known) = self.rows.iter().rposition(same) {
            let row = &mut self.rows[known];
            row.start = row.start.or(start);
            return known;
        }
        self.rows.push(Row {
            pid,
            start,
            id,
            inferred: true,
            ..Row::default()
        });
        self.rows.len() - 1
    }

    fn actor(&mut self, task: Task) -> usize {
        let row = self.find(task.0, entity_id(task.0, task.1), Some(task.1));
        self.rows[row].inferred = false;
        row
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        if parent != child && self.rows[child].parent.is_none() {
            self.rows[child].parent = Some(parent);
            self.children.insert((parent, child));
        }
    }

    fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::Fork { parent, child } => {
                let parent = self.actor(*parent);
                let id = entity_id(child.0, child.1);
                let latest = self.rows.iter().rposition(|row| row.id == id);
                if latest.is_some_and(|row| self.rows[row].exit.is_some() && self.rows[row].start.is_none()) {
                    self.rows.push(Row {
                        pid: child.0,
                        start: Some(child.1),
                        id,
                        ..Row::default()
                    });
                }
                let child = self.find(child.0, id, Some(child.1));
                let exe = self.rows[parent].exe.clone();
                let row = &mut self.rows[child];
                row.inferred = false;
                if row.exe.is_empty() {
                    row.exe = exe;
                }
                self.adopt(parent, child);
            }
            Fact::Exec { task, parent, path } => {
                let row = self.actor(*task);
                let parent = self.find(parent.0, entity_id(parent.0, parent.1), None);
                self.rows[row].exe = format!("/bin/p{path}");
                if self.rows[row].parent.is_none() {
                    self.adopt(parent, row);
                } else if self.rows[row].parent != Some(parent) && self.rows[row].adopter != Some(parent) {
                    self.rows[row].adopter = Some(parent);
                    self.children.insert((parent, row));
                }
            }
            Fact::Exit { task, time } => {
                let row = self.actor(*task);
                self.rows[row].exit.get_or_insert(*time);
            }
        }
    }

    fn latest(&self, id: u32) -> Option<usize> {
        self.rows.iter().rposition(|row| row.id == id)
    }

    fn ancestry(&self, id: u32) -> Vec<u32> {
        let mut rows = Vec::new();
        let mut next = self.latest(id);
        while let Some(row) = next.filter(|row| !rows.contains(row)) {
            rows.push(row);
            next = self.rows[row].parent;
        }
        rows.into_iter().map(|row| self.rows[row].pid).collect()
    }

    fn children(&self, id: u32) -> Vec<(Option<u64>, u32)> {
        let parent = self.latest(id);
        let children = self.children.iter().filter(|(of, _)| Some(*of) == parent);
        let mut found: Vec<_> = children
            .map(|(_, child)| (self.rows[*child].start, self.rows[*child].pid))
            .collect();
        found.sort_unstable();
        found
    }
}

fn ids() -> Vec<u32> {
    let tasks = (1..5).flat_map(|pid| STARTS.map(|start| entity_id(pid, start)));
    tasks.collect::<BTreeSet<_>>().into_iter().collect()
}

fn check(stores: &Stores, seq: u64, now: &Now) -> Result<(), TestCaseError> {
    let view = stores.at(seq, 0);
    let view = view.processes();
    for id in ids() {
        let row = now.latest(id).map(|row| &now.rows[row]);
        let info = view.get_process(id).ok();
        let id_of = |row: Option<usize>| row.map(|row| now.rows[row].id);
        prop_assert_eq!(
            info.map(|info| (
                info.host_pid,
                info.start_ns,
                info.exe.to_owned(),
                info.exit_ns,
                info.inferred
            )),
            row.map(|row| (row.pid, row.start, row.exe.clone(), row.exit, row.inferred)),
            "{} as of {}",
            id,
            seq
        );
        prop_assert_eq!(
            info.map(|info| (info.parent_entity_id, info.adopted_by)),
            row.map(|row| (id_of(row.parent), id_of(row.adopter)))
        );
        let pids = |infos: Vec<ProcessInfo<'_>>| infos.iter().map(|info| info.host_pid).collect::<Vec<_>>();
        prop_assert_eq!(
            pids(view.get_ancestry(id, 99).unwrap_or_default()),
            now.ancestry(id)
        );
        let mut children: Vec<_> = view
            .get_child_processes(id)
            .unwrap_or_default()
            .iter()
            .map(|info| (info.start_ns, info.host_pid))
            .collect();
        children.sort_unstable();
        prop_assert_eq!(children, now.children(id));
    }
    Ok(())
}

/// What was running before the first event.
fn snapshot_input(tasks: &[TaskSnapshot]) -> Input {
    Input {
        store: "process".to_owned(),
        seq: 0,
        rows: TaskSnapshot::to_batch(tasks),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn every_moment_is_as_a_plain_fold_has_it(facts in facts(), snapshot in prop::collection::btree_set(task(), 0..3)) {
        let tasks: Vec<_> = snapshot.iter().map(|task| TaskSnapshot {
            host_pid: task.0,
            host_tid: task.0,
            start_ns: task.1,
            exe: "/sbin/old".to_owned(),
            ..TaskSnapshot::default()
        }).collect();
        let mut stores = Stores::new();
        stores.add_input(snapshot_input(&tasks)).expect("nothing applied yet");
        let events: Vec<_> = facts.iter().map(event).collect();
        stores.apply(&batches(&events)).expect("in order");

        let mut now = Now::default();
        for task in snapshot {
            let row = now.actor(task);
            now.rows[row].exe = "/sbin/old".to_owned();
        }
        check(&stores, 0, &now)?;
        for (seq, fact) in (1..).zip(&facts) {
            now.apply(fact);
            check(&stores, seq, &now)?;
        }
    }
}
