//! The process store: who ran what, and who started whom, as of any event.
//!
//! It is fed with a snapshot of the tasks that ran when the recording started ([`TaskSnapshot`]) and with the
//! events `sched_process_fork`, `sched_process_exec` and `sched_process_exit` (in `fold`). Rules:
//!
//! * An entity id names a process, but ids come back: pids are reused and ids are 32-bit hashes. Two tasks with one id but
//!   different exact start times are two *incarnations*; a question by id is about the latest one as of the event.
//! * A process that others mention before it was seen itself is *inferred*; what is unknown about it stays unknown until an
//!   event tells.
//! * The parent is the process that created it. When it dies, another one adopts the child; the kernel does not announce it,
//!   so an adoption is noted when the child's next exec shows it, and ancestry still follows creation.
//! * A process has exited when its leader has.
//! * Nothing is forgotten.

mod answer;
mod fold;
mod history;
mod snapshot;

pub use answer::{Moment, ThreadInfo, Version};
pub use history::ProcessesAt;
pub use snapshot::TaskSnapshot;

use std::collections::HashMap;

use history::{Facts, Index, Process, Texts};

/// All processes of a recording, with their history.
#[derive(Debug, Default)]
pub struct ProcessStore {
    processes: Vec<Process>,
    /// Entity id → incarnations, each from the sequence number at which the id came to mean it.
    by_id: HashMap<u32, Vec<(u64, Index)>>,
    /// Host pid → process whose start time is only known roughly, and whose id may therefore be off.
    coarse: HashMap<u32, Index>,
    texts: Texts,
    unusable: u64,
}

impl ProcessStore {
    /// A store that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of processes ever seen or mentioned; every incarnation counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Number of events that lacked what they should tell (ids, start times, a timestamp), and so changed nothing.
    #[must_use]
    pub fn unusable_events(&self) -> u64 {
        self.unusable
    }

    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> ProcessesAt<'_> {
        ProcessesAt::new(self, seq, time_ns)
    }

    /// Every version of every process that is remembered: by process, in the order in which they were first seen or
    /// mentioned, then by event.
    pub fn history(&self) -> impl Iterator<Item = Version<'_>> {
        (0..self.len())
            .flat_map(move |position| {
                let process = &self.processes[position];
                process.versions().map(move |(from_seq, until_seq)| {
                    let info = self.at(from_seq, 0).info(Index::at(position));
                    info.map(|process| Version {
                        from_seq,
                        until_seq,
                        process,
                    })
                })
            })
            .flatten()
    }

    /// The latest incarnation of `id`.
    fn latest(&self, id: u32) -> Option<Index> {
        Some(self.by_id.get(&id)?.last()?.1)
    }

    fn process(&self, index: Index) -> &Process {
        &self.processes[index.position()]
    }

    fn facts(&self, index: Index) -> Facts {
        self.process(index).latest()
    }

    /// A new incarnation that `facts.id` means from now on.
    fn add(&mut self, seq: u64, facts: Facts) -> Index {
        let index = Index::at(self.processes.len());
        self.processes.push(Process::new(seq, facts));
        self.by_id.entry(facts.id).or_default().push((seq, index));
        index
    }

    /// What is known about a process changes.
    fn update(&mut self, seq: u64, index: Index, change: impl FnOnce(&mut Facts)) {
        self.processes[index.position()].update(seq, change);
    }

    fn add_child(&mut self, seq: u64, parent: Index, child: Index) {
        self.processes[parent.position()].add_child(seq, child);
    }
}
