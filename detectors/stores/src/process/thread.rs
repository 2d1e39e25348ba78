//! Threads other than leaders: to which process they belong, and when they lived.

use foldhash::HashMap;

use super::chunked::Chunked;
use super::directory::Directory;
use super::facts::{Index, Known, Now};
use super::intern::Text;
use super::mention::Mention;

/// A thread other than a leader. What is known about it is known from the start, but for its exit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) id: u32,
    pub(super) host_tid: u32,
    /// Thread id in its own pid namespace.
    pub(super) tid: Known,
    pub(super) process: Index,
    pub(super) name: Text,
    /// ns since the Unix epoch; 0 if unknown.
    pub(super) start_ns: u64,
    /// `start_ns` comes from a clock that ticks every 10 ms.
    pub(super) coarse: bool,
    /// The event that told of it.
    pub(super) since: u64,
    /// When it exited: ns since the Unix epoch.
    pub(super) exit_ns: u64,
    /// The event that told so; `NEVER` while it runs.
    pub(super) exit_seq: u64,
    /// From which event on it is not known any more.
    pub(super) forgotten: u64,
}

/// No event.
pub(super) const NEVER: u64 = u64::MAX;

impl Thread {
    pub(super) fn exited(&self) -> bool {
        self.exit_seq != NEVER
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.forgotten != NEVER
    }
}

/// All threads.
#[derive(Debug, Default)]
pub(super) struct ThreadTable {
    pub(super) threads: Chunked<Thread>,
    /// Entity id → thread.
    pub(super) by_id: Directory,
    /// Host tid → live thread whose start time is only known roughly, and whose id may therefore be off.
    pub(super) coarse: HashMap<u32, Index>,
    /// Ids under which such threads were met.
    pub(super) aliases: Vec<(u32, Index)>,
    /// Those whose exit was seen, and which are still known.
    pub(super) exited: Vec<Index>,
    /// Number of those that are not known any more.
    pub(super) forgotten: usize,
}

impl ThreadTable {
    pub(super) fn get(&self, index: Index) -> &Thread {
        &self.threads[index.position()]
    }

    /// Number of threads that are known by now.
    pub(super) fn present(&self) -> usize {
        self.threads.len() - self.forgotten
    }

    /// The thread that is meant, if it is known.
    pub(super) fn find(&mut self, now: Now, process: Index, meant: &Mention) -> Option<Index> {
        let is_meant = |index: Index| {
            let thread = &self.threads[index.position()];
            thread.process == process
                && meant.means(
                    thread.host_tid,
                    (thread.start_ns != 0).then_some(thread.start_ns),
                    || thread.coarse,
                )
        };
        let known = self.by_id.now(meant.id).latest(is_meant);
        if known.is_some() {
            return known;
        }
        let rough = *self
            .coarse
            .get(&meant.host_pid)
            .filter(|index| is_meant(**index))?;
        let threads = &self.threads;
        self.by_id
            .add(meant.id, now.seq, rough, |index| threads[index.position()].since);
        self.aliases.push((meant.id, rough));
        Some(rough)
    }

    /// A thread that lives.
    pub(super) fn add(&mut self, thread: Thread) -> Index {
        self.insert(thread, true, thread.coarse)
    }

    /// A thread: whether its id alone means it, and whether it is looked for under its tid.
    pub(super) fn insert(&mut self, thread: Thread, by_id: bool, by_start: bool) -> Index {
        let index = Index::at(self.threads.len());
        self.threads.push(thread);
        let threads = &self.threads;
        if by_id {
            self.by_id.add(thread.id, thread.since, index, |index| {
                threads[index.position()].since
            });
        }
        if by_start {
            self.coarse.insert(thread.host_tid, index);
        }
        if thread.exited() {
            self.exited.push(index);
        }
        index
    }

    /// Notes the exit, unless one is known. Tells whether it is news.
    pub(super) fn exit(&mut self, now: Now, index: Index, exit_ns: u64) -> bool {
        let thread = &mut self.threads[index.position()];
        let news = !thread.exited();
        if news {
            thread.exit_seq = now.seq;
            thread.exit_ns = exit_ns;
            self.exited.push(index);
            self.coarse.remove(&thread.host_tid);
        }
        news
    }

    /// These threads are not known any more.
    pub(super) fn forget(&mut self, now: Now, forgotten: &[Index]) {
        for index in forgotten {
            let thread = &mut self.threads[index.position()];
            if !thread.is_forgotten() {
                thread.forgotten = now.seq;
                self.forgotten += 1;
            }
        }
        let threads = &self.threads;
        let gone = |index: &Index| threads[index.position()].is_forgotten();
        for index in forgotten {
            self.by_id.remove(threads[index.position()].id, now.seq, *index);
        }
        for (id, index) in self.aliases.extract_if(.., |(_, index)| gone(index)) {
            self.by_id.remove(id, now.seq, index);
        }
        self.coarse.retain(|_, index| !gone(index));
        self.exited.retain(|index| !gone(index));
    }
}
