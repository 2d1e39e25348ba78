//! The state of the process store as rows. `restore` takes them up again.

use arrow::array::RecordBatch;
use foldhash::HashMap;

use super::ProcessStore;
use super::facts::Index;
use crate::rows::{Row, rows};

rows! {
    table "keyframes/process";
    columns Pieces;
    /// A piece of the state. Processes and threads are named by their place among the rows of their kind, from 0.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(super) struct Piece {
        /// `process`; `thread` (other than a leader); `process id` or `thread id` (an id that means it); `child` (of the
        /// process, beside those that name it as parent).
        pub(super) kind: String,
        /// The process: of a thread, meant by an id, or whose child it is.
        pub(super) process: Option<u32>,
        /// The thread that an id means.
        pub(super) thread: Option<u32>,
        /// The child.
        pub(super) child: Option<u32>,
        /// Entity id.
        pub(super) id: Option<u32>,
        /// Id in the root pid namespace.
        pub(super) host_pid: Option<u32>,
        /// Id in its own pid namespace.
        pub(super) pid: Option<u32>,
        /// The parent's pid in the root pid namespace.
        pub(super) host_ppid: Option<u32>,
        /// The parent's pid in the parent's namespace.
        pub(super) ppid: Option<u32>,
        /// The process that created it.
        pub(super) parent: Option<u32>,
        /// The process that adopted it.
        pub(super) adopted_by: Option<u32>,
        /// ns since the Unix epoch.
        pub(super) start_ns: Option<u64>,
        /// The start time comes from procfs.
        pub(super) coarse: bool,
        /// Looked for under its pid, because its id may be off.
        pub(super) by_start: bool,
        /// Its id means it alone.
        pub(super) by_id: bool,
        /// Its pid means it.
        pub(super) by_host_pid: bool,
        /// Only known because others mention it.
        pub(super) inferred: bool,
        /// Event time of what was last learned of it: ns since the Unix epoch.
        pub(super) time_ns: u64,
        /// comm.
        pub(super) name: Option<String>,
        /// Last part of the path given to exec.
        pub(super) exec_name: Option<String>,
        /// Path of the binary.
        pub(super) exe: Option<String>,
        /// Device of the binary.
        pub(super) exe_dev: Option<u32>,
        /// Inode of the binary.
        pub(super) exe_inode: Option<u64>,
        /// Change time of the binary: ns since the Unix epoch.
        pub(super) exe_ctime_ns: Option<u64>,
        /// Type and permissions of the binary.
        pub(super) exe_mode: Option<u32>,
        /// Real user id.
        pub(super) uid: Option<u32>,
        /// Real group id.
        pub(super) gid: Option<u32>,
        /// Container id.
        pub(super) container_id: Option<String>,
        /// Exit of the last thread, or of the thread: ns since the Unix epoch.
        pub(super) exit_ns: Option<u64>,
        /// Exit of the leader: ns since the Unix epoch.
        pub(super) leader_exit_ns: Option<u64>,
        /// Latest exit of a thread so far: ns since the Unix epoch.
        pub(super) last_exit_ns: Option<u64>,
        /// Status given to `exit`.
        pub(super) exit_code: Option<i32>,
        /// Signal that killed it.
        pub(super) exit_signal: Option<i32>,
        /// The kernel said that no thread was left.
        pub(super) exit_complete: bool,
        /// The exit was not seen, but another process has the pid.
        pub(super) exit_presumed: Option<bool>,
    }
}

pub(super) const PROCESS: &str = "process";
pub(super) const THREAD: &str = "thread";
pub(super) const PROCESS_ID: &str = "process id";
pub(super) const THREAD_ID: &str = "thread id";
pub(super) const CHILD: &str = "child";

/// Numbers that stand for processes or threads in a keyframe.
type Numbers = HashMap<Index, u32>;

impl ProcessStore {
    pub(super) fn to_keyframe(&self) -> RecordBatch {
        let threads = self.present_threads();
        let present: Vec<_> = self.table.present().collect();
        let (processes, thread_numbers) = (numbers(&present), numbers(&threads));
        let mut pieces: Vec<_> = present
            .iter()
            .map(|index| self.process_piece(*index, &processes))
            .collect();
        pieces.extend(threads.iter().map(|index| self.thread_piece(*index, &processes)));
        let ids = self.by_id.others(|index| self.table.facts(index).id);
        pieces.extend(ids.into_iter().map(|(id, index)| Piece {
            kind: PROCESS_ID.to_owned(),
            id: Some(id),
            process: processes.get(&index).copied(),
            ..Piece::default()
        }));
        let ids = self.threads.by_id.others(|index| self.threads.get(index).id);
        pieces.extend(ids.into_iter().map(|(id, index)| Piece {
            kind: THREAD_ID.to_owned(),
            id: Some(id),
            thread: thread_numbers.get(&index).copied(),
            ..Piece::default()
        }));
        for parent in &present {
            for child in self.other_children(*parent) {
                pieces.push(Piece {
                    kind: CHILD.to_owned(),
                    process: processes.get(parent).copied(),
                    child: processes.get(&child).copied(),
                    ..Piece::default()
                });
            }
        }
        Piece::to_batch(&pieces)
    }

    /// The threads that are known, in order.
    fn present_threads(&self) -> Vec<Index> {
        let indexes = (0..self.threads.threads.len()).map(Index::at);
        indexes
            .filter(|index| !self.threads.get(*index).is_forgotten())
            .collect()
    }

    /// Present children that a process adopted, and another one after it.
    fn other_children(&self, parent: Index) -> Vec<Index> {
        let Some(head) = self.table.adopters.get(&parent) else {
            return Vec::new();
        };
        let children = self.table.adopted.back(*head).map(|entry| entry.value);
        let mut children: Vec<_> = children
            .filter(|child| {
                let facts = self.table.facts(*child);
                self.table.is_present(*child)
                    && facts.parent != Some(parent)
                    && self.table.values.setting(facts).adopted_by != Some(parent)
            })
            .collect();
        children.sort_unstable();
        children.dedup();
        children
    }

    fn process_piece(&self, index: Index, numbers: &Numbers) -> Piece {
        let (version, values) = (&self.table.get(index).version, &self.table.values);
        let facts = &version.facts;
        let (look, setting, exit) = (values.look(facts), values.setting(facts), values.exit(facts));
        let text = |text| Some(values.texts.get(text).to_owned()).filter(|text| !text.is_empty());
        let number = |index: Index| numbers.get(&index).copied();
        Piece {
            kind: PROCESS.to_owned(),
            id: Some(facts.id),
            host_pid: Some(facts.host_pid),
            pid: facts.pid.into(),
            host_ppid: facts.host_ppid.into(),
            ppid: facts.ppid.into(),
            parent: facts.parent.and_then(number),
            adopted_by: setting.adopted_by.and_then(number),
            start_ns: facts.start_ns.known(),
            coarse: setting.coarse,
            by_start: self.coarse.get(&facts.host_pid) == Some(&index),
            by_id: self.by_id.now(facts.id).are_only(index),
            by_host_pid: self.by_pid.now(facts.host_pid).are_only(index),
            inferred: setting.inferred,
            time_ns: version.time_ns.get(),
            name: text(look.name),
            exec_name: text(look.exec_name),
            exe: text(look.path),
            exe_dev: look.file.map(|file| file.dev),
            exe_inode: look.file.map(|file| file.inode),
            exe_ctime_ns: look.file.map(|file| file.ctime_ns),
            exe_mode: look.file.map(|file| file.mode),
            uid: setting.uid.into(),
            gid: setting.gid.into(),
            container_id: text(setting.container),
            exit_ns: exit.ns,
            leader_exit_ns: exit.leader_ns,
            last_exit_ns: Some(self.table.last_exit_ns(index)),
            exit_code: exit.code,
            exit_signal: exit.signal,
            exit_complete: exit.complete,
            exit_presumed: exit.presumed.then_some(true),
            ..Piece::default()
        }
    }

    fn thread_piece(&self, index: Index, numbers: &Numbers) -> Piece {
        let thread = self.threads.get(index);
        Piece {
            kind: THREAD.to_owned(),
            process: numbers.get(&thread.process).copied(),
            id: Some(thread.id),
            host_pid: Some(thread.host_tid),
            pid: thread.tid.into(),
            start_ns: Some(thread.start_ns),
            coarse: thread.coarse,
            by_start: self.threads.coarse.get(&thread.host_tid) == Some(&index),
            by_id: self.threads.by_id.now(thread.id).are_only(index),
            name: Some(self.table.values.texts.get(thread.name).to_owned()),
            exit_ns: thread.exited().then_some(thread.exit_ns),
            ..Piece::default()
        }
    }
}

fn numbers(indexes: &[Index]) -> Numbers {
    indexes.iter().copied().zip(0..).collect()
}
