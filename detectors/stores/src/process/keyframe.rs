//! The state of the process store as rows.

use arrow::array::RecordBatch;
use detectors_api::stores::ExecutableFile;
use foldhash::HashMap;

use super::ProcessStore;
use super::directory::Directory;
use super::table::{Exit, Facts, Image, Index, Now, Setting};
use super::thread::{NEVER, Thread};
use crate::rows::{Row, RowsError, rows};

rows! {
    table "keyframes/process";
    /// A piece of the state. Processes and threads are named by their place among the rows of their kind, from 0.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Piece {
        /// `process`; `thread` (other than a leader); `process id` or `thread id` (an id that means it); `child` (of the
        /// process, beside those that name it as parent).
        kind: String,
        /// The process: of a thread, meant by an id, or whose child it is.
        process: Option<u32>,
        /// The thread that an id means.
        thread: Option<u32>,
        /// The child.
        child: Option<u32>,
        /// Entity id.
        id: Option<u32>,
        /// Id in the root pid namespace.
        host_pid: Option<u32>,
        /// Id in its own pid namespace.
        pid: Option<u32>,
        /// The parent's pid in the root pid namespace.
        host_ppid: Option<u32>,
        /// The parent's pid in the parent's namespace.
        ppid: Option<u32>,
        /// The process that created it.
        parent: Option<u32>,
        /// The process that adopted it.
        adopted_by: Option<u32>,
        /// ns since the Unix epoch.
        start_ns: Option<u64>,
        /// The start time comes from procfs.
        coarse: bool,
        /// Looked for under its pid, because its id may be off.
        by_start: bool,
        /// Its id means it alone.
        by_id: bool,
        /// Its pid means it.
        by_host_pid: bool,
        /// Only known because others mention it.
        inferred: bool,
        /// Event time of what was last learned of it: ns since the Unix epoch.
        time_ns: u64,
        /// comm.
        name: Option<String>,
        /// Last part of the path given to exec.
        exec_name: Option<String>,
        /// Path of the binary.
        exe: Option<String>,
        /// Device of the binary.
        exe_dev: Option<u32>,
        /// Inode of the binary.
        exe_inode: Option<u64>,
        /// Change time of the binary: ns since the Unix epoch.
        exe_ctime_ns: Option<u64>,
        /// Type and permissions of the binary.
        exe_mode: Option<u32>,
        /// Real user id.
        uid: Option<u32>,
        /// Real group id.
        gid: Option<u32>,
        /// Container id.
        container_id: Option<String>,
        /// Exit of the last thread, or of the thread: ns since the Unix epoch.
        exit_ns: Option<u64>,
        /// Exit of the leader: ns since the Unix epoch.
        leader_exit_ns: Option<u64>,
        /// Latest exit of a thread so far: ns since the Unix epoch.
        last_exit_ns: Option<u64>,
        /// Status given to `exit`.
        exit_code: Option<i32>,
        /// Signal that killed it.
        exit_signal: Option<i32>,
        /// The kernel said that no thread was left.
        exit_complete: bool,
    }
}

const PROCESS: &str = "process";
const THREAD: &str = "thread";
const PROCESS_ID: &str = "process id";
const THREAD_ID: &str = "thread id";
const CHILD: &str = "child";

/// Numbers that stand for processes or threads in a keyframe.
type Numbers = HashMap<Index, u32>;

impl ProcessStore {
    pub(super) fn to_keyframe(&self) -> RecordBatch {
        let threads = self.present_threads();
        let (processes, thread_numbers) = (numbers(&self.present), numbers(&threads));
        let mut pieces: Vec<_> = self
            .present
            .iter()
            .map(|index| self.process_piece(*index, &processes))
            .collect();
        pieces.extend(threads.iter().map(|index| self.thread_piece(*index, &processes)));
        let ids = other_ids(&self.by_id, |index| self.table.facts(index).id);
        pieces.extend(ids.into_iter().map(|(id, index)| Piece {
            kind: PROCESS_ID.to_owned(),
            id: Some(id),
            process: processes.get(&index).copied(),
            ..Piece::default()
        }));
        let ids = other_ids(&self.threads.by_id, |index| self.threads.get(index).id);
        pieces.extend(ids.into_iter().map(|(id, index)| Piece {
            kind: THREAD_ID.to_owned(),
            id: Some(id),
            thread: thread_numbers.get(&index).copied(),
            ..Piece::default()
        }));
        for parent in &self.present {
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
        let heads = self
            .present
            .iter()
            .map(|process| self.table.get(*process).threads);
        let mut threads: Vec<_> = heads
            .flat_map(|head| self.table.threads.back(head))
            .map(|entry| entry.value)
            .filter(|thread| self.threads.get(*thread).forgotten == NEVER)
            .collect();
        threads.sort_unstable();
        threads
    }

    /// Present children that do not name the process as parent by now.
    fn other_children(&self, parent: Index) -> Vec<Index> {
        let children = self.table.children.back(self.table.get(parent).children);
        let mut children: Vec<_> = children
            .map(|entry| entry.value)
            .filter(|child| {
                let facts = self.table.facts(*child);
                facts != Facts::default() && facts.parent != Some(parent) && facts.adopted_by != Some(parent)
            })
            .collect();
        children.sort_unstable();
        children.dedup();
        children
    }

    fn process_piece(&self, index: Index, numbers: &Numbers) -> Piece {
        let (process, facts) = (self.table.get(index), self.table.facts(index));
        let text = |text| Some(self.table.texts.get(text).to_owned()).filter(|text| !text.is_empty());
        let number = |index: Index| numbers.get(&index).copied();
        let file = facts.image.file;
        Piece {
            kind: PROCESS.to_owned(),
            id: Some(facts.id),
            host_pid: Some(facts.host_pid),
            pid: facts.pid,
            host_ppid: facts.host_ppid,
            ppid: facts.ppid,
            parent: facts.parent.and_then(number),
            adopted_by: facts.adopted_by.and_then(number),
            start_ns: facts.start_ns,
            coarse: facts.coarse,
            by_start: self.coarse.get(&facts.host_pid) == Some(&index),
            by_id: self.by_id.now(facts.id) == [index],
            by_host_pid: self.by_pid.now(facts.host_pid) == [index],
            inferred: facts.inferred,
            time_ns: self
                .table
                .versions
                .get(process.versions)
                .map_or(0, |entry| entry.value.time_ns()),
            name: text(facts.name),
            exec_name: text(facts.image.exec_name),
            exe: text(facts.image.path),
            exe_dev: file.map(|file| file.dev),
            exe_inode: file.map(|file| file.inode),
            exe_ctime_ns: file.map(|file| file.ctime_ns),
            exe_mode: file.map(|file| file.mode),
            uid: facts.setting.uid,
            gid: facts.setting.gid,
            container_id: text(facts.setting.container),
            exit_ns: facts.exit.ns,
            leader_exit_ns: facts.exit.leader_ns,
            last_exit_ns: Some(process.last_exit_ns),
            exit_code: facts.exit.code,
            exit_signal: facts.exit.signal,
            exit_complete: facts.exit.complete,
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
            by_id: self.threads.by_id.now(thread.id) == [index],
            name: Some(self.table.texts.get(thread.name).to_owned()),
            exit_ns: thread.exited().then_some(thread.exit_ns),
            ..Piece::default()
        }
    }

    pub(super) fn take_keyframe(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        let now = Now { seq, time_ns: 0 };
        let pieces = Piece::from_batch(rows)?;
        let count = |kind| pieces.iter().filter(|piece| piece.kind == kind).count();
        let sizes = Sizes {
            processes: count(PROCESS),
            threads: count(THREAD),
        };
        for kind in [PROCESS, THREAD, PROCESS_ID, THREAD_ID, CHILD] {
            for (row, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.kind == kind) {
                let place = Place { sizes, row };
                match kind {
                    PROCESS => self.take_process(now, piece, place)?,
                    THREAD => self.take_thread(now, piece, place)?,
                    PROCESS_ID => {
                        let index = place.process("process", piece.process)?;
                        let id = place.given("id", piece.id)?;
                        let table = &self.table;
                        self.by_id.add(id, seq, index, |index| table.since(index));
                        if table.facts(index).id != id {
                            self.aliases.push((id, index));
                        }
                    }
                    THREAD_ID => {
                        let index = place.thread(piece.thread)?;
                        let id = place.given("id", piece.id)?;
                        let threads = &self.threads.threads;
                        self.threads
                            .by_id
                            .add(id, seq, index, |index| threads[index.position()].since);
                        if threads[index.position()].id != id {
                            self.threads.aliases.push((id, index));
                        }
                    }
                    _ => {
                        let parent = place.process("process", piece.process)?;
                        let child = place.process("child", piece.child)?;
                        self.table.add_child(now, parent, child);
                    }
                }
            }
        }
        match pieces.iter().enumerate().find(|(_, piece)| {
            ![PROCESS, THREAD, PROCESS_ID, THREAD_ID, CHILD].contains(&piece.kind.as_str())
        }) {
            Some((row, piece)) => Err(wrong(
                row,
                "kind",
                &piece.kind,
                "this version knows no such kind of row",
            )),
            None => {
                self.link_children(now);
                Ok(())
            }
        }
    }

    fn take_process(&mut self, now: Now, piece: &Piece, place: Place) -> Result<(), RowsError> {
        let other = |column, number: Option<u32>| {
            number
                .map(|number| place.process(column, Some(number)))
                .transpose()
        };
        let texts = &mut self.table.texts;
        let mut text = |text: &Option<String>| texts.number(text.as_deref().unwrap_or_default());
        let file = piece.exe_inode.map(|inode| ExecutableFile {
            dev: piece.exe_dev.unwrap_or_default(),
            inode,
            ctime_ns: piece.exe_ctime_ns.unwrap_or_default(),
            mode: piece.exe_mode.unwrap_or_default(),
        });
        let facts = Facts {
            id: place.given("id", piece.id)?,
            host_pid: piece.host_pid.unwrap_or_default(),
            pid: piece.pid,
            host_ppid: piece.host_ppid,
            ppid: piece.ppid,
            parent: other("parent", piece.parent)?,
            adopted_by: other("adopted_by", piece.adopted_by)?,
            start_ns: piece.start_ns,
            coarse: piece.coarse,
            inferred: piece.inferred,
            name: text(&piece.name),
            image: Image {
                path: text(&piece.exe),
                exec_name: text(&piece.exec_name),
                file,
            },
            setting: Setting {
                uid: piece.uid,
                gid: piece.gid,
                container: text(&piece.container_id),
            },
            exit: Exit {
                ns: piece.exit_ns,
                leader_ns: piece.leader_exit_ns,
                code: piece.exit_code,
                signal: piece.exit_signal,
                complete: piece.exit_complete,
            },
        };
        let learned = Now {
            time_ns: piece.time_ns,
            ..now
        };
        let index = self.table.add(learned, &facts);
        self.table.get_mut(index).last_exit_ns = piece.last_exit_ns.unwrap_or_default();
        self.present.push(index);
        let table = &self.table;
        if piece.by_id {
            self.by_id
                .add(facts.id, now.seq, index, |index| table.since(index));
        }
        if piece.by_host_pid {
            self.by_pid
                .replace(facts.host_pid, now.seq, index, |index| table.since(index));
        }
        if piece.by_start {
            self.coarse.insert(facts.host_pid, index);
        }
        Ok(())
    }

    fn take_thread(&mut self, now: Now, piece: &Piece, place: Place) -> Result<(), RowsError> {
        let process = place.process("process", piece.process)?;
        let name = self.table.texts.number(piece.name.as_deref().unwrap_or_default());
        let thread = Thread {
            id: place.given("id", piece.id)?,
            host_tid: piece.host_pid.unwrap_or_default(),
            tid: piece.pid.into(),
            process,
            name,
            start_ns: piece.start_ns.unwrap_or_default(),
            coarse: piece.coarse,
            since: now.seq,
            exit_ns: piece.exit_ns.unwrap_or_default(),
            exit_seq: if piece.exit_ns.is_some() { now.seq } else { NEVER },
            forgotten: NEVER,
        };
        let index = self.threads.insert(thread, piece.by_id, piece.by_start);
        self.table.add_thread(now, process, index);
        if !thread.exited() {
            self.table.get_mut(process).live_threads += 1;
        }
        Ok(())
    }

    /// Children are told by naming their parents.
    fn link_children(&mut self, now: Now) {
        for child in self.present.clone() {
            let facts = self.table.facts(child);
            for parent in facts.parent.into_iter().chain(facts.adopted_by) {
                self.table.add_child(now, parent, child);
            }
        }
    }
}

/// What does not go without saying: ids that have several bearers, or that are not the bearer's own.
fn other_ids(directory: &Directory, own: impl Fn(Index) -> u32) -> Vec<(u32, Index)> {
    let listed = directory.list().into_iter();
    let others = listed.filter(|(id, bearers)| !matches!(bearers, [one] if own(*one) == *id));
    others
        .flat_map(|(id, bearers)| bearers.iter().map(move |index| (id, *index)))
        .collect()
}

fn numbers(indexes: &[Index]) -> Numbers {
    indexes.iter().copied().zip(0..).collect()
}

/// How many processes and threads the rows tell of.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    processes: usize,
    threads: usize,
}

/// Where something is read.
#[derive(Clone, Copy, Debug)]
struct Place {
    sizes: Sizes,
    row: usize,
}

impl Place {
    fn process(self, column: &'static str, number: Option<u32>) -> Result<Index, RowsError> {
        self.one_of(column, number, self.sizes.processes, "processes")
    }

    fn thread(self, number: Option<u32>) -> Result<Index, RowsError> {
        self.one_of("thread", number, self.sizes.threads, "threads")
    }

    fn one_of(
        self,
        column: &'static str,
        number: Option<u32>,
        count: usize,
        what: &str,
    ) -> Result<Index, RowsError> {
        let number = self.given(column, number)?;
        match usize::try_from(number) {
            Ok(position) if position < count => Ok(Index::at(position)),
            _ => Err(wrong(
                self.row,
                column,
                &number.to_string(),
                &format!("the table has {count} {what}, counted from 0"),
            )),
        }
    }

    fn given(self, column: &'static str, number: Option<u32>) -> Result<u32, RowsError> {
        number.ok_or(RowsError::Null {
            table: Piece::TABLE,
            column,
            row: self.row,
        })
    }
}

fn wrong(row: usize, column: &'static str, value: &str, reason: &str) -> RowsError {
    RowsError::Value {
        table: Piece::TABLE,
        column,
        row,
        value: value.to_owned(),
        reason: reason.to_owned(),
    }
}
