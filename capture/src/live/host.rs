//! What there is when a recording starts: the machine, and its tasks.

use std::collections::HashSet;
use std::fs;

use detectors_stores::Input;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::system::OsRelease;
use ebpf::clock::{BootOffset, boot_ns};
use ebpf::kernel::Facts;
use ebpf::tasks::{Task, from_procfs};
use ebpf::{EventReport, Scope, Sensor};

use super::hashes::HashMode;
use super::recording::{Config, LiveError};
use crate::collect;
use crate::manifest::{Clock, Header, Host, Source};

/// What stores are told about the host.
pub(super) fn host_inputs(config: &Config, offset: BootOffset, warnings: &mut Vec<String>) -> Vec<Input> {
    let system = collect::system(0, offset, boot_ns());
    warnings.extend(system.warnings);
    let mut inputs = vec![system.input];
    if config.symbols {
        match collect::symbols(0) {
            Ok(symbols) => {
                warnings.extend(symbols.warnings);
                inputs.push(symbols.input);
            }
            Err(error) => warnings.push(error.to_string()),
        }
    }
    inputs.extend(config.recording.inputs.iter().cloned());
    inputs
}

/// The tasks that are alive, as exactly as this kernel shows them.
pub(super) fn live_tasks(sensor: &mut Sensor, warnings: &mut Vec<String>) -> Result<Vec<Task>, LiveError> {
    let started = sensor.started();
    match sensor.tasks() {
        Ok(mut tasks) => {
            let hidden = hidden_tasks(&tasks, started);
            if !hidden.is_empty() {
                warnings.push(format!(
                    "{} threads are hidden from the kernel's task iterator: their start times are cut to 10 ms",
                    hidden.len()
                ));
                tasks.extend(hidden);
                tasks.sort_by_key(|task| (task.pid, task.tid));
            }
            Ok(tasks)
        }
        Err(error) => {
            warnings.push(format!(
                "the start times of processes that were alive are cut to 10 ms, so their entity ids can be wrong ({error})"
            ));
            from_procfs().map_err(|error| LiveError::Tasks(error.to_string()))
        }
    }
}

/// Tasks that procfs lists and `tasks` lacks, and that started before `started` (ns since boot): whoever started later is in
/// the events. A hardened kernel or a sandbox may hide some, such as the first process, which is everybody's ancestor.
fn hidden_tasks(tasks: &[Task], started: u64) -> Vec<Task> {
    let known: HashSet<u32> = tasks.iter().map(|task| task.tid).collect();
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = listed.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // Reading all of procfs takes long on a large host, and nearly always there is nothing to be found.
    if pids.all(|pid| known.contains(&pid)) {
        return Vec::new();
    }
    let mut hidden = from_procfs().unwrap_or_default();
    hidden.retain(|task| !known.contains(&task.tid) && task.start < started);
    hidden
}

pub(super) fn snapshot_row(task: &Task, offset: BootOffset) -> TaskSnapshot {
    TaskSnapshot {
        host_pid: task.pid,
        host_tid: task.tid,
        pid: task.ns_pid,
        tid: task.ns_tid,
        host_ppid: task.ppid,
        ppid: task.ns_ppid,
        start_ns: offset.epoch(task.start),
        parent_start_ns: if task.ppid == 0 {
            0
        } else {
            offset.epoch(task.parent_start)
        },
        comm: task.comm.clone(),
        exe: task.exe.clone(),
        uid: task.uid,
        gid: task.gid,
        cgroup_id: task.cgroup_id,
        kernel_thread: task.kernel_thread,
        coarse: task.coarse,
    }
}

pub(super) fn header(
    config: &Config,
    sensor: &ebpf::Config,
    facts: &Facts,
    offset: BootOffset,
    reports: &[EventReport],
) -> Header {
    let mut filters = vec![format!("events={}", sensor.events.join(","))];
    if let Scope::Descendants(pid) = sensor.scope {
        filters.push(format!("descendants={pid}"));
    }
    filters.extend(config.keep.iter().flat_map(|keep| keep.described()));
    Header {
        host: Host {
            name: facts.node.clone(),
            kernel: facts.release.clone(),
            architecture: facts.machine.clone(),
            os: os_name(),
            cpus: Some(facts.cpus),
            boot_id: read_line("/proc/sys/kernel/random/boot_id"),
        },
        clock: Some(Clock {
            boot_offset_ns: offset.ns().cast_signed(),
            uncertainty_ns: offset.uncertainty_ns(),
        }),
        sensor_plan: serde_json::to_value(reports).ok(),
        filters,
        enrichments: sensor
            .environment
            .then(|| "environment".to_owned())
            .into_iter()
            .chain(config.hashes.map(HashMode::enrichment))
            .collect(),
        source: Source::Live,
        ..config.recording.header(offset.epoch(boot_ns()))
    }
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn os_name() -> String {
    OsRelease::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default()).pretty_name
}
