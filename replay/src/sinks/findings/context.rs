//! The event that a detection was found in, as a flat `trace.Event`.

use detectors_api::catalogue::catalogue;
use detectors_api::event::timestamp_ns;
use detectors_api::proto::event_value::Value as Field;
use detectors_api::proto::{Container, DetectedFrom, Event, EventValue, K8s, Process, Thread};
use serde_json::{Map, Value, json};

use super::value::arguments;

/// The field that system calls end with; a flat event has it as a member.
const RETURN_VALUE: &str = "returnValue";

/// The field that the engine adds for the user-space stack; a flat event has it as a member.
const STACK: &str = "stack_addresses";

/// What `detection` tells about the event that it was found in.
pub(super) fn context(detection: &Event) -> Value {
    let mut context = Context::default();
    context.put("timestamp", detection.timestamp.as_ref().and_then(timestamp_ns));
    let workload = detection.workload.as_ref();
    let process = workload.and_then(|workload| workload.process.as_ref());
    let container = workload.and_then(|workload| workload.container.as_ref());
    if let Some(process) = process {
        context.process(process);
    }
    if let Some(container) = container {
        context.container(container);
    }
    if let Some(k8s) = workload.and_then(|workload| workload.k8s.as_ref()) {
        context.kubernetes(k8s);
    }
    let compat = process
        .and_then(|process| process.thread.as_ref())
        .is_some_and(|thread| thread.compat);
    if workload.is_some() {
        let started = container.is_some_and(|container| container.started);
        let flags = json!({"containerStarted": started, "isCompat": compat});
        context.put("contextFlags", Some(flags));
    }
    if let Some(policies) = &detection.policies {
        context.put("matchedPolicies", Some(policies.matched.as_slice()));
    }
    if let Some(origin) = &detection.detected_from {
        context.event(origin);
    }
    context.0.into()
}

#[derive(Default)]
struct Context(Map<String, Value>);

impl Context {
    /// A member, if it is known.
    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
    }

    fn process(&mut self, process: &Process) {
        let parent = process.ancestors.first();
        let thread = process.thread.as_ref();
        let start = thread.and_then(|thread| thread.start_time.as_ref());
        self.put("threadStartTime", start.and_then(timestamp_ns));
        self.put("processId", process.pid);
        self.put("threadId", thread.and_then(|thread| thread.tid));
        self.put("parentProcessId", parent.and_then(|parent| parent.pid));
        self.put("hostProcessId", process.host_pid);
        self.put("hostThreadId", thread.and_then(|thread| thread.host_tid));
        self.put("hostParentProcessId", parent.and_then(|parent| parent.host_pid));
        self.put("userId", process.real_user.and_then(|user| user.id));
        self.put("processName", thread.and_then(|thread| known(&thread.name)));
        let executable = process.executable.as_ref();
        self.put(
            "executable",
            executable.map(|executable| json!({"path": executable.path})),
        );
        self.put("threadEntityId", thread.and_then(|thread| thread.unique_id));
        self.put("processEntityId", process.unique_id);
        self.put("parentEntityId", parent.and_then(|parent| parent.unique_id));
        self.put("syscall", thread.and_then(|thread| known(&thread.syscall)));
        self.put("stackAddresses", thread.and_then(stack));
    }

    fn container(&mut self, container: &Container) {
        let mut members = json!({"id": container.id});
        if let Some(name) = known(&container.name) {
            members["name"] = name.into();
        }
        if let Some(image) = &container.image {
            members["image"] = image.name.as_str().into();
            members["imageDigest"] = image.repo_digests.first().map_or("", String::as_str).into();
        }
        self.put("container", Some(members));
    }

    fn kubernetes(&mut self, k8s: &K8s) {
        let pod = k8s.pod.as_ref();
        let namespace = k8s.namespace.as_ref();
        let members = json!({
            "podName": pod.map(|pod| &pod.name),
            "podNamespace": namespace.map(|namespace| &namespace.name),
            "podUID": pod.map(|pod| &pod.uid),
        });
        self.put("kubernetes", Some(members));
    }

    /// The event proper. Events have other numbers in flat events than in the model; those of system calls depend on the
    /// architecture, which is not known here.
    fn event(&mut self, origin: &DetectedFrom) {
        let number = match catalogue().get(&origin.name) {
            Some(event) => (event.internal_id_amd64 == event.internal_id_arm64)
                .then(|| event.internal_id_amd64.to_string()),
            None => Some(origin.id.to_string()),
        };
        self.put("eventId", number);
        self.put("eventName", Some(origin.name.as_str()));
        let data = without(&origin.data, STACK);
        let result = data
            .iter()
            .find(|field| field.name == RETURN_VALUE)
            .and_then(|field| match field.value {
                Some(Field::Int64(value)) => Some(value),
                _ => None,
            });
        let data = match result {
            Some(_) => without(data, RETURN_VALUE),
            None => data,
        };
        self.put("returnValue", result);
        self.put("argsNum", Some(data.len()));
        self.put("args", Some(arguments(data)));
    }
}

/// A text that says something: the model has empty texts for what is not known.
fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The fields without the last one, if that is called `name`.
fn without<'f>(fields: &'f [EventValue], name: &str) -> &'f [EventValue] {
    match fields {
        [fields @ .., last] if last.name == name => fields,
        fields => fields,
    }
}

fn stack(thread: &Thread) -> Option<Vec<u64>> {
    let stack = thread.user_stack_trace.as_ref()?;
    Some(stack.addresses.iter().map(|address| address.address).collect())
}
