//! Taking up the state that a keyframe holds.

use arrow::array::RecordBatch;
use detectors_api::stores::ExecutableFile;

use super::ProcessStore;
use super::facts::{Exit, Facts, Index, Look, Now, Setting};
use super::keyframe::{CHILD, PROCESS, PROCESS_ID, Piece, Pieces, THREAD, THREAD_ID};
use super::thread::{NEVER, Thread};
use crate::rows::{Row, RowsError};

/// What a row tells of, in the order in which rows are taken: later kinds name processes and threads by their places.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Process,
    Thread,
    ProcessId,
    ThreadId,
    Child,
}

impl Kind {
    const ALL: [(Self, &str); 5] = [
        (Self::Process, PROCESS),
        (Self::Thread, THREAD),
        (Self::ProcessId, PROCESS_ID),
        (Self::ThreadId, THREAD_ID),
        (Self::Child, CHILD),
    ];
}

impl ProcessStore {
    pub(super) fn take_keyframe(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        let now = Now { seq, time_ns: 0 };
        let pieces = Pieces::of(rows)?;
        let kind = |row| {
            let name = pieces.kind.text(row);
            let kind = Kind::ALL.iter().find(|(_, kind)| *kind == name);
            kind.map(|(kind, _)| *kind)
                .ok_or_else(|| wrong(row, "kind", name, "this version knows no such kind of row"))
        };
        let kinds: Vec<_> = (0..rows.num_rows()).map(kind).collect::<Result<_, _>>()?;
        let of = |kind| {
            (0..)
                .zip(&kinds)
                .filter(move |(_, of)| **of == kind)
                .map(|(row, _)| row)
        };
        let sizes = Sizes {
            processes: of(Kind::Process).count(),
            threads: of(Kind::Thread).count(),
        };
        self.make_room(sizes);
        for kind in Kind::ALL.map(|(kind, _)| kind) {
            for row in of(kind) {
                let place = Place { sizes, row };
                match kind {
                    Kind::Process => self.take_process(now, &pieces, place)?,
                    Kind::Thread => self.take_thread(now, &pieces, place)?,
                    Kind::ProcessId => {
                        let index = place.process("process", pieces.process.value(row))?;
                        let id = place.given("id", pieces.id.value(row))?;
                        let table = &self.table;
                        self.by_id.add(id, seq, index, |index| table.since(index));
                        if table.facts(index).id != id {
                            self.aliases.push((id, index));
                        }
                    }
                    Kind::ThreadId => {
                        let index = place.thread(pieces.thread.value(row))?;
                        let id = place.given("id", pieces.id.value(row))?;
                        let threads = &self.threads.threads;
                        self.threads
                            .by_id
                            .add(id, seq, index, |index| threads[index.position()].since);
                        if threads[index.position()].id != id {
                            self.threads.aliases.push((id, index));
                        }
                    }
                    Kind::Child => {
                        let parent = place.process("process", pieces.process.value(row))?;
                        let child = place.process("child", pieces.child.value(row))?;
                        self.table.add_adopted(now, parent, child);
                    }
                }
            }
        }
        self.link_children(now);
        Ok(())
    }

    /// Makes room for as many processes and threads at once. They are no more than there are rows.
    fn make_room(&mut self, sizes: Sizes) {
        self.by_id.make_room(sizes.processes);
        self.by_pid.make_room(sizes.processes);
        self.threads.by_id.make_room(sizes.threads);
    }

    fn take_process(&mut self, now: Now, pieces: &Pieces<'_>, place: Place) -> Result<(), RowsError> {
        let row = place.row;
        let other = |column, number: Option<u32>| {
            number
                .map(|number| place.process(column, Some(number)))
                .transpose()
        };
        let values = &mut self.table.values;
        let texts = &mut values.texts;
        let look = Look {
            name: texts.number(pieces.name.text(row)),
            path: texts.number(pieces.exe.text(row)),
            exec_name: texts.number(pieces.exec_name.text(row)),
            file: pieces.exe_inode.value(row).map(|inode| ExecutableFile {
                dev: pieces.exe_dev.value(row).unwrap_or_default(),
                inode,
                ctime_ns: pieces.exe_ctime_ns.value(row).unwrap_or_default(),
                mode: pieces.exe_mode.value(row).unwrap_or_default(),
            }),
        };
        let setting = Setting {
            uid: pieces.uid.value(row).into(),
            gid: pieces.gid.value(row).into(),
            container: texts.number(pieces.container_id.text(row)),
            adopted_by: other("adopted_by", pieces.adopted_by.value(row))?,
            coarse: pieces.coarse.value(row),
            inferred: pieces.inferred.value(row),
        };
        let exit = Exit {
            ns: pieces.exit_ns.value(row),
            leader_ns: pieces.leader_exit_ns.value(row),
            code: pieces.exit_code.value(row),
            signal: pieces.exit_signal.value(row),
            complete: pieces.exit_complete.value(row),
            presumed: pieces.exit_presumed.value(row).unwrap_or_default(),
        };
        let mut facts = Facts {
            id: place.given("id", pieces.id.value(row))?,
            host_pid: pieces.host_pid.value(row).unwrap_or_default(),
            pid: pieces.pid.value(row).into(),
            host_ppid: pieces.host_ppid.value(row).into(),
            ppid: pieces.ppid.value(row).into(),
            parent: other("parent", pieces.parent.value(row))?,
            start_ns: pieces.start_ns.value(row).unwrap_or_default().into(),
            ..Facts::default()
        };
        values.change_look(&mut facts, |of| *of = look);
        values.change_setting(&mut facts, |of| *of = setting);
        values.change_exit(&mut facts, |of| *of = exit);
        let learned = Now {
            time_ns: pieces.time_ns.value(row),
            ..now
        };
        let index = self.table.add(learned, facts);
        let last_exit_ns = pieces.last_exit_ns.value(row).unwrap_or_default();
        if last_exit_ns != 0 && exit.ns.is_none() {
            self.table.groups.entry(index).or_default().last_exit_ns = last_exit_ns;
        }
        let table = &self.table;
        if pieces.by_id.value(row) {
            self.by_id
                .add(facts.id, now.seq, index, |index| table.since(index));
        }
        if pieces.by_host_pid.value(row) {
            self.by_pid
                .replace(facts.host_pid, now.seq, index, |index| table.since(index));
        }
        if pieces.by_start.value(row) {
            self.coarse.insert(facts.host_pid, index);
        }
        Ok(())
    }

    fn take_thread(&mut self, now: Now, pieces: &Pieces<'_>, place: Place) -> Result<(), RowsError> {
        let row = place.row;
        let process = place.process("process", pieces.process.value(row))?;
        let exit_ns = pieces.exit_ns.value(row);
        let thread = Thread {
            id: place.given("id", pieces.id.value(row))?,
            host_tid: pieces.host_pid.value(row).unwrap_or_default(),
            tid: pieces.pid.value(row).into(),
            process,
            name: self.table.values.texts.number(pieces.name.text(row)),
            start_ns: pieces.start_ns.value(row).unwrap_or_default(),
            coarse: pieces.coarse.value(row),
            since: now.seq,
            exit_ns: exit_ns.unwrap_or_default(),
            exit_seq: exit_ns.map_or(NEVER, |_| now.seq),
            forgotten: NEVER,
        };
        let (by_id, by_start) = (pieces.by_id.value(row), pieces.by_start.value(row));
        let index = self.threads.insert(thread, by_id, by_start);
        self.table.add_thread(now, process, index, !thread.exited());
        Ok(())
    }

    /// Children are told by naming their parents.
    fn link_children(&mut self, now: Now) {
        for child in (0..self.table.processes.len()).map(Index::at) {
            let facts = self.table.facts(child);
            let (parent, adopted_by) = (facts.parent, self.table.values.setting(facts).adopted_by);
            if let Some(parent) = parent {
                self.table.add_child(parent, child);
            }
            if let Some(adopter) = adopted_by {
                self.table.add_adopted(now, adopter, child);
            }
        }
    }
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
