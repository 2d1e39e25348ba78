//! Processes: as they were last known, and every version of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ListArray, ListBuilder, RecordBatch, StringBuilder};
use capture::CaptureReader;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use detectors_api::event::TextList;
use detectors_api::stores::ProcessInfo;
use detectors_stores::Stores;
use detectors_stores::process::Version;

use super::mentions::{self, contexts, fill_process};
use crate::facts::Facts;
use crate::made::made;
use crate::scan::from_capture;
use crate::table::Named;

/// What is told about a process.
pub(crate) fn process_facts<'r, 'a: 'r, T>(
    facts: Facts<'r, T>,
    of: impl Fn(&'r T) -> &'r ProcessInfo<'a> + Copy,
) -> Facts<'r, T> {
    let file = move |thing| of(thing).exe_file;
    facts
        .u32("process_id", |thing| Some(of(thing).entity_id))
        .u32("host_pid", |thing| {
            Some(of(thing).host_pid).filter(|pid| *pid != 0)
        })
        .u32("pid", |thing| of(thing).pid)
        .u32("parent_id", |thing| of(thing).parent_entity_id)
        .u32("adopted_by", |thing| of(thing).adopted_by)
        .u32("parent_host_pid", |thing| of(thing).host_ppid)
        .u32("parent_pid", |thing| of(thing).ppid)
        .time("start_time", |thing| of(thing).start_ns)
        .time("exit_time", |thing| of(thing).exit_ns)
        .time("leader_exit_time", |thing| of(thing).leader_exit_ns)
        .i32("exit_code", |thing| of(thing).exit_code)
        .i32("exit_signal", |thing| of(thing).exit_signal)
        .text("exe", |thing| of(thing).exe)
        .u32("exe_dev", |thing| Some(file(thing)?.dev))
        .u64("exe_inode", |thing| Some(file(thing)?.inode))
        .time("exe_ctime", |thing| Some(file(thing)?.ctime_ns))
        .u32("exe_mode", |thing| Some(file(thing)?.mode))
        .text("exec_name", |thing| of(thing).exec_name)
        .text("comm", |thing| of(thing).name)
        .u32("uid", |thing| of(thing).uid)
        .u32("gid", |thing| of(thing).gid)
        .text("container_id", |thing| of(thing).container_id)
        .flag("inferred", |thing| Some(of(thing).inferred))
}

/// Every version of every process.
pub(super) fn versions(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &version_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let machines = stores.machines().iter();
        rows.add_all(
            machines.flat_map(|machine| machine.processes().history()),
            version_facts,
        )
    })
}

fn version_facts<'r, 'a>(versions: &'r [Version<'a>]) -> Facts<'r, Version<'a>> {
    let facts = Facts::about(versions)
        .u64("from_seq", |version| Some(version.from_seq))
        .u64("until_seq", |version| version.until_seq);
    process_facts(facts, |version| &version.process)
}

/// Every process that is mentioned, once.
pub(super) fn processes(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &known_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let contexts = contexts(&capture.reader)?;
        let processes = Processes::of(&stores, &contexts, &capture.reader)?;
        rows.add_all(processes.all, known_facts)
    })
}

fn known_facts<'r, 'a>(processes: &'r [Known<'a>]) -> Facts<'r, Known<'a>> {
    let facts = process_facts(Facts::about(processes), |known| &known.process);
    life_facts(facts, |known| known)
}

/// What is told about the whole life of a process.
pub(super) fn life_facts<'r, 'a: 'r, T>(
    facts: Facts<'r, T>,
    of: impl Fn(&'r T) -> &'r Known<'a> + Copy,
) -> Facts<'r, T> {
    let argv = facts.things().iter().map(|thing| of(thing).argv.as_deref());
    let argv = argv_column(argv);
    facts
        .with("argv", argv)
        .u64("first_seq", |thing| Some(of(thing).seqs?.0))
        .u64("last_seq", |thing| Some(of(thing).seqs?.1))
}

fn argv_column<'a>(all: impl Iterator<Item = Option<&'a [String]>>) -> ListArray {
    let mut column = ListBuilder::new(StringBuilder::new());
    for argv in all {
        match argv {
            Some(words) => column.append_value(words.iter().map(Some)),
            None => column.append_null(),
        }
    }
    column.finish()
}

/// A process as it was last known.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) process: ProcessInfo<'a>,
    /// The events that first and last changed what the process store knows of it; `None` if the store does not know it.
    pub(super) seqs: Option<(u64, u64)>,
    /// The command line of its last exec.
    argv: Option<Vec<String>>,
}

/// The processes that a capture mentions, in the order of their start; those of which it is not known come first.
///
/// What the process store does not know is filled in from the process contexts of events, where they tell it.
#[derive(Debug)]
pub(super) struct Processes<'a> {
    pub(super) all: Vec<Known<'a>>,
    /// Entity id → positions in `all`, in the order in which the id came to mean them.
    by_id: HashMap<u32, Vec<usize>>,
}

impl<'a> Processes<'a> {
    pub(super) fn of(
        stores: &'a Stores,
        contexts: &'a [RecordBatch],
        reader: &CaptureReader,
    ) -> Result<Self> {
        let mut processes = Self {
            all: last_versions(stores),
            by_id: HashMap::new(),
        };
        processes.sort();
        processes.add_mentions(mentions::processes(contexts));
        processes.sort();
        processes.add_arguments(reader)?;
        Ok(processes)
    }

    /// The process that `id` meant as of event `seq`; the first one, if it came to mean something later.
    pub(super) fn position(&self, id: u32, seq: u64) -> Option<usize> {
        let positions = self.by_id.get(&id)?;
        let after = positions
            .partition_point(|position| self.all[*position].seqs.is_none_or(|(first, _)| first <= seq));
        positions.get(after.saturating_sub(1)).copied()
    }

    fn sort(&mut self) {
        self.all
            .sort_by_key(|known| (known.process.start_ns, known.process.entity_id, known.seqs));
        self.by_id.clear();
        for (position, known) in self.all.iter().enumerate() {
            self.by_id
                .entry(known.process.entity_id)
                .or_default()
                .push(position);
        }
        for positions in self.by_id.values_mut() {
            positions.sort_by_key(|position| self.all[*position].seqs);
        }
    }

    fn add_mentions(&mut self, mentions: BTreeMap<u32, ProcessInfo<'a>>) {
        for (id, process) in mentions {
            match self.position(id, u64::MAX) {
                Some(position) => fill_process(&mut self.all[position].process, &process),
                None => self.all.push(Known {
                    process,
                    seqs: None,
                    argv: None,
                }),
            }
        }
    }

    fn add_arguments(&mut self, reader: &CaptureReader) -> Result<()> {
        let execs = reader.scan("sched_process_exec");
        let execs = execs.columns(["ctx", "argv"]).map_err(from_capture)?;
        for batch in execs.batches().map_err(from_capture)? {
            for event in batch.map_err(from_capture)?.events() {
                let process = event.process().entity_id();
                let position = process.and_then(|id| self.position(id, event.seq()));
                if let (Some(position), Some(argv)) = (position, event.get::<TextList<'_>>("argv")) {
                    self.all[position].argv = Some(argv.iter().map(str::to_owned).collect());
                }
            }
        }
        Ok(())
    }
}

/// The last version of each process that the store knows.
fn last_versions(stores: &Stores) -> Vec<Known<'_>> {
    let mut all: Vec<Known<'_>> = Vec::new();
    let mut incarnation = None;
    let machines = stores.machines().iter().zip(0..);
    let versions = machines.flat_map(|(machine, number)| {
        let history = machine.processes().history();
        history.map(move |version| (number, version))
    });
    for (machine, version) in versions {
        let now = Some((machine, version.incarnation));
        let same = incarnation == now;
        incarnation = now;
        let earlier = all.pop_if(|_| same).and_then(|earlier| earlier.seqs);
        let first = earlier.map_or(version.from_seq, |(first, _)| first);
        all.push(Known {
            process: version.process,
            seqs: Some((first, version.from_seq)),
            argv: None,
        });
    }
    all
}
