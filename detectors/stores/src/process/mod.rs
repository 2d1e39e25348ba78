//! The process store: who ran what, and who started whom, as of any event.
//!
//! It is fed with a snapshot of the tasks that ran when the recording started ([`TaskSnapshot`]) and with the
//! events `sched_process_fork`, `sched_process_exec` and `sched_process_exit`. Rules:
//!
//! * An entity id names a process, but ids come back: pids are reused and ids are 32-bit hashes. Two tasks with one id but
//!   different exact start times are two *incarnations*; a question by id is about the latest one as of the event.
//! * A process that others mention before it was seen itself is *inferred*; what is unknown about it stays unknown until an
//!   event tells.
//! * The parent is the process that created it. When it dies, another one adopts the child; the kernel does not announce it,
//!   so an adoption is noted when a later event of the child shows it, and ancestry still follows creation.
//! * A process has exited when its leader has and none of its threads is known to live, or when the kernel said that none is
//!   left; the time of its exit is that of the last thread's. An exec proves that a process lives on after its leader's exit.
//! * A host pid means one process at a time: when another one that started later is seen to have it, the former has ended, even
//!   if that was not seen. It is then presumed to have exited at the time of that event, until its own exit tells when, and how.
//! * What was learned late is only told as of the event that told it.
//! * Once forgotten (see [`Settings::retention_ns`](crate::Settings::retention_ns)), a process is not found any more: not by
//!   id or pid, nor as child or parent. A later mention makes another one.
//!
//! | module | what |
//! |---|---|
//! | `fold`, `exit`, `actor`, `mention` | how snapshots and events change the store |
//! | `facts`, `table`, `thread` | what is known about processes and threads |
//! | `past`, `timeline`, `directory`, `intern` | what these tables are made of: history, ids, shared values |
//! | `retention`, `moving`, `keyframe`, `restore` | forgetting, dropping history, the state as rows |
//! | `view`, `answer` | how it is asked |

mod actor;
mod answer;
mod chunked;
mod directory;
mod exit;
mod facts;
mod fold;
mod intern;
mod keyframe;
mod mention;
mod moving;
mod part;
mod past;
mod restore;
mod retention;
mod snapshot;
mod table;
mod thread;
mod timeline;
mod view;

pub use answer::{Moment, ThreadInfo, Version};
pub(crate) use part::part;
pub use snapshot::TaskSnapshot;
pub use view::ProcessesAt;

use foldhash::HashMap;

use actor::Actors;
use directory::Directory;
use facts::Index;
use retention::Sweep;
use table::ProcessTable;
use thread::ThreadTable;

/// All processes of a recording, with their history.
#[derive(Debug, Default)]
pub struct ProcessStore {
    table: ProcessTable,
    threads: ThreadTable,
    /// Entity id → incarnations.
    by_id: Directory,
    /// Host pid → the process that had it last.
    by_pid: Directory,
    /// Host pid → process whose start time is only known roughly, and whose id may therefore be off.
    coarse: HashMap<u32, Index>,
    /// Ids, other than their own, under which such processes were met.
    aliases: Vec<(u32, Index)>,
    actors: Actors,
    sweeps: Vec<Sweep>,
    /// How much of what the directories share was left by the last compaction.
    compacted: usize,
    unusable: u64,
}

impl ProcessStore {
    /// A store that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of processes of which there is history; every incarnation counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.processes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.processes.is_empty()
    }

    /// Number of versions of these processes, and of facts about their threads.
    #[must_use]
    pub fn versions(&self) -> usize {
        self.len() + self.table.past.len() + self.threads.threads.len()
    }

    /// Number of events and tasks of snapshots that lacked what they should tell (ids, start times, a timestamp).
    #[must_use]
    pub fn unusable_events(&self) -> u64 {
        self.unusable
    }

    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> ProcessesAt<'_> {
        ProcessesAt::new(self, seq, time_ns)
    }

    /// Every version of every process of which there is history: by process, in the order in which they were first seen or
    /// mentioned, then by event.
    pub fn history(&self) -> impl Iterator<Item = Version<'_>> {
        (0..self.len()).map(Index::at).flat_map(|index| {
            let mut until_seq = None;
            let mut versions = Vec::new();
            for version in self.table.versions(index) {
                let from_seq = version.seq.get();
                let process = self.at(from_seq, 0).info(index);
                versions.extend(process.map(|process| Version {
                    incarnation: index.position(),
                    from_seq,
                    until_seq,
                    process,
                }));
                until_seq = Some(from_seq);
            }
            versions.into_iter().rev()
        })
    }
}
