//! How the process store is asked as of an event.

use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, ProcessInfo, Store, StoreError};

use super::facts::{Exit, Index};
use super::past::Version;
use super::thread::Thread;
use super::{Moment, ProcessStore, ThreadInfo};

/// Longest ancestry that is followed: untrusted events can make up endless ones.
const MAX_ANCESTRY: usize = 1024;

/// The process store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct ProcessesAt<'a> {
    store: &'a ProcessStore,
    seq: u64,
    time_ns: i64,
}

impl<'a> ProcessesAt<'a> {
    pub(super) fn new(store: &'a ProcessStore, seq: u64, time_ns: i64) -> Self {
        Self { store, seq, time_ns }
    }

    /// Path of the binary that the process ran; `None` if unknown.
    #[must_use]
    pub fn executable_path(self, entity_id: u32) -> Option<&'a str> {
        let (_, version) = self.find(entity_id)?;
        let values = &self.store.table.values;
        let path = values.look(&version.facts).path;
        (!path.is_empty()).then(|| values.texts.get(path))
    }

    /// The process at `time_ns` (ns since the Unix epoch), by what was known as of the event; `None` if it was not known.
    /// What happened to it after that time, such as its exit, is not told. Between its start and the first event that told
    /// of it, it was as that event has it. If its id had several bearers, the last one is meant that had started by then.
    #[must_use]
    pub fn at_time(self, entity_id: u32, time_ns: u64) -> Option<Moment<'a>> {
        let mut unborn = None;
        for index in self.store.by_id.before(entity_id, self.seq) {
            let Some(version) = self.known(index) else {
                continue;
            };
            if version.facts.start_ns.get() <= time_ns {
                return self.moment(index, time_ns);
            }
            unborn = Some(Moment::Unborn);
        }
        unborn
    }

    /// The thread with this entity id: a leader, or another one; `None` if it is not known.
    #[must_use]
    pub fn thread(self, entity_id: u32) -> Option<ThreadInfo<'a>> {
        if let Some((_, version)) = self.find(entity_id) {
            return Some(self.leader(version));
        }
        let index = self.store.threads.by_id.at(entity_id, self.seq)?;
        let thread = self.store.threads.get(index);
        let version = self.known(thread.process)?;
        self.other_thread(thread, version)
    }

    /// All threads of a process, dead or alive, the leader included, by start time, host tid and entity id. None for an
    /// unknown process.
    #[must_use]
    pub fn threads(self, process_entity_id: u32) -> Vec<ThreadInfo<'a>> {
        let Some((index, version)) = self.find(process_entity_id) else {
            return Vec::new();
        };
        let table = &self.store.table;
        let head = table.threads.until(table.threads_of(index), self.seq);
        let others = table
            .threads
            .back(head)
            .filter_map(|entry| self.other_thread(self.store.threads.get(entry.value), version));
        let mut threads: Vec<_> = others.chain([self.leader(version)]).collect();
        threads.sort_by_key(|thread| (thread.start_ns, thread.host_tid, thread.entity_id));
        threads
    }

    /// Every process that is known, dead or alive, by start time, host pid and entity id.
    #[must_use]
    pub fn all(self) -> Vec<ProcessInfo<'a>> {
        let indexes = (0..self.store.len()).map(Index::at);
        sorted(indexes.filter_map(|index| self.info(index)))
    }

    /// The process that an entity id means, and what is known of it.
    #[inline]
    fn find(self, entity_id: u32) -> Option<(Index, &'a Version)> {
        let index = self.store.by_id.at(entity_id, self.seq)?;
        Some((index, self.known(index)?))
    }

    /// What is known about a process; `None` if it is not known.
    #[inline]
    fn known(self, index: Index) -> Option<&'a Version> {
        self.store.table.at(index, self.seq)
    }

    pub(super) fn info(self, index: Index) -> Option<ProcessInfo<'a>> {
        Some(self.describe(self.known(index)?))
    }

    #[inline]
    fn describe(self, version: &'a Version) -> ProcessInfo<'a> {
        let (facts, values) = (&version.facts, &self.store.table.values);
        // Whom something that is known mentions is known, too.
        let id = |index: Index| Some(self.known(index)?.facts.id);
        let (look, setting, exit) = (values.look(facts), values.setting(facts), values.exit(facts));
        let over = exit.ns.is_some();
        ProcessInfo {
            entity_id: facts.id,
            parent_entity_id: facts.parent.and_then(id),
            adopted_by: setting.adopted_by.and_then(id),
            host_pid: facts.host_pid,
            pid: facts.pid.into(),
            host_ppid: facts.host_ppid.into(),
            ppid: facts.ppid.into(),
            name: values.texts.get(look.name),
            exec_name: values.texts.get(look.exec_name),
            exe: values.texts.get(look.path),
            exe_file: look.file,
            start_ns: facts.start_ns.known(),
            exit_ns: exit.ns,
            leader_exit_ns: exit.leader_ns,
            exit_code: exit.code.filter(|_| over),
            exit_signal: exit.signal.filter(|_| over),
            uid: setting.uid.into(),
            gid: setting.gid.into(),
            container_id: values.texts.get(setting.container),
            inferred: setting.inferred,
        }
    }

    fn moment(self, index: Index, time_ns: u64) -> Option<Moment<'a>> {
        let table = &self.store.table;
        let latest = self.known(index)?;
        let version = table.latest(index, |version| {
            version.seq.get() <= self.seq && version.time_ns.get() <= time_ns
        });
        let mut process = self.describe(version.unwrap_or_else(|| table.first(index)));
        // An exit can come before other events that happened earlier.
        let Exit { ns, leader_ns, .. } = table.values.exit(&latest.facts);
        process.exit_ns = ns.filter(|ns| *ns <= time_ns);
        process.leader_exit_ns = leader_ns.filter(|ns| *ns <= time_ns);
        if process.exit_ns.is_none() {
            (process.exit_code, process.exit_signal) = (None, None);
        }
        Some(match ns {
            Some(ns) if ns < time_ns => Moment::Dead(process),
            _ => Moment::Alive(process),
        })
    }

    fn leader(self, version: &'a Version) -> ThreadInfo<'a> {
        let (facts, values) = (&version.facts, &self.store.table.values);
        let (setting, exit) = (values.setting(facts), values.exit(facts));
        ThreadInfo {
            entity_id: facts.id,
            process_entity_id: facts.id,
            host_tid: facts.host_pid,
            tid: facts.pid.into(),
            host_pid: facts.host_pid,
            name: values.texts.get(values.look(facts).name),
            start_ns: facts.start_ns.known(),
            exit_ns: exit.leader_ns.or(exit.ns),
            uid: setting.uid.into(),
            gid: setting.gid.into(),
        }
    }

    /// A thread other than the leader of a process of which `version` is known.
    fn other_thread(self, thread: &'a Thread, version: &'a Version) -> Option<ThreadInfo<'a>> {
        let known = thread.since <= self.seq && self.seq < thread.forgotten;
        let process = self.leader(version);
        known.then(|| ThreadInfo {
            entity_id: thread.id,
            host_tid: thread.host_tid,
            tid: thread.tid.into(),
            name: self.store.table.values.texts.get(thread.name),
            start_ns: (thread.start_ns != 0).then_some(thread.start_ns),
            exit_ns: (thread.exit_seq <= self.seq && thread.exited()).then_some(thread.exit_ns),
            ..process
        })
    }
}

impl DataStore for ProcessesAt<'_> {
    fn name(&self) -> &str {
        Store::Process.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            item_count: self.store.count(self.seq),
        }
    }
}

impl stores::ProcessStore for ProcessesAt<'_> {
    fn get_process(&self, entity_id: u32) -> Result<ProcessInfo<'_>, StoreError> {
        match self.find(entity_id) {
            Some((_, version)) => Ok(self.describe(version)),
            None => {
                let entity = Entity::Process(entity_id);
                Err(StoreError::not_found(Store::Process, "get_process", entity))
            }
        }
    }

    fn get_process_by_host_pid(&self, host_pid: u32) -> Result<ProcessInfo<'_>, StoreError> {
        let index = self.store.by_pid.at(host_pid, self.seq);
        index.and_then(|index| self.info(index)).ok_or_else(|| {
            let entity = Entity::HostPid(host_pid);
            StoreError::not_found(Store::Process, "get_process_by_host_pid", entity)
        })
    }

    fn get_child_processes(&self, entity_id: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        let Some((parent, _)) = self.find(entity_id) else {
            return Ok(Vec::new());
        };
        let mut indexes: Vec<_> = self.store.table.children(parent, self.seq).collect();
        indexes.sort_unstable();
        indexes.dedup();
        Ok(sorted(indexes.into_iter().filter_map(|index| self.info(index))))
    }

    fn get_ancestry(&self, entity_id: u32, max_depth: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        let max_depth = max_depth.min(MAX_ANCESTRY);
        let mut infos = Vec::with_capacity(max_depth.min(8));
        let mut visited = Vec::with_capacity(max_depth.min(8));
        let mut next = self.store.by_id.at(entity_id, self.seq);
        while let Some(index) = next
            && infos.len() < max_depth
            && !visited.contains(&index)
            && let Some(version) = self.known(index)
        {
            visited.push(index);
            infos.push(self.describe(version));
            next = version.facts.parent;
        }
        Ok(infos)
    }
}

/// By start time, host pid and entity id; those whose start is not known come first.
fn sorted<'a>(infos: impl Iterator<Item = ProcessInfo<'a>>) -> Vec<ProcessInfo<'a>> {
    let mut infos: Vec<_> = infos.collect();
    infos.sort_by_key(|info| (info.start_ns, info.host_pid, info.entity_id));
    infos
}
