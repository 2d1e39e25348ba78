//! What is forgotten, and when history is dropped.

use foldhash::{HashMap, HashSet};

use super::ProcessStore;
use super::facts::{Facts, Index, Now};
use super::table::ProcessTable;
use super::thread::{NEVER, ThreadTable};
use super::timeline::Head;

/// How many processes have been forgotten by an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    seq: u64,
    forgotten: u64,
}

/// What is known about history that can be dropped.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// Entries of the table of versions that have been looked at.
    seen: usize,
    /// Entries of tables that nobody needs any more, about.
    garbage: usize,
}

impl ProcessStore {
    /// Number of processes that are known as of event `seq`.
    pub(super) fn count(&self, seq: u64) -> u64 {
        let processes = &self.table.processes;
        let known = processes.partition_point(|process| {
            let since = self.table.versions.since(process.versions);
            since.is_some_and(|since| since <= seq)
        });
        let sweeps = self.sweeps.partition_point(|sweep| sweep.seq <= seq);
        let forgotten = sweeps
            .checked_sub(1)
            .map_or(0, |last| self.sweeps[last].forgotten);
        (known as u64).saturating_sub(forgotten)
    }

    /// Forgets, as of event `seq`, processes that ended before `horizon_ns`, unless one that is kept was created or adopted
    /// by them, and threads that exited before `horizon_ns`.
    pub(super) fn forget_ended(&mut self, seq: u64, horizon_ns: u64) {
        let now = Now { seq, time_ns: 0 };
        let kept = self.depended_on(horizon_ns);
        let (present, gone): (Vec<_>, Vec<_>) = self.present.iter().partition(|index| kept.contains(index));
        self.present = present;
        for index in &gone {
            self.forget_process(now, *index);
        }
        let lost: HashSet<Index> = gone.iter().copied().collect();
        self.forget_aliases(now, &lost);
        self.coarse.retain(|_, index| !lost.contains(index));

        let mut threads: Vec<_> = gone
            .iter()
            .flat_map(|process| self.table.threads.back(self.table.get(*process).threads))
            .map(|entry| entry.value)
            .filter(|thread| self.threads.get(*thread).forgotten == NEVER)
            .collect();
        let old = |thread: &Index| {
            let thread = self.threads.get(*thread);
            thread.exit_ns < horizon_ns && !lost.contains(&thread.process)
        };
        threads.extend(self.threads.exited.iter().copied().filter(old));
        self.threads.forget(now, &threads);

        self.compaction.garbage += threads.len();
        if !gone.is_empty() {
            let before = self.sweeps.last().map_or(0, |sweep| sweep.forgotten);
            self.sweeps.push(Sweep {
                seq,
                forgotten: before + gone.len() as u64,
            });
        }
    }

    /// The processes that have not ended before `horizon_ns`, and those that created or adopted them, and so on.
    fn depended_on(&self, horizon_ns: u64) -> HashSet<Index> {
        let ended = |facts: &Facts| facts.exit.ns.is_some_and(|exit_ns| exit_ns < horizon_ns);
        let mut kept = HashSet::default();
        let mut next = Vec::new();
        for index in &self.present {
            if !ended(&self.table.facts(*index)) {
                next.push(*index);
            }
            while let Some(index) = next.pop() {
                if kept.insert(index) {
                    let facts = self.table.facts(index);
                    next.extend(facts.parent.into_iter().chain(facts.adopted_by));
                }
            }
        }
        kept
    }

    fn forget_process(&mut self, now: Now, index: Index) {
        let facts = self.table.facts(index);
        let table = &self.table;
        let since = |index: Index| table.since(index);
        self.by_id.remove(facts.id, now.seq, index, since);
        self.by_pid.remove(facts.host_pid, now.seq, index, since);
        self.table.forget(now, index);
    }

    fn forget_aliases(&mut self, now: Now, lost: &HashSet<Index>) {
        let table = &self.table;
        for (id, index) in self.aliases.extract_if(.., |(_, index)| lost.contains(index)) {
            self.by_id.remove(id, now.seq, index, |index| table.since(index));
        }
    }

    /// Drops history that only questions about events before `seq` depend on. Most calls only count what could be dropped;
    /// once that is half of everything, the rest is copied.
    pub(super) fn compact_history(&mut self, seq: u64) {
        let versions = self.table.versions.entries();
        let new = &versions[self.compaction.seen..];
        let settled = new.partition_point(|entry| entry.seq <= seq);
        let superseded = new[..settled].iter().map(|entry| {
            usize::from(entry.earlier != Head::default()) + usize::from(entry.value.is_forgotten())
        });
        self.compaction.garbage += superseded.sum::<usize>();
        self.compaction.seen += settled;
        let all = versions.len() + self.threads.threads.len();
        if self.compaction.garbage > all / 2 {
            self.drop_history(seq);
        }
    }

    fn drop_history(&mut self, seq: u64) {
        let processes: Vec<_> = (0..self.table.processes.len())
            .map(Index::at)
            .filter(|index| self.table.known_from(*index, seq))
            .collect();
        let moved = places(&processes);
        let moved = |index: Index| moved.get(&index).copied();
        let threads: Vec<_> = (0..self.threads.threads.len())
            .map(Index::at)
            .filter(|index| {
                let thread = self.threads.get(*index);
                thread.forgotten > seq && moved(thread.process).is_some()
            })
            .collect();
        let moved_threads = places(&threads);
        let moved_thread = |index: Index| moved_threads.get(&index).copied();

        let mut table = self.table.compacted(seq, &processes, moved, moved_thread);
        self.threads = self
            .threads
            .compacted(seq, &threads, &self.table, &mut table, moved, moved_thread);
        self.table = table;
        self.by_id = self.by_id.compacted(seq, moved);
        self.by_pid = self.by_pid.compacted(seq, moved);
        self.present = self.present.iter().filter_map(|index| moved(*index)).collect();
        self.coarse = remaining(self.coarse.iter().map(|(pid, index)| (*pid, *index)), moved).collect();
        self.aliases = remaining(self.aliases.iter().copied(), moved).collect();

        let dropped = self.sweeps.partition_point(|sweep| sweep.seq <= seq);
        let forgotten = dropped
            .checked_sub(1)
            .map_or(0, |last| self.sweeps[last].forgotten);
        self.sweeps.drain(..dropped);
        for sweep in &mut self.sweeps {
            sweep.forgotten -= forgotten;
        }
        let versions = self.table.versions.entries();
        self.compaction = Compaction {
            seen: versions.partition_point(|entry| entry.seq <= seq),
            garbage: 0,
        };
    }
}

impl ProcessTable {
    /// Whether a process is known as of event `seq` or a later one.
    fn known_from(&self, index: Index, seq: u64) -> bool {
        let mut needed = self.versions.needed(self.get(index).versions, seq);
        needed.any(|(_, entry)| !entry.value.is_forgotten())
    }

    /// A copy with what questions about event `seq` and later ones depend on: these processes, in this order.
    fn compacted(
        &self,
        seq: u64,
        processes: &[Index],
        moved: impl Fn(Index) -> Option<Index>,
        moved_thread: impl Fn(Index) -> Option<Index>,
    ) -> Self {
        let mut copy = Self::default();
        let (mut versions, mut children, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, index) in processes.iter().enumerate() {
            let process = *self.get(*index);
            let needed = self.versions.needed(process.versions, seq);
            versions.extend(needed.map(|(head, _)| (head, owner)));
            let known = self.children.all(process.children);
            let mut seen = HashSet::default();
            let known: Vec<_> = known
                .filter_map(|(head, entry)| Some((head, owner, moved(entry.value)?)))
                .collect();
            // The first mention of a child counts.
            children.extend(known.into_iter().rev().filter(|(.., child)| seen.insert(*child)));
            let known = self.threads.all(process.threads);
            threads.extend(known.filter_map(|(head, entry)| Some((head, owner, moved_thread(entry.value)?))));
            copy.processes.push(process.without_links());
        }
        versions.sort_unstable();
        for (head, owner) in versions {
            if let Some(entry) = self.versions.get(head) {
                copy.copy_version(self, Index::at(owner), entry, &moved);
            }
        }
        let mut heads = vec![Head::default(); processes.len()];
        copy.children = self.children.copy(children, &mut heads);
        for (process, head) in copy.processes.iter_mut().zip(&heads) {
            process.children = *head;
        }
        heads.fill(Head::default());
        copy.threads = self.threads.copy(threads, &mut heads);
        for (process, head) in copy.processes.iter_mut().zip(&heads) {
            process.threads = *head;
        }
        copy
    }
}

impl ThreadTable {
    /// A copy with these threads, in this order.
    fn compacted(
        &self,
        seq: u64,
        threads: &[Index],
        from: &ProcessTable,
        to: &mut ProcessTable,
        moved: impl Fn(Index) -> Option<Index>,
        moved_thread: impl Fn(Index) -> Option<Index> + Copy,
    ) -> Self {
        let copies = threads.iter().filter_map(|index| {
            let thread = *self.get(*index);
            Some(super::thread::Thread {
                process: moved(thread.process)?,
                name: to.texts.number(from.texts.get(thread.name)),
                ..thread
            })
        });
        Self {
            threads: copies.collect(),
            by_id: self.by_id.compacted(seq, moved_thread),
            coarse: remaining(
                self.coarse.iter().map(|(tid, index)| (*tid, *index)),
                moved_thread,
            )
            .collect(),
            aliases: remaining(self.aliases.iter().copied(), moved_thread).collect(),
            exited: self
                .exited
                .iter()
                .filter_map(|index| moved_thread(*index))
                .collect(),
        }
    }
}

/// The new places of those that are kept, in this order.
fn places(kept: &[Index]) -> HashMap<Index, Index> {
    let new = (0..kept.len()).map(Index::at);
    kept.iter().copied().zip(new).collect()
}

fn remaining(
    entries: impl Iterator<Item = (u32, Index)>,
    moved: impl Fn(Index) -> Option<Index>,
) -> impl Iterator<Item = (u32, Index)> {
    entries.filter_map(move |(number, index)| Some((number, moved(index)?)))
}
