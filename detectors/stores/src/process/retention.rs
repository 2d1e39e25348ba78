//! What is forgotten, and when history is dropped.

use super::ProcessStore;
use super::actor::Actors;
use super::facts::{Index, Now};
use super::moving::Moves;
use super::thread::NEVER;

/// Forgotten processes and threads that are left where they are, until there are more of them.
const MIN_GARBAGE: usize = 64;

/// How many processes have been forgotten by an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    seq: u64,
    forgotten: u64,
}

impl ProcessStore {
    /// Number of processes that are known as of event `seq`.
    pub(super) fn count(&self, seq: u64) -> u64 {
        let count = self.table.processes.len();
        let (mut known, mut end) = (0, count);
        // They are in the order in which they became known.
        while known < end {
            let middle = known.midpoint(end);
            if self.table.since(Index::at(middle)) <= seq {
                known = middle + 1;
            } else {
                end = middle;
            }
        }
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
        let gone: Vec<_> = self
            .table
            .present()
            .filter(|index| !kept[index.position()])
            .collect();
        for index in &gone {
            let facts = *self.table.facts(*index);
            self.by_id.remove(facts.id, seq, *index);
            self.by_pid.remove(facts.host_pid, seq, *index);
            self.table.forget(now, *index);
        }
        let lost = |index: Index| !kept[index.position()];
        for (id, index) in self.aliases.extract_if(.., |(_, index)| lost(*index)) {
            self.by_id.remove(id, seq, index);
        }
        self.coarse.retain(|_, index| !lost(*index));

        let mut threads: Vec<_> = gone
            .iter()
            .flat_map(|process| self.table.threads.back(self.table.threads_of(*process)))
            .map(|entry| entry.value)
            .filter(|thread| self.threads.get(*thread).forgotten == NEVER)
            .collect();
        let old = |thread: &Index| {
            let thread = self.threads.get(*thread);
            thread.exit_ns < horizon_ns && !lost(thread.process)
        };
        threads.extend(self.threads.exited.iter().copied().filter(old));
        if !threads.is_empty() {
            self.threads.forget(now, &threads);
        }

        if !gone.is_empty() {
            let before = self.sweeps.last().map_or(0, |sweep| sweep.forgotten);
            self.sweeps.push(Sweep {
                seq,
                forgotten: before + gone.len() as u64,
            });
        }
    }

    /// Which processes have not ended before `horizon_ns`, or created or adopted one that has not, and so on.
    fn depended_on(&self, horizon_ns: u64) -> Vec<bool> {
        let (table, values) = (&self.table, &self.table.values);
        let mut kept = vec![false; table.processes.len()];
        let mut next = Vec::new();
        for index in table.present() {
            let exit_ns = values.exit(table.facts(index)).ns;
            if exit_ns.is_none_or(|exit_ns| exit_ns >= horizon_ns) {
                next.push(index);
            }
            while let Some(index) = next.pop() {
                if !std::mem::replace(&mut kept[index.position()], true) {
                    let facts = table.facts(index);
                    next.extend(facts.parent);
                    next.extend(values.setting(facts).adopted_by);
                }
            }
        }
        kept
    }

    /// Drops history that only questions about events before `seq` depend on. What was before the latest versions goes at once.
    /// Processes that are forgotten, and their threads, go together, once they are a fifth as many as those that are not: what that
    /// costs is small against what they took in, and a long recording takes little more memory than a short one.
    pub(super) fn compact_history(&mut self, seq: u64) {
        self.table.past.compact(seq);
        if self.table.past.is_worn() {
            let heads = self.table.processes.iter_mut();
            self.table.past.renumber(heads.map(|process| &mut process.past));
        }
        let settled = self.sweeps.iter().rfind(|sweep| sweep.seq <= seq);
        let processes = settled.map_or(0, |sweep| sweep.forgotten as usize);
        let shared = self.by_id.shared() + self.by_pid.shared();
        let garbage = processes + self.threads.forgotten + shared.saturating_sub(self.compacted);
        let all = self.table.processes.len() + self.threads.threads.len();
        if garbage > (all / 6).max(MIN_GARBAGE) {
            self.drop_forgotten(seq);
            self.compacted = self.by_id.shared() + self.by_pid.shared();
        }
    }

    fn drop_forgotten(&mut self, seq: u64) {
        let values = &self.table.values;
        let processes = Moves::of(&self.table.processes, |process| {
            process.version.seq.get() > seq || !values.is_forgotten(&process.version.facts)
        });
        let threads = Moves::of(&self.threads.threads, |thread| {
            thread.forgotten > seq && processes.get(thread.process).is_some()
        });
        self.table.move_together(&processes, &threads, &mut self.threads);
        // Texts have new numbers.
        self.actors = Actors::default();
        self.threads.move_together(seq, &processes, &threads);
        self.by_id.compact(seq, |index| processes.get(index));
        self.by_pid.compact(seq, |index| processes.get(index));
        self.coarse = processes.pairs(self.coarse.drain()).collect();
        self.aliases = processes.pairs(self.aliases.drain(..)).collect();

        let dropped = self.sweeps.partition_point(|sweep| sweep.seq <= seq);
        let forgotten = dropped
            .checked_sub(1)
            .map_or(0, |last| self.sweeps[last].forgotten);
        self.sweeps.drain(..dropped);
        for sweep in &mut self.sweeps {
            sweep.forgotten -= forgotten;
        }
    }
}
