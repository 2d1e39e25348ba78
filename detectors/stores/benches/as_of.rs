//! What the process store costs: memory for each version, and time for questions as of an event.
//!
//! Times are those that the kernel gave to the program on a CPU: what else runs counts as little as possible.
//! Every process is forked, executes a binary, changes its user now and then, and exits. The figures are printed; they
//! depend on the machine, so nothing is asserted but that the answers are there.

mod measure;

use std::collections::VecDeque;
use std::hint::black_box;

use detectors_api::entity::entity_id;
use detectors_api::event::{BatchBuilder, EventBatch};
use detectors_api::stores::ProcessStore as _;
use detectors_api::testkit::TestEvent;
use detectors_stores::{Settings, Stores};
use measure::{Random, bytes_in_use, cpu_ns, report};

/// Versions to make, at least.
const VERSIONS: usize = 1_000_000;
/// Events that are applied at a time.
const CHUNK: usize = 16 * 1024;
/// Processes that live at a time.
const ALIVE: usize = 200;
/// Rounds of which the median is told.
const ROUNDS: usize = 7;
/// Events of other kinds, for each that changes the store: most events of a recording only ask.
const OTHERS: usize = 9;
/// Look-ups of a round.
const LOOKUPS: usize = 500_000;
/// How long what has ended is kept, in the run with retention: ns of event time.
const RETENTION_NS: u64 = 10_000_000_000;
const START_NS: u64 = 1_700_000_000_000_000_000;
const TICK_NS: u64 = 100_000;

/// A host on which processes come and go.
struct Host {
    random: Random,
    seq: u64,
    /// Host pid, start and user.
    alive: VecDeque<(u32, u64, u32)>,
    next_pid: u32,
    /// What to ask: after which event, about whom.
    questions: Vec<(u64, u32)>,
}

impl Host {
    fn new() -> Self {
        Self {
            random: Random(0x9e37_79b9_7f4a_7c15),
            seq: 0,
            alive: VecDeque::from([(1, START_NS - 1, 0)]),
            next_pid: 2,
            questions: Vec::new(),
        }
    }

    fn now_ns(&self) -> u64 {
        START_NS + self.seq * TICK_NS
    }

    fn event(&self, name: &str, actor: (u32, u64, u32)) -> TestEvent {
        TestEvent::new(name)
            .at_ns(self.now_ns().cast_signed())
            .process(actor.0, actor.1)
            .uid(actor.2)
            .comm("")
    }

    /// What happens next.
    fn step(&mut self) -> TestEvent {
        self.seq += 1;
        let place = self.random.below(self.alive.len());
        let actor = self.alive[place];
        let event = match self.random.below(7) {
            0 | 1 if self.alive.len() < ALIVE => {
                let child = (self.next_pid, self.now_ns(), actor.2);
                self.next_pid = if self.next_pid == 32_768 {
                    2
                } else {
                    self.next_pid + 1
                };
                self.alive.push_back(child);
                self.event("sched_process_fork", actor)
                    .set("parent_process_pid", actor.0)
                    .set("parent_process_ns_pid", actor.0)
                    .set("parent_process_start_time", actor.1)
                    .set("child_tid", child.0)
                    .set("child_pid", child.0)
                    .set("child_ns_pid", child.0)
                    .set("start_time", child.1)
            }
            2 | 3 if self.alive.len() > ALIVE / 2 && place > 0 => {
                let dead = self.alive.remove(place).unwrap_or(actor);
                self.event("sched_process_exit", dead)
                    .set("process_group_exit", true)
            }
            4 => {
                self.alive[place].2 = 1000 + self.random.below(50) as u32;
                self.exec(self.alive[place])
            }
            _ => self.exec(actor),
        };
        self.questions.push((self.seq, entity_id(actor.0, actor.1)));
        for _ in 0..OTHERS {
            let (pid, start, _) = self.alive[self.random.below(self.alive.len())];
            self.questions.push((self.seq, entity_id(pid, start)));
        }
        event
    }

    fn exec(&mut self, actor: (u32, u64, u32)) -> TestEvent {
        let binary = self.random.below(2000);
        let path = format!("/usr/lib/some-package/bin/program-{binary}");
        self.event("sched_process_exec", actor)
            .set("cmdpath", path.clone())
            .set("pathname", path)
            .set("dev", 8_388_609_u32)
            .set("inode", 1000 + binary as u64)
            .set("ctime", START_NS)
            .set("inode_mode", 0o100_755_u32)
    }

    fn chunk(&mut self) -> Vec<EventBatch> {
        let mut builder = BatchBuilder::default();
        for _ in 0..CHUNK {
            let event = self.step();
            builder.push(self.seq, &event.to_recorded());
        }
        builder.finish().batches
    }
}

fn main() {
    let mut host = Host::new();
    let mut stores = Stores::new();
    let (mut bytes, mut seconds) = (0, 0.0);
    while stores.processes().versions() < VERSIONS {
        let batches = host.chunk();
        let (before, start) = (bytes_in_use(), cpu_ns());
        stores.apply(&batches).expect("events are in order");
        seconds += (cpu_ns() - start) as f64 / 1e9;
        bytes += bytes_in_use() as i64 - before as i64;
    }
    let versions = stores.processes().versions();
    report("versions", versions as f64, "");
    report("processes", stores.processes().len() as f64, "");
    report("events", host.seq as f64, "");
    report("build", seconds, "s");
    report("memory", bytes as f64 / versions as f64, "bytes/version");

    let questions = &host.questions;
    let first = questions.len().saturating_sub(LOOKUPS) / 2;
    let in_order = &questions[first..][..LOOKUPS.min(questions.len())];
    let mut random = Random(1);
    let anywhere: Vec<_> = (0..in_order.len())
        .map(|_| questions[random.below(questions.len())])
        .collect();
    let changes: Vec<_> = questions
        .iter()
        .copied()
        .step_by(1 + OTHERS)
        .take(LOOKUPS)
        .collect();
    let views = median(in_order, |seq, _| stores.at(seq, 0).executable_path(0).is_some());
    report("all stores as of an event", views, "ns");
    let paths = median(in_order, |seq, id| {
        stores.processes().at(seq, 0).executable_path(id).map(str::len)
    });
    report("executable_path, in event order", paths, "ns");
    report("get_process, in event order", get(&stores, in_order), "ns");
    report("get_process, changes only", get(&stores, &changes), "ns");
    report("get_process, random order", get(&stores, &anywhere), "ns");
    let deep: Vec<_> = in_order
        .iter()
        .copied()
        .filter(|(seq, id)| ancestry(&stores, *seq, *id) == 5)
        .collect();
    report("questions with 4 ancestors", deep.len() as f64, "");
    let with_ancestors = median(&deep, |seq, id| ancestry(&stores, seq, id));
    report("get_ancestry, 4 ancestors", with_ancestors, "ns");

    retained();
}

/// Memory of a store that forgets what ended and drops history that nobody asks for, as a long live recording has it.
fn retained() {
    let before = bytes_in_use();
    let mut host = Host::new();
    let mut stores = Stores::with(Settings {
        retention_ns: Some(RETENTION_NS),
        ..Settings::default()
    });
    for part in 1..=4_u64 {
        while host.seq < part * VERSIONS as u64 / 4 {
            host.questions = Vec::new();
            let batches = host.chunk();
            stores.apply(&batches).expect("events are in order");
            stores.compact(stores.settled());
        }
        host.questions = Vec::new();
        let bytes = bytes_in_use() - before;
        report(
            &format!("retention 10 s, after {} k events", host.seq / 1000),
            bytes as f64 / f64::from(1 << 20),
            "MiB",
        );
    }
}

fn get(stores: &Stores, questions: &[(u64, u32)]) -> f64 {
    median(questions, |seq, id| {
        let view = stores.processes().at(seq, 0);
        view.get_process(id).map(|info| info.exe.len())
    })
}

fn ancestry(stores: &Stores, seq: u64, id: u32) -> usize {
    let view = stores.processes().at(seq, 0);
    view.get_ancestry(id, 5).map_or(0, |chain| chain.len())
}

/// Time of a question in ns: the median of several rounds.
fn median<T>(questions: &[(u64, u32)], ask: impl Fn(u64, u32) -> T) -> f64 {
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = cpu_ns();
            for (seq, id) in questions {
                black_box(ask(*seq, *id));
            }
            (cpu_ns() - start) as f64 / questions.len() as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
