//! What is known about processes: a row for each, with its latest version, and a log of what was before.
//!
//! Rows are small, because most processes have ended: what many of them have in common is kept once ([`Values`]), and what few
//! of them have (other threads, adopted children) lies aside.

use foldhash::HashMap;

use super::chunked::Chunked;
use super::facts::{Exit, Facts, Index, Now, Values};
use super::past::{Earlier, Past, Version};
use super::timeline::{Head, Timelines};

/// A process: one incarnation of an entity id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) version: Version,
    pub(super) past: Earlier,
    /// The child that it created last.
    pub(super) last_child: Option<Index>,
    /// The child that its parent created before.
    pub(super) elder: Option<Index>,
}

/// What is known about the threads of a process other than its leader.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    /// Each from the event that told of it.
    pub(super) threads: Head,
    /// Those whose exit was not seen.
    pub(super) live: u32,
    /// The latest exit of a thread, if the process has not exited since: ns since the Unix epoch.
    pub(super) last_exit_ns: u64,
}

/// All processes, with their versions.
#[derive(Debug, Default)]
pub(super) struct ProcessTable {
    pub(super) processes: Chunked<Process>,
    pub(super) past: Past,
    pub(super) values: Values,
    /// Of the processes that ever had other threads.
    pub(super) groups: HashMap<Index, Group>,
    pub(super) threads: Timelines<Index>,
    /// Children of the processes that ever adopted one.
    pub(super) adopters: HashMap<Index, Head>,
    pub(super) adopted: Timelines<Index>,
    /// Number of processes that are forgotten.
    pub(super) forgotten: usize,
}

impl ProcessTable {
    /// A process of which this is known.
    pub(super) fn add(&mut self, now: Now, facts: Facts) -> Index {
        let index = Index::at(self.processes.len());
        self.processes.push(Process {
            version: Version {
                seq: now.seq.into(),
                time_ns: now.time_ns.into(),
                facts,
            },
            past: Earlier::default(),
            last_child: None,
            elder: None,
        });
        index
    }

    pub(super) fn get(&self, index: Index) -> &Process {
        &self.processes[index.position()]
    }

    /// What is known by now.
    pub(super) fn facts(&self, index: Index) -> &Facts {
        &self.get(index).version.facts
    }

    /// What was known as of event `seq`; `None` if the process was not known.
    #[inline]
    pub(super) fn at(&self, index: Index, seq: u64) -> Option<&Version> {
        let version = self.latest(index, |version| version.seq.get() <= seq)?;
        (!self.values.is_forgotten(&version.facts)).then_some(version)
    }

    /// The latest version of which `holds` is true. It must be true of all versions before one of which it is.
    #[inline]
    pub(super) fn latest(&self, index: Index, holds: impl Fn(&Version) -> bool) -> Option<&Version> {
        let process = self.get(index);
        if holds(&process.version) {
            return Some(&process.version);
        }
        self.past.latest(process.past, holds)
    }

    /// The first version that is kept.
    pub(super) fn first(&self, index: Index) -> &Version {
        let process = self.get(index);
        self.past.first(process.past).unwrap_or(&process.version)
    }

    /// From which event on the process is known.
    pub(super) fn since(&self, index: Index) -> u64 {
        self.first(index).seq.get()
    }

    /// The versions of a process, from the latest back.
    pub(super) fn versions(&self, index: Index) -> impl Iterator<Item = &Version> {
        let process = self.get(index);
        std::iter::once(&process.version).chain(self.past.back(process.past))
    }

    /// The processes that are known by now, in the order in which they were first seen or mentioned.
    pub(super) fn present(&self) -> impl Iterator<Item = Index> {
        let indexes = (0..self.processes.len()).map(Index::at);
        indexes.filter(|index| self.is_present(*index))
    }

    pub(super) fn is_present(&self, index: Index) -> bool {
        !self.values.is_forgotten(self.facts(index))
    }

    /// What is known about a process changes. What one event makes of a process is one version.
    #[inline]
    pub(super) fn update(&mut self, now: Now, index: Index, change: impl FnOnce(&mut Facts, &mut Values)) {
        let process = &mut self.processes[index.position()];
        let mut facts = process.version.facts;
        change(&mut facts, &mut self.values);
        if facts == process.version.facts {
            return;
        }
        let version = &mut process.version;
        if version.seq.get() != now.seq {
            self.past.push(&mut process.past, *version, now.seq);
        }
        *version = Version {
            seq: now.seq.into(),
            time_ns: version.time_ns.get().max(now.time_ns).into(),
            facts,
        };
    }

    /// The process is not known any more.
    pub(super) fn forget(&mut self, now: Now, index: Index) {
        self.update(now, index, |facts, values| values.forget(facts));
        self.forgotten += 1;
    }

    /// Number of other threads that are known to live.
    pub(super) fn live_threads(&self, index: Index) -> u32 {
        self.groups.get(&index).map_or(0, |group| group.live)
    }

    /// The latest exit of a thread: ns since the Unix epoch; 0 before.
    pub(super) fn last_exit_ns(&self, index: Index) -> u64 {
        let group = || self.groups.get(&index).map_or(0, |group| group.last_exit_ns);
        self.exit(index).ns.unwrap_or_else(group)
    }

    /// How it has ended, by what is known now.
    pub(super) fn exit(&self, index: Index) -> Exit {
        self.values.exit(self.facts(index))
    }

    /// Notes a child that `parent` created.
    pub(super) fn add_child(&mut self, parent: Index, child: Index) {
        let elder = self.processes[parent.position()].last_child.replace(child);
        self.processes[child.position()].elder = elder;
    }

    /// Notes a child that `parent` adopted.
    pub(super) fn add_adopted(&mut self, now: Now, parent: Index, child: Index) {
        self.adopted
            .push(self.adopters.entry(parent).or_default(), now.seq, child);
    }

    /// The children that a process created or adopted, as of event `seq`, in no order; some twice.
    pub(super) fn children(&self, parent: Index, seq: u64) -> impl Iterator<Item = Index> {
        let last = self.get(parent).last_child;
        let created = std::iter::successors(last, |child| self.get(*child).elder);
        let created = created.filter(move |child| {
            self.at(*child, seq)
                .is_some_and(|version| version.facts.parent == Some(parent))
        });
        let head = self.adopters.get(&parent).copied().unwrap_or_default();
        let adopted = self.adopted.back(self.adopted.until(head, seq));
        created.chain(adopted.map(|entry| entry.value))
    }

    pub(super) fn add_thread(&mut self, now: Now, process: Index, thread: Index, live: bool) {
        let group = self.groups.entry(process).or_default();
        group.live += u32::from(live);
        self.threads.push(&mut group.threads, now.seq, thread);
    }

    /// Where the threads of a process begin.
    pub(super) fn threads_of(&self, process: Index) -> Head {
        self.groups
            .get(&process)
            .map(|group| group.threads)
            .unwrap_or_default()
    }
}
