//! What questions beyond the store trait are answered with.

use detectors_api::stores::ProcessInfo;

/// A process at a moment of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// It had not yet started.
    Unborn,
    /// It lived; at the instant of its exit it still did.
    Alive(ProcessInfo<'a>),
    /// It had exited.
    Dead(ProcessInfo<'a>),
}

/// What is known about a thread, as of some event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadInfo<'a> {
    /// Entity id; that of a leader is the one of its process.
    pub entity_id: u32,
    /// Entity id of its process.
    pub process_entity_id: u32,
    /// Thread id in the root pid namespace.
    pub host_tid: u32,
    /// Thread id in its own pid namespace.
    pub tid: Option<u32>,
    /// Thread-group id in the root pid namespace.
    pub host_pid: u32,
    /// comm; empty if unknown.
    pub name: &'a str,
    /// When it started: ns since the Unix epoch.
    pub start_ns: Option<u64>,
    /// When it exited: ns since the Unix epoch. `None` while it runs.
    pub exit_ns: Option<u64>,
    /// Real user id of its process, where that is known.
    pub uid: Option<u32>,
    /// Real group id of its process, where that is known.
    pub gid: Option<u32>,
}

impl ThreadInfo<'_> {
    /// Whether it lived at `time_ns` (ns since the Unix epoch). At the instant of its exit it still did; one whose start is
    /// not known had started before.
    #[must_use]
    pub fn alive_at(&self, time_ns: u64) -> bool {
        self.start_ns.is_none_or(|start| start <= time_ns) && self.exit_ns.is_none_or(|exit| time_ns <= exit)
    }
}

/// A process from one event until another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// Which process it is, by number: the versions of one process, and no others, have the same. Entity ids come back.
    pub incarnation: usize,
    /// The event that made it so.
    pub from_seq: u64,
    /// The event from which on it was otherwise; `None` if it still is so.
    pub until_seq: Option<u64>,
    /// What was known.
    pub process: ProcessInfo<'a>,
}
