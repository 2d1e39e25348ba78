//! What the process contexts of events tell about processes and containers.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, TimestampNanosecondType, UInt32Type};
use capture::CaptureReader;
use datafusion::error::Result;
use detectors_api::stores::{ContainerInfo, PodInfo, ProcessInfo, Runtime};

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
pub(super) fn processes(contexts: &[RecordBatch]) -> BTreeMap<u32, ProcessInfo<'_>> {
    let mut processes = BTreeMap::new();
    for batch in contexts {
        read_processes(batch, &mut processes);
    }
    processes
}

/// The containers in `contexts`, by id. What was told last holds.
pub(super) fn containers(contexts: &[RecordBatch]) -> BTreeMap<&str, ContainerInfo<'_>> {
    let mut containers = BTreeMap::new();
    for batch in contexts {
        read_containers(batch, &mut containers);
    }
    containers
}

/// Fills in what is not known about a process.
pub(super) fn fill_process<'a>(process: &mut ProcessInfo<'a>, mention: &ProcessInfo<'a>) {
    if process.host_pid == 0 {
        process.host_pid = mention.host_pid;
    }
    process.pid = process.pid.or(mention.pid);
    process.parent_entity_id = process.parent_entity_id.or(mention.parent_entity_id);
    process.host_ppid = process.host_ppid.or(mention.host_ppid);
    process.ppid = process.ppid.or(mention.ppid);
    process.name = known_or(process.name, mention.name);
    process.exe = known_or(process.exe, mention.exe);
    process.start_ns = process.start_ns.or(mention.start_ns);
    process.uid = process.uid.or(mention.uid);
    process.container_id = known_or(process.container_id, mention.container_id);
}

/// Fills in what is not known about a container.
pub(super) fn fill_container<'a>(container: &mut ContainerInfo<'a>, mention: &ContainerInfo<'a>) {
    container.name = known_or(container.name, mention.name);
    container.image = known_or(container.image, mention.image);
    container.image_digest = known_or(container.image_digest, mention.image_digest);
    container.pod = container.pod.or(mention.pod);
}

fn known_or<'a>(known: &'a str, other: &'a str) -> &'a str {
    if known.is_empty() { other } else { known }
}

fn read_containers<'a>(batch: &'a RecordBatch, containers: &mut BTreeMap<&'a str, ContainerInfo<'a>>) {
    let [ids, names, images, digests, pods, pod_uids, pod_namespaces] = [
        "container_id",
        "container_name",
        "container_image",
        "container_image_digest",
        "pod_name",
        "pod_uid",
        "pod_namespace",
    ]
    .map(|name| texts(batch, name));
    for row in 0..batch.num_rows() {
        let id = text(ids, row);
        if id.is_empty() {
            continue;
        }
        let pod = PodInfo {
            name: text(pods, row),
            uid: text(pod_uids, row),
            namespace: text(pod_namespaces, row),
            sandbox: false,
        };
        let mut container = ContainerInfo {
            id,
            name: text(names, row),
            image: text(images, row),
            image_digest: text(digests, row),
            runtime: Runtime::Unknown,
            start_ns: None,
            reported_start_ns: None,
            end_ns: None,
            pod: (!pod.name.is_empty() || !pod.uid.is_empty()).then_some(pod),
        };
        if let Some(earlier) = containers.get(id) {
            fill_container(&mut container, earlier);
        }
        containers.insert(id, container);
    }
}

fn read_processes<'a>(batch: &'a RecordBatch, processes: &mut BTreeMap<u32, ProcessInfo<'a>>) {
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
        if let Some(earlier) = processes.get(&entity_id) {
            // Whom a process came from does not change; whose child it is now does.
            process.parent_entity_id = earlier.parent_entity_id.or(process.parent_entity_id);
            process.host_ppid = earlier.host_ppid.or(process.host_ppid);
            process.ppid = earlier.ppid.or(process.ppid);
            process.start_ns = earlier.start_ns.or(process.start_ns);
            fill_process(&mut process, earlier);
        }
        processes.insert(entity_id, process);
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
