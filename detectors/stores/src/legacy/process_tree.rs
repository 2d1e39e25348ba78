//! `tracee/process_tree`: processes and threads at some time.

use std::collections::BTreeMap;

use detectors_api::stores::{ProcessInfo, ProcessStore as _};
use serde::Serialize;
use serde_json::json;

use super::Data;
use super::key::{Key, TaskAt};
use super::time::{NEVER, known, rfc3339};
use crate::process::{Moment, ProcessesAt};

pub(super) const SCHEMA: &str = concat!(
    r#"{"process_info":"datasource.TimeRelevantInfo[datasource.ProcessInfo]","#,
    r#""process_lineage":"datasource.TimeRelevantInfo[datasource.ProcessLineage]","#,
    r#""thread_info":"datasource.TimeRelevantInfo[datasource.ThreadInfo]"}"#
);

/// Most ancestors that are told, whatever is asked for: untrusted events can make up endless ones.
const MAX_DEPTH: i64 = 1024;

/// The process tree as of one event.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessTree<'a> {
    processes: ProcessesAt<'a>,
    /// When the event happened: ns since the Unix epoch.
    time_ns: i64,
}

/// What held at some time.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AtTime<T> {
    timestamp: String,
    info: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process {
    entity_id: u32,
    pid: u32,
    ns_pid: u32,
    ppid: u32,
    container_id: String,
    /// Command lines are not kept.
    cmd: [String; 0],
    execution_binary: File,
    interpreter: File,
    interp: File,
    start_time: String,
    /// Not kept.
    exec_time: String,
    exit_time: String,
    parent_entity_id: u32,
    threads_ids: BTreeMap<String, u32>,
    child_processes_ids: BTreeMap<String, u32>,
    is_alive: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Thread {
    entity_id: u32,
    tid: u32,
    ns_tid: u32,
    pid: u32,
    user_id: u32,
    group_id: u32,
    name: String,
    start_time: String,
    exit_time: String,
    process_entity_id: u32,
    is_alive: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    path: String,
    /// Not kept.
    hash: &'static str,
    inode: u64,
    device: u32,
    ctime: String,
    mode: u32,
}

impl File {
    /// No file.
    fn none() -> Self {
        Self {
            path: String::new(),
            hash: "",
            inode: 0,
            device: 0,
            ctime: NEVER.to_owned(),
            mode: 0,
        }
    }

    /// What a process runs.
    fn of(process: &ProcessInfo<'_>) -> Self {
        let file = process.exe_file;
        Self {
            path: process.exe.to_owned(),
            hash: "",
            inode: file.map_or(0, |file| file.inode),
            device: file.map_or(0, |file| file.dev),
            ctime: known(file.map(|file| file.ctime_ns)),
            mode: file.map_or(0, |file| file.mode),
        }
    }
}

impl<'a> ProcessTree<'a> {
    pub(super) fn new(processes: ProcessesAt<'a>, time_ns: i64) -> Self {
        Self { processes, time_ns }
    }

    pub(super) fn get(self, key: &Key) -> Option<Data> {
        let (name, value) = match key {
            Key::Text(_) => return None,
            Key::Process(moment) => {
                let time = self.reach(moment);
                let found = self.processes.at_time(moment.entity_id, time)?;
                (
                    "process_info",
                    json!(at(time, self.process(moment.entity_id, found, time))),
                )
            }
            Key::Thread(moment) => {
                let time = self.reach(moment);
                (
                    "thread_info",
                    json!(at(time, self.thread(moment.entity_id, time)?)),
                )
            }
            Key::Lineage { process, max_depth } => {
                ("process_lineage", json!(self.lineage(process, *max_depth)?))
            }
        };
        Some(Data::from_iter([(name.to_owned(), value)]))
    }

    /// The time that is asked for, but not after the event. Before the Unix epoch nothing is known.
    fn reach(self, moment: &TaskAt) -> u64 {
        u64::try_from(moment.time_ns.min(self.time_ns)).unwrap_or_default()
    }

    fn process(self, entity_id: u32, moment: Moment<'_>, time: u64) -> Process {
        let (info, is_alive) = match moment {
            Moment::Unborn => return unborn(entity_id),
            Moment::Alive(info) => (info, true),
            Moment::Dead(info) => (info, false),
        };
        Process {
            pid: info.host_pid,
            ns_pid: info.pid.unwrap_or_default(),
            ppid: info.host_ppid.unwrap_or_default(),
            container_id: info.container_id.to_owned(),
            execution_binary: File::of(&info),
            start_time: known(info.start_ns),
            exit_time: known(info.exit_ns),
            parent_entity_id: info.parent_entity_id.unwrap_or_default(),
            threads_ids: self.threads(entity_id, time),
            child_processes_ids: self.children(&info, time),
            is_alive,
            ..unborn(entity_id)
        }
    }

    /// The threads that lived, by thread id. Of several with one id, the one that started last counts.
    fn threads(self, entity_id: u32, time: u64) -> BTreeMap<String, u32> {
        let threads = self.processes.threads(entity_id).into_iter();
        threads
            .filter(|thread| thread.alive_at(time))
            .map(|thread| (thread.host_tid.to_string(), thread.entity_id))
            .collect()
    }

    /// The children that lived, by process id, whether created or adopted by then. Of several with one id, the one that
    /// started last counts.
    fn children(self, parent: &ProcessInfo<'_>, time: u64) -> BTreeMap<String, u32> {
        let children = self
            .processes
            .get_child_processes(parent.entity_id)
            .unwrap_or_default();
        let is_child = |child: &ProcessInfo<'_>| match self.processes.at_time(child.entity_id, time) {
            Some(Moment::Alive(then)) => {
                let parents = [then.parent_entity_id, then.adopted_by];
                then.start_ns == child.start_ns && parents.contains(&Some(parent.entity_id))
            }
            _ => false,
        };
        let alive = children.into_iter().filter(is_child);
        alive
            .map(|child| (child.host_pid.to_string(), child.entity_id))
            .collect()
    }

    /// The process at the time that is asked for, its parent when it started, and so on up to the first process of its pid
    /// namespace.
    fn lineage(self, moment: &TaskAt, max_depth: i64) -> Option<Vec<AtTime<Process>>> {
        let (mut id, mut time) = (moment.entity_id, self.reach(moment));
        let mut found = self.processes.at_time(id, time)?;
        let mut lineage = Vec::new();
        let mut visited = Vec::new();
        loop {
            lineage.push(at(time, self.process(id, found, time)));
            visited.push(id);
            let (Moment::Alive(info) | Moment::Dead(info)) = found else {
                break;
            };
            let Some(parent) = info.parent_entity_id.filter(|parent| !visited.contains(parent)) else {
                break;
            };
            if info.pid == Some(1) || visited.len() as u64 > max_depth.clamp(0, MAX_DEPTH).cast_unsigned() {
                break;
            }
            (id, time) = (parent, info.start_ns.unwrap_or(time).min(time));
            let Some(then) = self.processes.at_time(id, time) else {
                break;
            };
            found = then;
        }
        Some(lineage)
    }

    fn thread(self, entity_id: u32, time: u64) -> Option<Thread> {
        let thread = self.processes.thread(entity_id)?;
        let nothing = Thread {
            entity_id,
            tid: 0,
            ns_tid: 0,
            pid: 0,
            user_id: 0,
            group_id: 0,
            name: String::new(),
            start_time: known(None),
            exit_time: known(None),
            process_entity_id: 0,
            is_alive: false,
        };
        if thread.start_ns.is_some_and(|start| time < start) {
            return Some(nothing);
        }
        // A leader's name changes; it is that of its process.
        let process = self.processes.at_time(thread.process_entity_id, time);
        let name = match process {
            Some(Moment::Alive(info) | Moment::Dead(info)) if thread.host_tid == thread.host_pid => info.name,
            _ => thread.name,
        };
        Some(Thread {
            tid: thread.host_tid,
            ns_tid: thread.tid.unwrap_or_default(),
            pid: thread.host_pid,
            user_id: thread.uid.unwrap_or_default(),
            group_id: thread.gid.unwrap_or_default(),
            name: name.to_owned(),
            start_time: known(thread.start_ns),
            exit_time: known(thread.exit_ns.filter(|exit| *exit <= time)),
            process_entity_id: thread.process_entity_id,
            is_alive: thread.alive_at(time),
            ..nothing
        })
    }
}

fn at<T>(time: u64, info: T) -> AtTime<T> {
    AtTime {
        timestamp: rfc3339(i64::try_from(time).unwrap_or(i64::MAX)),
        info,
    }
}

/// A process that has not started.
fn unborn(entity_id: u32) -> Process {
    Process {
        entity_id,
        pid: 0,
        ns_pid: 0,
        ppid: 0,
        container_id: String::new(),
        cmd: [],
        execution_binary: File {
            ctime: known(None),
            ..File::none()
        },
        interpreter: File::none(),
        interp: File::none(),
        start_time: known(None),
        exec_time: known(None),
        exit_time: known(None),
        parent_entity_id: 0,
        threads_ids: BTreeMap::new(),
        child_processes_ids: BTreeMap::new(),
        is_alive: false,
    }
}
