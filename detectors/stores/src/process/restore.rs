//! Taking up the state that a keyframe holds.

use arrow::array::RecordBatch;
use detectors_api::stores::ExecutableFile;

use super::ProcessStore;
use super::facts::{Exit, Facts, Index, Look, Now, Setting};
use super::keyframe::{CHILD, PROCESS, PROCESS_ID, Piece, THREAD, THREAD_ID};
use super::thread::{NEVER, Thread};
use crate::rows::{Row, RowsError};

impl ProcessStore {
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
                        self.table.add_adopted(now, parent, child);
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
        let values = &mut self.table.values;
        let mut text = |text: &Option<String>| values.texts.number(text.as_deref().unwrap_or_default());
        let look = Look {
            name: text(&piece.name),
            path: text(&piece.exe),
            exec_name: text(&piece.exec_name),
            file: piece.exe_inode.map(|inode| ExecutableFile {
                dev: piece.exe_dev.unwrap_or_default(),
                inode,
                ctime_ns: piece.exe_ctime_ns.unwrap_or_default(),
                mode: piece.exe_mode.unwrap_or_default(),
            }),
        };
        let setting = Setting {
            uid: piece.uid.into(),
            gid: piece.gid.into(),
            container: text(&piece.container_id),
            adopted_by: other("adopted_by", piece.adopted_by)?,
            coarse: piece.coarse,
            inferred: piece.inferred,
        };
        let exit = Exit {
            ns: piece.exit_ns,
            leader_ns: piece.leader_exit_ns,
            code: piece.exit_code,
            signal: piece.exit_signal,
            complete: piece.exit_complete,
            presumed: piece.exit_presumed.unwrap_or_default(),
        };
        let mut facts = Facts {
            id: place.given("id", piece.id)?,
            host_pid: piece.host_pid.unwrap_or_default(),
            pid: piece.pid.into(),
            host_ppid: piece.host_ppid.into(),
            ppid: piece.ppid.into(),
            parent: other("parent", piece.parent)?,
            start_ns: piece.start_ns.unwrap_or_default().into(),
            ..Facts::default()
        };
        values.change_look(&mut facts, |of| *of = look);
        values.change_setting(&mut facts, |of| *of = setting);
        values.change_exit(&mut facts, |of| *of = exit);
        let learned = Now {
            time_ns: piece.time_ns,
            ..now
        };
        let index = self.table.add(learned, facts);
        let last_exit_ns = piece.last_exit_ns.unwrap_or_default();
        if last_exit_ns != 0 && exit.ns.is_none() {
            self.table.groups.entry(index).or_default().last_exit_ns = last_exit_ns;
        }
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
        let name = self
            .table
            .values
            .texts
            .number(piece.name.as_deref().unwrap_or_default());
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
