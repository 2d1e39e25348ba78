//! Finding the process that something mentions.

use detectors_api::entity::entity_id;

use super::ProcessStore;
use super::facts::{Facts, Index, Now, Values};

/// A start time from procfs is up to a tick (10 ms) early, and the clocks' offset is sampled anew.
const COARSE_NS: u64 = 20_000_000;

/// A task as something mentions it: a process by its leader, or another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) id: u32,
    /// Pid of the process, or tid of the thread, in the root pid namespace; 0 if unknown.
    pub(super) host_pid: u32,
    pub(super) start_ns: Option<u64>,
    /// `start_ns` comes from a clock that ticks every 10 ms.
    pub(super) coarse: bool,
}

impl Mention {
    /// The task with this pid or tid and start time; 0 stands for an unknown one.
    pub(super) fn started(host_pid: u32, start_ns: u64) -> Self {
        Self {
            id: entity_id(host_pid, start_ns),
            host_pid,
            start_ns: (start_ns != 0).then_some(start_ns),
            coarse: false,
        }
    }

    /// Whether this may be the task of which that is known.
    pub(super) fn means(&self, host_pid: u32, start_ns: Option<u64>, coarse: impl FnOnce() -> bool) -> bool {
        let same_pid = self.host_pid == 0 || host_pid == 0 || self.host_pid == host_pid;
        let same_start = match (self.start_ns, start_ns) {
            (Some(mentioned), Some(known)) => {
                mentioned == known || mentioned.abs_diff(known) <= COARSE_NS && (self.coarse || coarse())
            }
            _ => true,
        };
        same_pid && same_start
    }

    fn means_process(&self, facts: &Facts, values: &Values) -> bool {
        let coarse = || values.setting(facts).coarse;
        self.means(facts.host_pid, facts.start_ns.known(), coarse)
    }
}

impl ProcessStore {
    /// The process that is meant; a new, inferred one if there is none.
    pub(super) fn resolve(&mut self, now: Now, mention: Mention) -> Index {
        let Some(index) = self.find_mentioned(now, mention) else {
            return self.incarnate(now, mention);
        };
        let table = &mut self.table;
        let before = *table.facts(index);
        let exact = mention.start_ns.is_some() && !mention.coarse;
        let sharpens = exact && table.values.setting(&before).coarse;
        let tells_pid = before.host_pid == 0 && mention.host_pid != 0;
        let tells_start = mention.start_ns.is_some() && (before.start_ns.known().is_none() || sharpens);
        if !tells_pid && !tells_start {
            return index;
        }
        if sharpens {
            self.coarse.remove(&mention.host_pid);
        }
        table.update(now, index, |facts, values| {
            if facts.host_pid == 0 {
                facts.host_pid = mention.host_pid;
            }
            if let Some(start_ns) = mention.start_ns.filter(|_| tells_start) {
                facts.id = mention.id;
                facts.start_ns = start_ns.into();
                values.change_setting(facts, |setting| setting.coarse = mention.coarse);
            }
        });
        let after = table.facts(index);
        if (before.host_pid, before.start_ns) != (after.host_pid, after.start_ns) {
            self.note_pid(now, index);
        }
        index
    }

    /// A new process, of which nothing is known but the mention.
    pub(super) fn incarnate(&mut self, now: Now, mention: Mention) -> Index {
        let mut facts = Facts {
            id: mention.id,
            host_pid: mention.host_pid,
            start_ns: mention.start_ns.unwrap_or_default().into(),
            ..Facts::default()
        };
        self.table.values.change_setting(&mut facts, |setting| {
            setting.coarse = mention.coarse;
            setting.inferred = true;
        });
        let index = self.table.add(now, facts);
        let table = &self.table;
        self.by_id
            .add(mention.id, now.seq, index, |index| table.since(index));
        if mention.coarse {
            self.coarse.insert(mention.host_pid, index);
        }
        self.note_pid(now, index);
        index
    }

    fn find_mentioned(&mut self, now: Now, mention: Mention) -> Option<Index> {
        let table = &self.table;
        let means = |index: Index| mention.means_process(table.facts(index), &table.values);
        let known = self.by_id.now(mention.id).latest(means);
        if known.is_some() {
            return known;
        }
        let rough = *self.coarse.get(&mention.host_pid)?;
        // Without a start time, only a process that is still there can be meant.
        let there = mention.start_ns.is_some() || !table.values.is_over(table.facts(rough));
        if !there || !means(rough) {
            return None;
        }
        self.by_id
            .add(mention.id, now.seq, rough, |index| table.since(index));
        self.aliases.push((mention.id, rough));
        Some(rough)
    }

    /// A pid means the process that started last of those that had it. Those that started before have ended.
    fn note_pid(&mut self, now: Now, index: Index) {
        let table = &self.table;
        let facts = table.facts(index);
        let (host_pid, start_ns) = (facts.host_pid, facts.start_ns.known());
        let meant = self.by_pid.now(host_pid).last();
        let later =
            meant.is_some_and(|meant| meant == index || table.facts(meant).start_ns.known() > start_ns);
        if host_pid == 0 || later {
            return;
        }
        let exact = start_ns.is_some() && !table.values.setting(facts).coarse;
        // One that started at the same time is the same one, under an id that its recorder made otherwise.
        let before = meant.filter(|meant| table.facts(*meant).start_ns.known() != start_ns);
        self.by_pid
            .replace(host_pid, now.seq, index, |index| table.since(index));
        if exact && let Some(former) = before {
            self.presume_ended(now, former);
        }
    }
}
