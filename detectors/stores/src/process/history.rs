//! What is remembered of a process, and how it is asked as of a sequence number.

use std::collections::HashMap;
use std::sync::Arc;

use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, ProcessInfo, Store, StoreError};

use super::{Moment, ProcessStore, ThreadInfo};

/// Longest ancestry that is followed: untrusted events can make up endless ones.
const MAX_ANCESTRY: usize = 1024;

/// An incarnation, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Index(u32);

impl Index {
    /// # Panics
    /// Beyond 2³² processes, long after memory has run out.
    pub(super) fn at(position: usize) -> Self {
        Self(u32::try_from(position).expect("fewer than 2^32 processes"))
    }

    pub(super) fn position(self) -> usize {
        self.0 as usize
    }
}

/// Texts, each kept once. Number 0 is the empty text.
#[derive(Debug)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// A text, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(u32);

impl Text {
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// This text, or `other` if it is empty.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }
}

impl Default for Texts {
    fn default() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self {
            numbers: HashMap::from([(Arc::clone(&empty), 0)]),
            texts: vec![empty],
        }
    }
}

impl Texts {
    /// # Panics
    /// Beyond 2³² texts, long after memory has run out.
    pub(super) fn number(&mut self, text: &str) -> Text {
        if let Some(number) = self.numbers.get(text) {
            return Text(*number);
        }
        let number = u32::try_from(self.texts.len()).expect("fewer than 2^32 texts");
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Text(number)
    }

    fn get(&self, text: Text) -> &str {
        &self.texts[text.0 as usize]
    }
}

/// What is known about a process at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) id: u32,
    /// 0 if unknown.
    pub(super) host_pid: u32,
    pub(super) pid: Option<u32>,
    pub(super) host_ppid: Option<u32>,
    pub(super) ppid: Option<u32>,
    pub(super) parent: Option<Index>,
    pub(super) adopted_by: Option<Index>,
    pub(super) name: Text,
    pub(super) exe: Text,
    pub(super) start_ns: Option<u64>,
    /// `start_ns` comes from a clock that ticks every 10 ms.
    pub(super) coarse: bool,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) inferred: bool,
}

/// One incarnation of an entity id.
#[derive(Debug)]
pub(super) struct Process {
    /// What was known from which event on, in order; never empty.
    versions: Vec<(u64, Facts)>,
    /// Event and time of the exit: ns since the Unix epoch.
    exit: Option<(u64, u64)>,
    /// Children, each from the event that told of it, in order.
    children: Vec<(u64, Index)>,
}

impl Process {
    pub(super) fn new(seq: u64, facts: Facts) -> Self {
        Self {
            versions: vec![(seq, facts)],
            exit: None,
            children: Vec::new(),
        }
    }

    pub(super) fn latest(&self) -> Facts {
        self.versions[self.versions.len() - 1].1
    }

    pub(super) fn update(&mut self, seq: u64, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.latest();
        change(&mut facts);
        if facts == self.latest() {
            return;
        }
        match self.versions.last_mut() {
            Some((last, latest)) if *last == seq => *latest = facts,
            _ => self.versions.push((seq, facts)),
        }
    }

    pub(super) fn add_child(&mut self, seq: u64, child: Index) {
        self.children.push((seq, child));
    }

    pub(super) fn exited(&self) -> bool {
        self.exit.is_some()
    }

    pub(super) fn exit(&mut self, seq: u64, ns: u64) {
        self.exit.get_or_insert((seq, ns));
    }

    /// From and until which event each version holds.
    pub(super) fn versions(&self) -> impl Iterator<Item = (u64, Option<u64>)> {
        let until = self.versions.iter().skip(1).map(|(seq, _)| Some(*seq));
        self.versions.iter().map(|(seq, _)| *seq).zip(until.chain([None]))
    }

    fn at(&self, seq: u64) -> Option<&Facts> {
        last_until(&self.versions, seq).map(|(_, facts)| facts)
    }
}

/// The last entry from `seq` or before.
fn last_until<T>(entries: &[(u64, T)], seq: u64) -> Option<&(u64, T)> {
    let after = entries.partition_point(|(since, _)| *since <= seq);
    entries.get(after.checked_sub(1)?)
}

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
        let facts = self.store.process(self.find(entity_id)?).at(self.seq)?;
        (!facts.exe.is_empty()).then(|| self.store.texts.get(facts.exe))
    }

    /// The process at `time_ns` (ns since the Unix epoch), by what was known as of the event; `None` if it was not known. A
    /// time after that of the event is that of the event. Later facts, such as its exit, are not told.
    #[must_use]
    pub fn at_time(self, entity_id: u32, time_ns: u64) -> Option<Moment<'a>> {
        let mut process = self.info(self.find(entity_id)?)?;
        if process.start_ns.is_some_and(|start| time_ns < start) {
            return Some(Moment::Unborn);
        }
        let dead = process.exit_ns.is_some_and(|exit| exit < time_ns);
        process.exit_ns = process.exit_ns.filter(|exit| *exit <= time_ns);
        Some(if dead {
            Moment::Dead(process)
        } else {
            Moment::Alive(process)
        })
    }

    /// The thread with this entity id: a leader, or another one; `None` if it is not known.
    #[must_use]
    pub fn thread(self, entity_id: u32) -> Option<ThreadInfo<'a>> {
        self.threads(entity_id).into_iter().next()
    }

    /// All threads of a process, dead or alive, the leader included, by start time, host tid and entity id. None for an
    /// unknown process.
    #[must_use]
    pub fn threads(self, process_entity_id: u32) -> Vec<ThreadInfo<'a>> {
        let process = self.find(process_entity_id).and_then(|index| self.info(index));
        let leader = |process: ProcessInfo<'a>| ThreadInfo {
            entity_id: process.entity_id,
            process_entity_id: process.entity_id,
            host_tid: process.host_pid,
            tid: process.pid,
            host_pid: process.host_pid,
            name: process.name,
            start_ns: process.start_ns,
            exit_ns: process.leader_exit_ns,
            uid: process.uid,
            gid: process.gid,
        };
        process.map(leader).into_iter().collect()
    }

    /// Every process that is known, dead or alive, by start time, host pid and entity id.
    #[must_use]
    pub fn all(self) -> Vec<ProcessInfo<'a>> {
        let mut infos: Vec<_> = (0..self.store.len())
            .filter_map(|position| self.info(Index::at(position)))
            .collect();
        infos.sort_by_key(|info| (info.start_ns, info.host_pid, info.entity_id));
        infos
    }

    fn find(self, entity_id: u32) -> Option<Index> {
        Some(last_until(self.store.by_id.get(&entity_id)?, self.seq)?.1)
    }

    pub(super) fn info(self, index: Index) -> Option<ProcessInfo<'a>> {
        let process = self.store.process(index);
        let facts = process.at(self.seq)?;
        let id = |index: Index| Some(self.store.process(index).at(self.seq)?.id);
        Some(ProcessInfo {
            entity_id: facts.id,
            parent_entity_id: facts.parent.and_then(id),
            adopted_by: facts.adopted_by.and_then(id),
            host_pid: facts.host_pid,
            pid: facts.pid,
            host_ppid: facts.host_ppid,
            ppid: facts.ppid,
            name: self.store.texts.get(facts.name),
            exec_name: "",
            exe_file: None,
            leader_exit_ns: process.exit.filter(|(seq, _)| *seq <= self.seq).map(|(_, ns)| ns),
            exit_code: None,
            exit_signal: None,
            container_id: "",
            exe: self.store.texts.get(facts.exe),
            start_ns: facts.start_ns,
            exit_ns: process.exit.filter(|(seq, _)| *seq <= self.seq).map(|(_, ns)| ns),
            uid: facts.uid,
            gid: facts.gid,
            inferred: facts.inferred,
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
        Metrics::default()
    }
}

impl stores::ProcessStore for ProcessesAt<'_> {
    fn get_process(&self, entity_id: u32) -> Result<ProcessInfo<'_>, StoreError> {
        self.find(entity_id)
            .and_then(|index| self.info(index))
            .ok_or_else(|| StoreError::not_found(Store::Process, "get_process", Entity::Process(entity_id)))
    }

    fn get_process_by_host_pid(&self, host_pid: u32) -> Result<ProcessInfo<'_>, StoreError> {
        Err(StoreError::not_found(
            Store::Process,
            "get_process_by_host_pid",
            Entity::HostPid(host_pid),
        ))
    }

    fn get_child_processes(&self, entity_id: u32) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        let Some(parent) = self.find(entity_id) else {
            return Ok(Vec::new());
        };
        let children = &self.store.process(parent).children;
        let known = children.partition_point(|(since, _)| *since <= self.seq);
        let mut indexes: Vec<_> = children[..known].iter().map(|(_, child)| *child).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let mut infos: Vec<_> = indexes.into_iter().filter_map(|index| self.info(index)).collect();
        infos.sort_by_key(|info| (info.start_ns, info.host_pid, info.entity_id));
        Ok(infos)
    }

    fn get_ancestry(&self, entity_id: u32, max_depth: usize) -> Result<Vec<ProcessInfo<'_>>, StoreError> {
        let mut infos = Vec::new();
        let mut visited = Vec::new();
        let mut next = self.find(entity_id);
        while let Some(index) = next
            && infos.len() < max_depth.min(MAX_ANCESTRY)
            && !visited.contains(&index)
            && let Some(info) = self.info(index)
        {
            visited.push(index);
            infos.push(info);
            next = self
                .store
                .process(index)
                .at(self.seq)
                .and_then(|facts| facts.parent);
        }
        Ok(infos)
    }
}
