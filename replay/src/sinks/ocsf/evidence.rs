//! Who did it and with what, and what OCSF has no place for.

use detectors_api::event::timestamp_ns;
use detectors_api::proto::{Container, DetectedFrom, Event, K8s, Process};
use serde_json::{Map, Value, json};

use super::super::findings::object;
use super::super::words::{known, rfc3339};
use super::ms;

/// Regular files, by number.
const REGULAR_FILE: u32 = 1;

/// The process, its container, and the detection's own data.
pub(super) fn of(event: &Event) -> Value {
    let mut evidence = Map::new();
    if let Some(workload) = &event.workload {
        if let Some(process) = &workload.process
            && let Some(actor) = entity(process)
        {
            evidence.insert("process".to_owned(), acting(process, actor.clone()).into());
            let mut actor = json!({"process": actor});
            if let Some(user) = user(process) {
                actor["user"] = user;
            }
            evidence.insert("actor".to_owned(), actor);
        }
        if let Some(container) = workload.container.as_ref().and_then(container) {
            evidence.insert("container".to_owned(), container);
        }
    }
    evidence.insert("data".to_owned(), object(&event.data));
    evidence.into()
}

/// The acting process, of which `members` are told already.
fn acting(process: &Process, mut members: Map<String, Value>) -> Map<String, Value> {
    let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
    if let Some(path) = path(process) {
        let name = path.rsplit('/').next().and_then(known).unwrap_or(path);
        put(
            "file",
            json!({"name": name, "path": path, "type_id": REGULAR_FILE}),
        );
    }
    if let Some(pid) = process.pid {
        put("namespace_pid", pid.into());
    }
    if let Some(user) = user(process) {
        put("user", user);
    }
    if let Some(thread) = &process.thread {
        if let Some(tid) = thread.host_tid {
            put("tid", tid.into());
        }
        // Of a process is known when its first thread began.
        let first = thread.host_tid.is_some() && thread.host_tid == process.host_pid;
        let start = thread.start_time.as_ref().filter(|_| first);
        if let Some(time) = start.and_then(timestamp_ns) {
            put("created_time", ms(time).into());
        }
    }
    let ancestors: Vec<_> = process.ancestors.iter().filter_map(entity).collect();
    if let Some(parent) = ancestors.first() {
        put("parent_process", parent.clone().into());
        put("ancestry", ancestors.into());
    }
    members
}

/// What is told of any process. The schema wants a pid or a uid.
fn entity(process: &Process) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    if let Some(pid) = process.host_pid {
        members.insert("pid".to_owned(), pid.into());
    }
    if let Some(id) = process.unique_id {
        members.insert("uid".to_owned(), id.to_string().into());
    }
    if members.is_empty() {
        return None;
    }
    let name = process.thread.as_ref().and_then(|thread| known(&thread.name));
    if let Some(name) = name {
        members.insert("name".to_owned(), name.into());
    }
    if let Some(path) = path(process) {
        members.insert("path".to_owned(), path.into());
    }
    Some(members)
}

fn user(process: &Process) -> Option<Value> {
    let uid = process.real_user.as_ref()?.id?;
    Some(json!({"uid": uid.to_string()}))
}

fn path(process: &Process) -> Option<&str> {
    known(&process.executable.as_ref()?.path)
}

fn container(container: &Container) -> Option<Value> {
    let mut members = Map::new();
    if let Some(id) = known(&container.id) {
        members.insert("uid".to_owned(), id.into());
    }
    if let Some(name) = known(&container.name) {
        members.insert("name".to_owned(), name.into());
    }
    if members.is_empty() {
        return None;
    }
    if let Some(image) = &container.image {
        let digest = image.repo_digests.iter().find_map(|digest| known(digest));
        // The schema wants a uid: the best that is known.
        if let Some(uid) = known(&image.id).or(digest).or(known(&image.name)) {
            let mut about = json!({"uid": uid});
            if let Some(name) = known(&image.name) {
                about["name"] = name.into();
            }
            members.insert("image".to_owned(), about);
        }
    }
    Some(members.into())
}

/// What [`of`] has no place for.
pub(super) fn unmapped(event: &Event) -> Map<String, Value> {
    let mut unmapped = Map::new();
    let mut put = |key: &str, value: Value| unmapped.insert(key.to_owned(), value);
    put("event_id", event.id.into());
    if let Some(origin) = &event.detected_from {
        put("detected_from", origin_of(origin));
    }
    if let Some(threat) = event
        .threat
        .as_ref()
        .filter(|threat| !threat.properties.is_empty())
    {
        put("threat_properties", json!(threat.properties));
    }
    if let Some(policies) = &event.policies {
        put("policies", json!(policies.matched));
    }
    if let Some(thread) = thread(event) {
        put("thread", thread.into());
    }
    let workload = event.workload.as_ref();
    if let Some(container) = workload.and_then(|workload| workload.container.as_ref()) {
        let digests = container
            .image
            .as_ref()
            .map_or(&[][..], |image| &image.repo_digests);
        put(
            "container",
            json!({"started": container.started, "image_digests": digests}),
        );
    }
    if let Some(k8s) = workload.and_then(|workload| workload.k8s.as_ref()) {
        put("kubernetes", kubernetes(k8s));
    }
    unmapped
}

/// The acting thread, as far as it is not the process.
fn thread(event: &Event) -> Option<Map<String, Value>> {
    let thread = event.workload.as_ref()?.process.as_ref()?.thread.as_ref()?;
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
    if let Some(id) = thread.unique_id {
        put("uid", id.to_string().into());
    }
    if let Some(tid) = thread.tid {
        put("namespace_tid", tid.into());
    }
    if let Some(time) = thread
        .start_time
        .as_ref()
        .and_then(timestamp_ns)
        .and_then(rfc3339)
    {
        put("start_time", time.into());
    }
    if let Some(name) = known(&thread.syscall) {
        put("syscall", name.into());
    }
    if thread.compat {
        put("compat", true.into());
    }
    if let Some(stack) = &thread.user_stack_trace {
        let frames: Vec<_> = stack.addresses.iter().map(|frame| frame.address).collect();
        put("stack", frames.into());
    }
    (!members.is_empty()).then_some(members)
}

fn kubernetes(k8s: &K8s) -> Value {
    let pod = k8s.pod.as_ref();
    json!({
        "pod": pod.map(|pod| &pod.name),
        "pod_uid": pod.map(|pod| &pod.uid),
        "labels": pod.map(|pod| &pod.labels),
        "namespace": k8s.namespace.as_ref().map(|namespace| &namespace.name),
    })
}

/// The event that it was detected from, and what that was detected from. Chains have few links.
fn origin_of(origin: &DetectedFrom) -> Value {
    let mut links = Vec::new();
    let mut next = Some(origin);
    while let Some(origin) = next {
        links.push(json!({"id": origin.id, "name": origin.name, "data": object(&origin.data)}));
        next = origin.parent.as_deref();
    }
    links.into()
}
