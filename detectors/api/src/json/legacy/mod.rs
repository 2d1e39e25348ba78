//! Reads the legacy encoding, `trace.Event`, and converts it.
//!
//! The shape changed over the years: container and pod were flat members once, entity ids came late, types of arguments
//! were C types before they were Go types. All shapes are read. What the event model has no place for and is not the
//! default becomes unmapped; see the individual conversions for what that is.

mod args;
mod threat;
mod types;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::args::Arguments;
use super::unmapped::{self, Path, Unmapped};
use super::wire::{self, Quoted};
use super::{Encoding, LineError, error};
use crate::catalogue::catalogue;
use crate::depth;
use crate::event::{KernelContext, RecordedEvent, timestamp_from_ns};
use crate::proto;

/// The members of a line, in all shapes.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Members<'a> {
    timestamp: Option<Quoted<i64>>,
    thread_start_time: Option<Quoted<i64>>,
    processor_id: Option<u32>,
    process_id: u32,
    cgroup_id: Option<Quoted<u64>>,
    thread_id: u32,
    parent_process_id: u32,
    host_process_id: u32,
    host_thread_id: u32,
    host_parent_process_id: u32,
    user_id: u32,
    mount_namespace: Option<u32>,
    pid_namespace: Option<u32>,
    process_name: String,
    executable: Executable,
    host_name: Option<String>,
    container_id: String,
    container: Container,
    container_image: String,
    container_name: String,
    kubernetes: Kubernetes,
    pod_name: String,
    pod_namespace: String,
    #[serde(rename = "podUID")]
    pod_uid: String,
    pod_sandbox: bool,
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
    event_name: String,
    #[serde(deserialize_with = "wire::or_empty")]
    matched_policies: Vec<String>,
    args_num: Option<u64>,
    return_value: Option<Quoted<i64>>,
    syscall: String,
    #[serde(deserialize_with = "wire::integers")]
    stack_addresses: Vec<u64>,
    context_flags: ContextFlags,
    thread_entity_id: Option<u32>,
    process_entity_id: Option<u32>,
    parent_entity_id: Option<u32>,
    #[serde(borrow, deserialize_with = "wire::or_empty")]
    args: Arguments<'a>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Executable {
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    id: String,
    name: String,
    image: String,
    image_digest: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Kubernetes {
    pod_name: String,
    pod_namespace: String,
    #[serde(rename = "podUID")]
    pod_uid: String,
    pod_sandbox: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ContextFlags {
    container_started: bool,
    is_compat: bool,
}

/// What does not fit while an event is converted.
#[derive(Default)]
struct Leftovers {
    /// Paths into the line whose values no member holds.
    ignored: Vec<Path>,
}

impl Leftovers {
    fn push(&mut self, path: impl IntoIterator<Item = &'static str>) {
        self.ignored.push(path.into_iter().map(str::to_owned).collect());
    }
}

/// Reads and converts an event.
pub(super) fn read(line: &str) -> Result<RecordedEvent, LineError> {
    let mut left = Leftovers::default();
    let members: Members<'_> = unmapped::read(line, &[], &mut left.ignored)
        .map_err(|_| error::diagnose::<Members<'_>>(line, Encoding::Legacy))?;
    let recorded = convert(members, &mut left);
    depth::check(&recorded.event)?;
    let mut unmapped = Unmapped::default();
    unmapped.collect(line, left.ignored)?;
    Ok(RecordedEvent {
        unmapped: unmapped.finish(),
        ..recorded
    })
}

fn convert(mut members: Members<'_>, left: &mut Leftovers) -> RecordedEvent {
    let name = std::mem::take(&mut members.event_name);
    let return_value = members.return_value.map_or(0, |value| value.0);
    if members
        .args_num
        .is_some_and(|count| count != members.args.len() as u64)
    {
        left.push(["argsNum"]);
    }
    let at = vec!["args".to_owned()];
    let origin = members.args.take_origin(&at, left);
    let mut data = std::mem::take(&mut members.args).convert(&name, &at, left);
    args::add_return_value(&mut data, &name, return_value);
    let threat = members
        .metadata
        .and_then(|metadata| threat::convert(metadata.get(), left));
    let event = proto::Event {
        timestamp: time(members.timestamp),
        id: event_id(&name, members.event_id, left),
        policies: (!members.matched_policies.is_empty()).then(|| proto::Policies {
            matched: std::mem::take(&mut members.matched_policies),
        }),
        data,
        threat,
        detected_from: origin,
        name,
        workload: None,
    };
    let kernel = KernelContext {
        processor: members.processor_id,
        cgroup_id: members.cgroup_id.map(|id| id.0),
        mount_ns: members.mount_namespace,
        pid_ns: members.pid_namespace,
        host_name: members.host_name.take().filter(|name| !name.is_empty()),
    };
    RecordedEvent {
        event: proto::Event {
            workload: workload(members, left),
            ..event
        },
        kernel,
        unmapped: None,
    }
}

fn time(ns: Option<Quoted<i64>>) -> Option<prost_types::Timestamp> {
    ns.map(|ns| ns.0).filter(|ns| *ns != 0).map(timestamp_from_ns)
}

/// The public id: by name, since ids inside Tracee change from version to version. The id of the line is left over if
/// it is not the one that the catalogue has for the name.
fn event_id(name: &str, written: Option<&RawValue>, left: &mut Leftovers) -> i32 {
    let written = written.map(RawValue::get);
    let number: Option<i32> = written.and_then(|text| text.trim_matches('"').parse().ok());
    let Some(definition) = catalogue().get(name) else {
        if number.is_none() && written.is_some() {
            left.push(["eventId"]);
        }
        return number.unwrap_or_default();
    };
    let known = [definition.internal_id_amd64, definition.internal_id_arm64];
    if written.is_some() && !number.is_some_and(|number| known.contains(&number)) {
        left.push(["eventId"]);
    }
    definition.id
}

fn workload(members: Members<'_>, left: &mut Leftovers) -> Option<proto::Workload> {
    let mut flat = Flat { left };
    let container = Container {
        id: flat.merge(members.container.id, members.container_id, "containerId"),
        name: flat.merge(members.container.name, members.container_name, "containerName"),
        image: flat.merge(members.container.image, members.container_image, "containerImage"),
        image_digest: members.container.image_digest,
    };
    let pod = proto::Pod {
        name: flat.merge(members.kubernetes.pod_name, members.pod_name, "podName"),
        uid: flat.merge(members.kubernetes.pod_uid, members.pod_uid, "podUID"),
        labels: Default::default(),
    };
    let namespace = flat.merge(
        members.kubernetes.pod_namespace,
        members.pod_namespace,
        "podNamespace",
    );
    if members.kubernetes.pod_sandbox {
        left.push(["kubernetes", "podSandbox"]);
    }
    if members.pod_sandbox {
        left.push(["podSandbox"]);
    }
    let started = members.context_flags.container_started;
    let process = process(ProcessMembers {
        process_id: members.process_id,
        thread_id: members.thread_id,
        parent_process_id: members.parent_process_id,
        host_process_id: members.host_process_id,
        host_thread_id: members.host_thread_id,
        host_parent_process_id: members.host_parent_process_id,
        user_id: members.user_id,
        name: members.process_name,
        path: members.executable.path,
        start_time: time(members.thread_start_time),
        syscall: members.syscall,
        compat: members.context_flags.is_compat,
        stack: members.stack_addresses,
        thread_entity_id: members.thread_entity_id,
        process_entity_id: members.process_entity_id,
        parent_entity_id: members.parent_entity_id,
    });
    let container = self::container(container, started);
    if started && container.is_none() {
        left.push(["contextFlags", "containerStarted"]);
    }
    let k8s = (pod != proto::Pod::default() || !namespace.is_empty()).then_some(proto::K8s {
        pod: Some(pod),
        namespace: Some(proto::K8sNamespace { name: namespace }),
    });
    (process.is_some() || container.is_some() || k8s.is_some()).then_some(proto::Workload {
        process,
        container,
        k8s,
    })
}

/// Members that are in an object of their own in one shape and at the top in another.
struct Flat<'l> {
    left: &'l mut Leftovers,
}

impl Flat<'_> {
    /// The member from where it is. If it is in both places and they differ, the one at the top is left over.
    fn merge(&mut self, inner: String, top: String, key: &'static str) -> String {
        if inner.is_empty() {
            return top;
        }
        if !top.is_empty() && top != inner {
            self.left.push([key]);
        }
        inner
    }
}

fn container(container: Container, started: bool) -> Option<proto::Container> {
    let Container {
        id,
        name,
        image,
        image_digest,
    } = container;
    let has_image = !(image.is_empty() && image_digest.is_empty());
    if id.is_empty() && name.is_empty() && !has_image {
        return None;
    }
    Some(proto::Container {
        id,
        name,
        image: has_image.then(|| proto::ContainerImage {
            id: String::new(),
            repo_digests: Some(image_digest)
                .filter(|digest| !digest.is_empty())
                .into_iter()
                .collect(),
            name: image,
        }),
        started,
    })
}

/// The members that say something about the acting process.
#[derive(Default, PartialEq)]
struct ProcessMembers {
    process_id: u32,
    thread_id: u32,
    parent_process_id: u32,
    host_process_id: u32,
    host_thread_id: u32,
    host_parent_process_id: u32,
    user_id: u32,
    name: String,
    path: String,
    start_time: Option<prost_types::Timestamp>,
    syscall: String,
    compat: bool,
    stack: Vec<u64>,
    thread_entity_id: Option<u32>,
    process_entity_id: Option<u32>,
    parent_entity_id: Option<u32>,
}

/// The process, if there is anything to say about it. Entity ids are there only where the line has them.
fn process(members: ProcessMembers) -> Option<proto::Process> {
    let nobody = ProcessMembers {
        // Zero, if there, means none.
        thread_entity_id: members.thread_entity_id.filter(|id| *id == 0),
        process_entity_id: members.process_entity_id.filter(|id| *id == 0),
        parent_entity_id: members.parent_entity_id.filter(|id| *id == 0),
        ..ProcessMembers::default()
    };
    if members == nobody {
        return None;
    }
    let parent_entity_id = members.parent_entity_id.filter(|id| *id != 0);
    let has_parent =
        parent_entity_id.is_some() || members.parent_process_id != 0 || members.host_parent_process_id != 0;
    let parent = has_parent.then(|| proto::Process {
        unique_id: parent_entity_id,
        host_pid: Some(members.host_parent_process_id),
        pid: Some(members.parent_process_id),
        ..proto::Process::default()
    });
    let stack = proto::UserStackTrace {
        addresses: members
            .stack
            .into_iter()
            .map(|address| proto::StackAddress {
                address,
                symbol: String::new(),
            })
            .collect(),
    };
    Some(proto::Process {
        executable: (!members.path.is_empty()).then_some(proto::Executable { path: members.path }),
        unique_id: members.process_entity_id,
        host_pid: Some(members.host_process_id),
        pid: Some(members.process_id),
        real_user: Some(proto::User {
            id: Some(members.user_id),
        }),
        thread: Some(proto::Thread {
            start_time: members.start_time,
            name: members.name,
            unique_id: members.thread_entity_id,
            host_tid: Some(members.host_thread_id),
            tid: Some(members.thread_id),
            syscall: members.syscall,
            compat: members.compat,
            user_stack_trace: Some(stack).filter(|stack| !stack.addresses.is_empty()),
        }),
        ancestors: parent.into_iter().collect(),
    })
}
