//! Who was there in a capture: whom its events name, and whom the recorder knew of besides.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, TimestampNanosecondType, UInt32Type};
use capture::CaptureReader;
use detectors_api::event::{self, Contexts, timestamp_ns};
use detectors_api::proto::Workload;
use detectors_api::stores::ProcessInfo;

use crate::Error;

/// Somebody, as events or stores have them. What is absent is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Actor<'a> {
    pub(super) entity_id: Option<u32>,
    pub(super) host_pid: Option<u32>,
    pub(super) pid: Option<u32>,
    pub(super) host_tid: Option<u32>,
    /// Name of the thread.
    pub(super) comm: &'a str,
    /// Start of the thread: ns since the Unix epoch.
    pub(super) start_ns: Option<i64>,
    pub(super) parent_entity_id: Option<u32>,
    pub(super) parent_host_pid: Option<u32>,
    pub(super) container_id: &'a str,
    pub(super) container_name: &'a str,
}

/// Calls `see` with everybody in the capture; the same one may come many times. Processes that neither did anything nor have a
/// descendant that did may be missing: no event is theirs.
pub(super) fn each(reader: &CaptureReader, mut see: impl FnMut(&Actor<'_>)) -> Result<(), Error> {
    told(reader, &mut see)?;
    for segment in reader.segments() {
        let contexts = reader.contexts(segment.number)?;
        for batch in contexts.batches() {
            let columns = Columns::new(batch);
            for row in 0..batch.num_rows() {
                match columns.workload(&contexts, row) {
                    Some(workload) => see(&Actor::of(&workload)),
                    None => see(&columns.actor(row)),
                }
            }
        }
    }
    Ok(())
}

/// What the recorder told beside the events: the processes and containers that were there when it began, and what container
/// runtimes said.
fn told(reader: &CaptureReader, see: &mut impl FnMut(&Actor<'_>)) -> Result<(), Error> {
    let first = reader.manifest().seq.map_or(0, |seq| seq.first);
    let mut stores = reader.stores(first)?;
    stores.advance(&[], u64::MAX)?;
    for machine in stores.machines() {
        for process in machine.processes().at(u64::MAX, 0).all() {
            see(&Actor::from(process));
        }
        for container in machine.containers().at(u64::MAX, 0).all() {
            see(&Actor {
                container_id: container.id,
                container_name: container.name,
                ..Actor::default()
            });
        }
    }
    Ok(())
}

impl<'a> From<ProcessInfo<'a>> for Actor<'a> {
    fn from(process: ProcessInfo<'a>) -> Self {
        Self {
            entity_id: Some(process.entity_id),
            host_pid: Some(process.host_pid),
            pid: process.pid,
            host_tid: Some(process.host_pid),
            comm: process.name,
            start_ns: process.start_ns.and_then(|ns| i64::try_from(ns).ok()),
            parent_entity_id: process.parent_entity_id,
            parent_host_pid: process.host_ppid,
            container_id: process.container_id,
            container_name: "",
        }
    }
}

impl<'a> Actor<'a> {
    fn of(workload: &'a Workload) -> Self {
        let (process, container) = (workload.process.as_ref(), workload.container.as_ref());
        let thread = process.and_then(|process| process.thread.as_ref());
        let parent = process.and_then(|process| process.ancestors.first());
        let start = thread.and_then(|thread| thread.start_time.as_ref());
        Self {
            entity_id: process.and_then(|process| process.unique_id),
            host_pid: process.and_then(|process| process.host_pid),
            pid: process.and_then(|process| process.pid),
            host_tid: thread.and_then(|thread| thread.host_tid),
            comm: thread.map(|thread| thread.name.as_str()).unwrap_or_default(),
            start_ns: start.and_then(timestamp_ns),
            parent_entity_id: parent.and_then(|parent| parent.unique_id),
            parent_host_pid: parent.and_then(|parent| parent.host_pid),
            container_id: container
                .map(|container| container.id.as_str())
                .unwrap_or_default(),
            container_name: container
                .map(|container| container.name.as_str())
                .unwrap_or_default(),
        }
    }
}

type Numbers<'a> = Option<&'a PrimitiveArray<UInt32Type>>;
type Texts<'a> = Option<&'a ArrayRef>;

/// The columns of a stretch of the process-context table.
struct Columns<'a> {
    batch: &'a RecordBatch,
    ctx: Numbers<'a>,
    entity_id: Numbers<'a>,
    host_pid: Numbers<'a>,
    pid: Numbers<'a>,
    host_tid: Numbers<'a>,
    comm: Texts<'a>,
    start: Option<&'a PrimitiveArray<TimestampNanosecondType>>,
    parent_entity_id: Numbers<'a>,
    parent_host_pid: Numbers<'a>,
    container_id: Texts<'a>,
    container_name: Texts<'a>,
}

impl<'a> Columns<'a> {
    fn new(batch: &'a RecordBatch) -> Self {
        let column = |name| batch.column_by_name(name);
        let numbers = |name| column(name).and_then(|column| column.as_primitive_opt());
        Self {
            batch,
            ctx: numbers("ctx"),
            entity_id: numbers("process_id"),
            host_pid: numbers("host_pid"),
            pid: numbers("pid"),
            host_tid: numbers("host_tid"),
            comm: column("comm"),
            start: column("start_time").and_then(|column| column.as_primitive_opt()),
            parent_entity_id: numbers("parent_id"),
            parent_host_pid: numbers("parent_host_pid"),
            container_id: column("container_id"),
            container_name: column("container_name"),
        }
    }

    /// The workload, where the columns are not the whole truth.
    fn workload(&self, contexts: &Contexts, row: usize) -> Option<Workload> {
        let extra = self.batch.column_by_name("_extra")?;
        if extra.is_null(row) {
            return None;
        }
        contexts.get(number(self.ctx, row)?)?.workload
    }

    fn actor(&self, row: usize) -> Actor<'a> {
        Actor {
            entity_id: number(self.entity_id, row),
            host_pid: number(self.host_pid, row),
            pid: number(self.pid, row),
            host_tid: number(self.host_tid, row),
            comm: text(self.comm, row),
            start_ns: number(self.start, row),
            parent_entity_id: number(self.parent_entity_id, row),
            parent_host_pid: number(self.parent_host_pid, row),
            container_id: text(self.container_id, row),
            container_name: text(self.container_name, row),
        }
    }
}

fn number<T: ArrowPrimitiveType>(column: Option<&PrimitiveArray<T>>, row: usize) -> Option<T::Native> {
    let column = column?;
    column.is_valid(row).then(|| column.value(row))
}

fn text<'a>(column: Texts<'a>, row: usize) -> &'a str {
    column
        .and_then(|column| event::text(column, row))
        .unwrap_or_default()
}
