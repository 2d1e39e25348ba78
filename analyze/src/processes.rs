//! The `processes` table: one row for each process that a capture mentions.
//!
//! What is known comes from the snapshot at the start, from the process contexts of events, and from fork, exec and exit
//! events. A process is named by its entity id. Executable, comm and command line are the last ones seen.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::PrimitiveArray;
use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampNanosecondArray, UInt32Array,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Schema, TimestampNanosecondType};
use capture::CaptureReader;
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use detectors_api::columns::timestamp_type;
use detectors_api::entity::entity_id;
use detectors_api::event::{Event, TextList};
use detectors_api::stores::Store;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;

use crate::other::made;
use crate::scan::from_capture;
use crate::table::Named;

/// What is known about a process. Times are ns since the Unix epoch.
#[derive(Clone, Debug, Default)]
struct Process {
    host_pid: Option<u32>,
    pid: Option<u32>,
    parent_id: Option<u32>,
    parent_host_pid: Option<u32>,
    start: Option<i64>,
    exit: Option<i64>,
    exit_code: Option<i32>,
    exe: Option<String>,
    comm: Option<String>,
    argv: Option<Vec<String>>,
    uid: Option<u32>,
    container_id: Option<String>,
}

#[derive(Debug, Default)]
struct Processes(BTreeMap<u32, Process>);

pub(crate) fn processes(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &schema(), |reader| {
        let mut processes = Processes::default();
        processes.read_snapshot(reader)?;
        processes.read_forks(reader)?;
        processes.read_contexts(reader)?;
        processes.read_execs(reader)?;
        processes.read_exits(reader)?;
        Ok(Box::new(std::iter::once(processes.into_rows())))
    })
}

fn schema() -> Schema {
    let column = |name, data_type| Field::new(name, data_type, true);
    Schema::new(vec![
        Field::new("process_id", DataType::UInt32, false),
        column("host_pid", DataType::UInt32),
        column("pid", DataType::UInt32),
        column("parent_id", DataType::UInt32),
        column("parent_host_pid", DataType::UInt32),
        column("start_time", timestamp_type()),
        column("exit_time", timestamp_type()),
        column("exit_code", DataType::Int32),
        column("exe", DataType::Utf8),
        column("comm", DataType::Utf8),
        column(
            "argv",
            DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        ),
        column("uid", DataType::UInt32),
        column("container_id", DataType::Utf8),
    ])
}

impl Processes {
    fn get(&mut self, id: u32) -> &mut Process {
        match self.0.entry(id) {
            Entry::Vacant(entry) => entry.insert(Process::default()),
            Entry::Occupied(entry) => entry.into_mut(),
        }
    }

    fn read_snapshot(&mut self, reader: &CaptureReader) -> Result<()> {
        for input in reader.inputs(Store::Process.name()).map_err(from_capture)? {
            let tasks = TaskSnapshot::from_batch(&input.rows)
                .map_err(|error| DataFusionError::External(Box::new(error)))?;
            for task in tasks.iter().filter(|task| task.host_tid == task.host_pid) {
                self.add_task(task);
            }
        }
        Ok(())
    }

    fn add_task(&mut self, task: &TaskSnapshot) {
        let parent_known = task.host_ppid != 0 && task.parent_start_ns != 0;
        let process = self.get(entity_id(task.host_pid, task.start_ns));
        process.host_pid = Some(task.host_pid);
        process.pid = Some(task.pid);
        process.parent_host_pid = Some(task.host_ppid);
        process.parent_id = parent_known.then(|| entity_id(task.host_ppid, task.parent_start_ns));
        process.start = i64::try_from(task.start_ns).ok();
        process.exe = non_empty(&task.exe);
        process.comm = non_empty(&task.comm);
        process.uid = Some(task.uid);
    }

    fn read_forks(&mut self, reader: &CaptureReader) -> Result<()> {
        each(reader, "sched_process_fork", |event| {
            let number = |field| event.get::<u32>(field).filter(|number| *number != 0);
            let start = |field| event.get::<u64>(field).filter(|ns| *ns != 0);
            let (Some(tid), Some(pid), Some(started)) =
                (number("child_tid"), number("child_pid"), start("start_time"))
            else {
                return;
            };
            if tid != pid {
                return;
            }
            let parent_pid = number("parent_process_pid");
            let parent_id = parent_pid
                .zip(start("parent_process_start_time"))
                .map(|(pid, start)| entity_id(pid, start))
                .or_else(|| event.process().entity_id());
            let process = self.get(entity_id(tid, started));
            process.host_pid = Some(pid);
            process.pid = number("child_ns_pid").or(process.pid);
            process.parent_id = parent_id.or(process.parent_id);
            process.parent_host_pid = parent_pid.or(process.parent_host_pid);
            process.start = i64::try_from(started).ok().or(process.start);
        })
    }

    fn read_contexts(&mut self, reader: &CaptureReader) -> Result<()> {
        for segment in reader.segments() {
            for batch in reader.contexts(segment.number).map_err(from_capture)?.batches() {
                self.read_context_rows(batch);
            }
        }
        Ok(())
    }

    fn read_context_rows(&mut self, batch: &RecordBatch) {
        let numbers = |name: &str| -> Option<&UInt32Array> { batch.column_by_name(name)?.as_primitive_opt() };
        let texts = |name: &str| -> Option<&StringArray> { batch.column_by_name(name)?.as_string_opt() };
        let starts: Option<&TimestampNanosecondArray> = batch
            .column_by_name("start_time")
            .and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let columns = Contexts {
            process_id: numbers("process_id"),
            host_pid: numbers("host_pid"),
            pid: numbers("pid"),
            host_tid: numbers("host_tid"),
            parent_id: numbers("parent_id"),
            parent_host_pid: numbers("parent_host_pid"),
            uid: numbers("uid"),
            exe: texts("exe"),
            comm: texts("comm"),
            container_id: texts("container_id"),
        };
        for row in 0..batch.num_rows() {
            let Some(id) = value(columns.process_id, row) else {
                continue;
            };
            let host_pid = value(columns.host_pid, row);
            let leader = host_pid.is_some() && host_pid == value(columns.host_tid, row);
            let process = self.get(id);
            process.host_pid = host_pid.or(process.host_pid);
            process.pid = value(columns.pid, row).or(process.pid);
            process.parent_id = process.parent_id.or(value(columns.parent_id, row));
            process.parent_host_pid = process.parent_host_pid.or(value(columns.parent_host_pid, row));
            process.uid = value(columns.uid, row).or(process.uid);
            process.exe = text(columns.exe, row).or(process.exe.take());
            process.container_id = text(columns.container_id, row).or(process.container_id.take());
            if leader {
                process.comm = text(columns.comm, row).or(process.comm.take());
                process.start = process
                    .start
                    .or(starts.and_then(|starts| value(Some(starts), row)));
            }
        }
    }

    fn read_execs(&mut self, reader: &CaptureReader) -> Result<()> {
        each(reader, "sched_process_exec", |event| {
            let Some(id) = event.process().entity_id() else {
                return;
            };
            let argv = event
                .get::<TextList<'_>>("argv")
                .map(|argv| argv.iter().map(str::to_owned).collect());
            let exe = event.get::<String>("pathname").filter(|path| !path.is_empty());
            let process = self.get(id);
            process.argv = argv.or(process.argv.take());
            process.exe = exe.or(process.exe.take());
        })
    }

    fn read_exits(&mut self, reader: &CaptureReader) -> Result<()> {
        each(reader, "sched_process_exit", |event| {
            let Some(id) = event.process().entity_id() else {
                return;
            };
            let leader = event.thread().host_tid() == event.process().host_pid();
            if leader || event.get::<bool>("process_group_exit") == Some(true) {
                let process = self.get(id);
                process.exit = event.timestamp_ns().or(process.exit);
                process.exit_code = event.get("exit_code").or(process.exit_code);
            }
        })
    }

    /// In the order of their start; those of which it is not known come first.
    fn into_rows(self) -> Result<RecordBatch> {
        let mut rows: Vec<_> = self.0.into_iter().collect();
        rows.sort_by_key(|(id, process)| (process.start, *id));
        let numbers = |of: fn(&Process) -> Option<u32>| -> ArrayRef {
            Arc::new(
                rows.iter()
                    .map(|(_, process)| of(process))
                    .collect::<UInt32Array>(),
            )
        };
        let times = |of: fn(&Process) -> Option<i64>| -> ArrayRef {
            let times: TimestampNanosecondArray = rows.iter().map(|(_, process)| of(process)).collect();
            Arc::new(times.with_timezone("UTC"))
        };
        let texts = |of: fn(&Process) -> Option<&str>| -> ArrayRef {
            Arc::new(
                rows.iter()
                    .map(|(_, process)| of(process))
                    .collect::<StringArray>(),
            )
        };
        let mut argv = ListBuilder::new(StringBuilder::new());
        for (_, process) in &rows {
            match &process.argv {
                Some(words) => argv.append_value(words.iter().map(Some)),
                None => argv.append_null(),
            }
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|(id, _)| *id))),
            numbers(|process| process.host_pid),
            numbers(|process| process.pid),
            numbers(|process| process.parent_id),
            numbers(|process| process.parent_host_pid),
            times(|process| process.start),
            times(|process| process.exit),
            Arc::new(
                rows.iter()
                    .map(|(_, process)| process.exit_code)
                    .collect::<Int32Array>(),
            ),
            texts(|process| process.exe.as_deref()),
            texts(|process| process.comm.as_deref()),
            Arc::new(argv.finish()),
            numbers(|process| process.uid),
            texts(|process| process.container_id.as_deref()),
        ];
        RecordBatch::try_new(Arc::new(schema()), columns)
            .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
    }
}

/// The columns of process contexts that say something about processes.
struct Contexts<'a> {
    process_id: Option<&'a UInt32Array>,
    host_pid: Option<&'a UInt32Array>,
    pid: Option<&'a UInt32Array>,
    host_tid: Option<&'a UInt32Array>,
    parent_id: Option<&'a UInt32Array>,
    parent_host_pid: Option<&'a UInt32Array>,
    uid: Option<&'a UInt32Array>,
    exe: Option<&'a StringArray>,
    comm: Option<&'a StringArray>,
    container_id: Option<&'a StringArray>,
}

fn value<T: ArrowPrimitiveType>(array: Option<&PrimitiveArray<T>>, row: usize) -> Option<T::Native> {
    array
        .filter(|array| array.is_valid(row))
        .map(|array| array.value(row))
}

fn text(array: Option<&StringArray>, row: usize) -> Option<String> {
    let array = array.filter(|array| array.is_valid(row))?;
    non_empty(array.value(row))
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Calls `use_event` with every event of a type, in order.
fn each(reader: &CaptureReader, event_type: &str, mut use_event: impl FnMut(&Event<'_>)) -> Result<()> {
    for batch in reader.scan(event_type).batches().map_err(from_capture)? {
        for event in batch.map_err(from_capture)?.events() {
            use_event(&event);
        }
    }
    Ok(())
}
