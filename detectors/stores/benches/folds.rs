//! What the process store costs where processes come and go: time for each event, and memory for each that has ended.
//!
//! The events are the forks, execs and exits of [`fixtures::generator`]'s mix, at its rates: of 50 million generated events,
//! 5 million are such, and 1.9 million processes live and die in 105 seconds. `cargo bench --bench folds -- 1900000` folds as
//! many; without a number, a tenth of them. Times are those that the kernel gave to the program on a CPU.

mod measure;

use std::collections::VecDeque;

use detectors_api::event::{BatchBuilder, EventBatch};
use detectors_api::testkit::TestEvent;
use detectors_stores::{Settings, Stores};
use measure::{Random, bytes_in_use, cpu_ns, report};

/// Processes that live and die, unless told otherwise.
const PROCESSES: u64 = 190_000;
/// Process events of a window: one of a million events has a tenth of such.
const WINDOW: usize = 100_000;
/// Processes that live at a time.
const ALIVE: usize = 400;
/// Time from one fork to the next, in ns.
const FORK_NS: u64 = 55_000;
const START_NS: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// Host pid, start, and which program it runs.
type Task = (u32, u64, usize);

/// An endless stream of lives.
struct Host {
    random: Random,
    seq: u64,
    forks: u64,
    alive: VecDeque<Task>,
    pending: VecDeque<TestEvent>,
}

impl Host {
    fn new() -> Self {
        Self {
            random: Random(0x9e37_79b9_7f4a_7c15),
            seq: 0,
            forks: 0,
            alive: VecDeque::from([(1, START_NS - SECOND, 0)]),
            pending: VecDeque::new(),
        }
    }

    fn now_ns(&self) -> u64 {
        START_NS + self.forks * FORK_NS
    }

    fn event(&self, name: &str, (pid, start, program): Task, parent: Task) -> TestEvent {
        let event = TestEvent::new(name)
            .at_ns(self.now_ns().cast_signed())
            .process(pid, start)
            .parent(parent.0, parent.1)
            .uid(pid % 7)
            .comm(&format!("tool-{program}"))
            .exe(&format!("/usr/bin/tool-{program}"));
        match pid % 4 {
            0 => event.container(&format!("{:064x}", pid % 20), true),
            _ => event,
        }
    }

    /// A life begins, and another one may end.
    fn step(&mut self) {
        self.forks += 1;
        let parent = self.alive[self.random.below(self.alive.len())];
        let child = (300 + (self.forks % 4_000_000) as u32, self.now_ns(), parent.2);
        self.alive.push_back(child);
        let fork = self
            .event("sched_process_fork", parent, (1, START_NS - SECOND, 0))
            .set("parent_process_pid", parent.0)
            .set("parent_process_ns_pid", parent.0)
            .set("parent_process_start_time", parent.1)
            .set("child_tid", child.0)
            .set("child_pid", child.0)
            .set("child_ns_pid", child.0)
            .set("start_time", child.1);
        self.pending.push_back(fork);
        // 27 of 38 execute something.
        if self.random.below(38) < 27 {
            let program = self.random.below(300);
            if let Some(last) = self.alive.back_mut() {
                last.2 = program;
            }
            let path = format!("/usr/bin/tool-{program}");
            let exec = self
                .event("sched_process_exec", (child.0, child.1, program), parent)
                .set("cmdpath", path.as_str())
                .set("pathname", path.as_str())
                .set("dev", 8_388_609_u32)
                .set("inode", 1000 + program as u64)
                .set("ctime", START_NS)
                .set("inode_mode", 0o100_755_u32);
            self.pending.push_back(exec);
        }
        if self.alive.len() > ALIVE {
            let place = 1 + self.random.below(self.alive.len() - 1);
            if let Some(dead) = self.alive.remove(place) {
                let exit = self
                    .event("sched_process_exit", dead, (1, START_NS - SECOND, 0))
                    .set("exit_code", 0)
                    .set("process_group_exit", true);
                self.pending.push_back(exit);
            }
        }
    }

    /// The events of a window, ten apart.
    fn window(&mut self) -> Vec<EventBatch> {
        let mut builder = BatchBuilder::default();
        for _ in 0..WINDOW {
            while self.pending.is_empty() {
                self.step();
            }
            if let Some(event) = self.pending.pop_front() {
                self.seq += 10;
                builder.push(self.seq, &event.to_recorded());
            }
        }
        builder.finish().batches
    }
}

/// Folds the lives of `processes`, window by window, as a replay does.
fn fold(processes: u64, retention_ns: Option<u64>) -> Stores {
    let what = retention_ns.map_or("all is kept", |_| "10 s are kept");
    let mut host = Host::new();
    let mut stores = Stores::with(Settings {
        retention_ns,
        ..Settings::default()
    });
    let (mut folding, mut compacting, mut events, mut most) = (0, 0, 0, 0);
    let mut bytes: i64 = 0;
    while host.forks < processes {
        let batches = host.window();
        let (before, start) = (bytes_in_use(), cpu_ns());
        stores.apply(&batches).expect("events are in order");
        let folded = cpu_ns();
        let peak = bytes_in_use();
        stores.compact(stores.settled());
        folding += folded - start;
        compacting += cpu_ns() - folded;
        most = most.max(bytes + peak as i64 - before as i64);
        bytes += bytes_in_use() as i64 - before as i64;
        events += WINDOW as u64;
    }
    report(&format!("{what}: processes"), host.forks as f64, "");
    report(
        &format!("{what}: fold"),
        folding as f64 / events as f64,
        "ns/event",
    );
    report(
        &format!("{what}: compact"),
        compacting as f64 / events as f64,
        "ns/event",
    );
    report(
        &format!("{what}: memory"),
        bytes as f64 / f64::from(1 << 20),
        "MiB",
    );
    report(
        &format!("{what}: most of it"),
        most as f64 / f64::from(1 << 20),
        "MiB",
    );
    let each = bytes as f64 / stores.processes().len() as f64;
    report(&format!("{what}: a process"), each, "bytes");
    stores
}

fn main() {
    let processes = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(PROCESSES);
    fold(processes, Some(10 * SECOND));
    let mut stores = fold(processes, None);

    let rows = stores.keyframe_rows() as f64;
    let start = cpu_ns();
    let frames: Vec<_> = stores
        .keyframes()
        .into_iter()
        .map(|(name, rows)| (name.to_owned(), rows))
        .collect();
    let taken = cpu_ns();
    let mut restored = Stores::new();
    restored
        .restore(stores.settled(), &frames, Vec::new())
        .expect("a keyframe");
    report("keyframe", (taken - start) as f64 / rows, "ns/row");
    report("restore", (cpu_ns() - taken) as f64 / rows, "ns/row");
}
