//! What the process contexts of events tell about processes.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, TimestampNanosecondType, UInt32Type};
use capture::CaptureReader;
use datafusion::error::Result;
use detectors_api::stores::ProcessInfo;

use crate::scan::from_capture;

/// All process contexts of a capture.
pub(super) fn contexts(reader: &CaptureReader) -> Result<Vec<RecordBatch>> {
    let mut contexts = Vec::new();
    for segment in reader.segments() {
        let of_segment = reader.contexts(segment.number).map_err(from_capture)?;
        contexts.extend(of_segment.batches().cloned());
    }
    Ok(contexts)
}

/// The processes in `contexts`, by entity id. What was told last holds.
pub(super) fn mentions(contexts: &[RecordBatch]) -> BTreeMap<u32, ProcessInfo<'_>> {
    let mut mentions = BTreeMap::new();
    for batch in contexts {
        read(batch, &mut mentions);
    }
    mentions
}

/// Fills in what is not known about a process.
pub(super) fn fill<'a>(process: &mut ProcessInfo<'a>, mention: &ProcessInfo<'a>) {
    let text = |known: &'a str, other: &'a str| if known.is_empty() { other } else { known };
    if process.host_pid == 0 {
        process.host_pid = mention.host_pid;
    }
    process.pid = process.pid.or(mention.pid);
    process.parent_entity_id = process.parent_entity_id.or(mention.parent_entity_id);
    process.host_ppid = process.host_ppid.or(mention.host_ppid);
    process.ppid = process.ppid.or(mention.ppid);
    process.name = text(process.name, mention.name);
    process.exe = text(process.exe, mention.exe);
    process.start_ns = process.start_ns.or(mention.start_ns);
    process.uid = process.uid.or(mention.uid);
    process.container_id = text(process.container_id, mention.container_id);
}

fn read<'a>(batch: &'a RecordBatch, mentions: &mut BTreeMap<u32, ProcessInfo<'a>>) {
    let [
        ids,
        host_pids,
        pids,
        host_tids,
        parents,
        parent_host_pids,
        parent_pids,
        uids,
    ] = [
        "process_id",
        "host_pid",
        "pid",
        "host_tid",
        "parent_id",
        "parent_host_pid",
        "parent_pid",
        "uid",
    ]
    .map(|name| numbers::<UInt32Type>(batch, name));
    let [exes, comms, containers] = ["exe", "comm", "container_id"].map(|name| texts(batch, name));
    let starts = numbers::<TimestampNanosecondType>(batch, "start_time");
    for row in 0..batch.num_rows() {
        let Some(entity_id) = value(ids, row) else {
            continue;
        };
        let host_pid = value(host_pids, row);
        // Name and start are those of the thread.
        let leader = host_pid.is_some() && host_pid == value(host_tids, row);
        let start = value(starts, row).filter(|_| leader);
        let mut process = ProcessInfo {
            entity_id,
            parent_entity_id: value(parents, row),
            adopted_by: None,
            host_pid: host_pid.unwrap_or_default(),
            pid: value(pids, row),
            host_ppid: value(parent_host_pids, row),
            ppid: value(parent_pids, row),
            name: if leader { text(comms, row) } else { "" },
            exec_name: "",
            exe: text(exes, row),
            exe_file: None,
            start_ns: start.and_then(|ns| u64::try_from(ns).ok()),
            exit_ns: None,
            leader_exit_ns: None,
            exit_code: None,
            exit_signal: None,
            uid: value(uids, row),
            gid: None,
            container_id: text(containers, row),
            inferred: true,
        };
        if let Some(earlier) = mentions.get(&entity_id) {
            // Whom a process came from does not change; whose child it is now does.
            process.parent_entity_id = earlier.parent_entity_id.or(process.parent_entity_id);
            process.host_ppid = earlier.host_ppid.or(process.host_ppid);
            process.ppid = earlier.ppid.or(process.ppid);
            process.start_ns = earlier.start_ns.or(process.start_ns);
            fill(&mut process, earlier);
        }
        mentions.insert(entity_id, process);
    }
}

/// A column of numbers. One that is missing, or of another type, tells nothing.
fn numbers<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Option<&'a PrimitiveArray<T>> {
    batch.column_by_name(name)?.as_primitive_opt()
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt()
}

fn value<T: ArrowPrimitiveType>(array: Option<&PrimitiveArray<T>>, row: usize) -> Option<T::Native> {
    array
        .filter(|array| array.is_valid(row))
        .map(|array| array.value(row))
}

fn text(array: Option<&StringArray>, row: usize) -> &str {
    array
        .filter(|array| array.is_valid(row))
        .map_or("", |array| array.value(row))
}
