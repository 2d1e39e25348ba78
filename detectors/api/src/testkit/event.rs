//! An event made by hand.

use std::time::Duration;

use crate::catalogue::{FieldType, catalogue};
use crate::entity::entity_id;
use crate::event::{KernelContext, RecordedEvent, Value as View, timestamp_from_ns};
use crate::proto;
use crate::proto::event_value::Value;
use crate::spelling::similar;

/// An event made by hand, for tests. Fields that are not set have the zero of their type, as the sensor would have it.
#[derive(Clone, Debug)]
pub struct TestEvent {
    recorded: RecordedEvent,
}

/// 2026-01-01T00:00:00Z, ns since the Unix epoch.
const EPOCH_NS: i64 = 1_767_225_600_000_000_000;

impl TestEvent {
    /// An event of the catalogue, done by `sh` (host pid 4200, uid 1000) outside containers.
    ///
    /// # Panics
    /// If the catalogue does not know `name`.
    #[must_use]
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let Some(definition) = catalogue().get(name) else {
            let hint = similar(name, catalogue().iter().map(|event| event.name));
            panic!("the catalogue knows no event `{name}`{}", meant(hint));
        };
        let data = definition
            .carried()
            .map(|(name, field_type)| proto::EventValue {
                name: name.to_owned(),
                value: zero(field_type),
            })
            .collect();
        let event = proto::Event {
            timestamp: Some(timestamp_from_ns(EPOCH_NS)),
            id: definition.id,
            name: name.to_owned(),
            data,
            ..Default::default()
        };
        Self {
            recorded: RecordedEvent::from(event),
        }
        .process(4200, EPOCH_NS.cast_unsigned())
        .comm("sh")
        .uid(1000)
    }

    /// Sets a field. A whole number becomes the field's own width.
    ///
    /// # Panics
    /// If the event has no such field, or the value is not of its type.
    #[must_use]
    #[track_caller]
    pub fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        let entry = self.entry(field);
        let event = catalogue().get(&self.recorded.event.name);
        let declared = event.and_then(|event| event.field(field)?.field_type);
        let value = value.into();
        let value = match declared {
            None => value,
            Some(declared) => fit(declared, value.clone()).unwrap_or_else(|| {
                let (event, given) = (&self.recorded.event.name, FieldType::of(&value));
                panic!("{event}.{field} is {declared}, which {value:?} ({given}) does not fit; `set_exactly` sets it all the same")
            }),
        };
        self.recorded.event.data[entry].value = Some(value);
        self
    }

    /// Sets a field to exactly this value, even of a type that the catalogue does not have it.
    ///
    /// # Panics
    /// If the event has no such field.
    #[must_use]
    #[track_caller]
    pub fn set_exactly(mut self, field: &str, value: Value) -> Self {
        let entry = self.entry(field);
        self.recorded.event.data[entry].value = Some(value);
        self
    }

    /// Leaves a field out.
    ///
    /// # Panics
    /// If the event has no such field.
    #[must_use]
    #[track_caller]
    pub fn without(mut self, field: &str) -> Self {
        let entry = self.entry(field);
        self.recorded.event.data.remove(entry);
        self
    }

    /// Sets when it happened: ns since the Unix epoch.
    #[must_use]
    pub fn at_ns(mut self, ns: i64) -> Self {
        self.recorded.event.timestamp = Some(timestamp_from_ns(ns));
        self
    }

    /// Sets when it happened: so long after the moment at which test events happen by themselves, 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    /// If that is centuries later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        let ns = i64::try_from(time.as_nanos())
            .ok()
            .and_then(|ns| EPOCH_NS.checked_add(ns));
        self.at_ns(ns.unwrap_or_else(|| panic!("{time:?} is too long")))
    }

    /// Sets the acting process, by its leader: host pid and start in ns since the Unix epoch; the entity ids follow.
    #[must_use]
    pub fn process(mut self, host_pid: u32, start_ns: u64) -> Self {
        let id = entity_id(host_pid, start_ns);
        let process = self.process_mut();
        process.unique_id = Some(id);
        process.host_pid = Some(host_pid);
        process.pid = Some(host_pid);
        let thread = process.thread.get_or_insert_default();
        thread.unique_id = Some(id);
        thread.host_tid = Some(host_pid);
        thread.tid = Some(host_pid);
        thread.start_time = Some(timestamp_from_ns(start_ns.cast_signed()));
        self
    }

    /// Makes the actor another thread of its process.
    #[must_use]
    pub fn thread(mut self, host_tid: u32, start_ns: u64) -> Self {
        let thread = self.process_mut().thread.get_or_insert_default();
        thread.unique_id = Some(entity_id(host_tid, start_ns));
        thread.host_tid = Some(host_tid);
        thread.tid = Some(host_tid);
        thread.start_time = Some(timestamp_from_ns(start_ns.cast_signed()));
        self
    }

    /// Sets the pid in the process's own pid namespace.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.process_mut().pid = Some(pid);
        self
    }

    /// Sets the parent that the event carries.
    #[must_use]
    pub fn parent(mut self, host_pid: u32, start_ns: u64) -> Self {
        self.process_mut().ancestors = vec![proto::Process {
            unique_id: Some(entity_id(host_pid, start_ns)),
            host_pid: Some(host_pid),
            pid: Some(host_pid),
            ..Default::default()
        }];
        self
    }

    /// Sets comm.
    #[must_use]
    pub fn comm(mut self, comm: &str) -> Self {
        self.process_mut().thread.get_or_insert_default().name = comm.to_owned();
        self
    }

    /// Sets the path of the running binary.
    #[must_use]
    pub fn exe(mut self, path: &str) -> Self {
        self.process_mut().executable = Some(proto::Executable {
            path: path.to_owned(),
        });
        self
    }

    /// Sets the real user id.
    #[must_use]
    pub fn uid(mut self, uid: u32) -> Self {
        self.process_mut().real_user = Some(proto::User { id: Some(uid) });
        self
    }

    /// Sets the system call in progress.
    #[must_use]
    pub fn syscall(mut self, name: &str) -> Self {
        self.process_mut().thread.get_or_insert_default().syscall = name.to_owned();
        self
    }

    /// Puts it into a container.
    #[must_use]
    pub fn container(mut self, id: &str, started: bool) -> Self {
        self.recorded.event.workload.get_or_insert_default().container = Some(proto::Container {
            id: id.to_owned(),
            started,
            ..Default::default()
        });
        self
    }

    /// Names the container and its image. Without [`container`](Self::container) it has an empty id.
    #[must_use]
    pub fn image(mut self, container_name: &str, image: &str, digest: &str) -> Self {
        let container = self
            .recorded
            .event
            .workload
            .get_or_insert_default()
            .container
            .get_or_insert_default();
        container.name = container_name.to_owned();
        container.image = Some(proto::ContainerImage {
            name: image.to_owned(),
            repo_digests: vec![digest.to_owned()],
            ..Default::default()
        });
        self
    }

    /// Puts it into a Kubernetes pod.
    #[must_use]
    pub fn pod(mut self, name: &str, namespace: &str, uid: &str) -> Self {
        self.recorded.event.workload.get_or_insert_default().k8s = Some(proto::K8s {
            pod: Some(proto::Pod {
                name: name.to_owned(),
                uid: uid.to_owned(),
                ..Default::default()
            }),
            namespace: Some(proto::K8sNamespace {
                name: namespace.to_owned(),
            }),
        });
        self
    }

    /// Sets addresses of the user-space stack, innermost first.
    #[must_use]
    pub fn stack(mut self, addresses: &[u64]) -> Self {
        let addresses = addresses
            .iter()
            .map(|address| proto::StackAddress {
                address: *address,
                symbol: String::new(),
            })
            .collect();
        self.process_mut().thread.get_or_insert_default().user_stack_trace =
            Some(proto::UserStackTrace { addresses });
        self
    }

    /// Sets what the recorder knows beyond the event model.
    #[must_use]
    pub fn kernel(mut self, kernel: KernelContext) -> Self {
        self.recorded.kernel = kernel;
        self
    }

    /// The entity id of the acting process; 0 without one.
    #[must_use]
    pub fn entity_id(&self) -> u32 {
        let workload = self.recorded.event.workload.as_ref();
        let process = workload.and_then(|workload| workload.process.as_ref());
        process.and_then(|process| process.unique_id).unwrap_or_default()
    }

    /// The event as a recorder would have it.
    #[must_use]
    pub fn to_recorded(&self) -> RecordedEvent {
        self.recorded.clone()
    }

    fn process_mut(&mut self) -> &mut proto::Process {
        self.recorded
            .event
            .workload
            .get_or_insert_default()
            .process
            .get_or_insert_default()
    }

    /// The place of a field in the data.
    #[track_caller]
    fn entry(&self, field: &str) -> usize {
        let event = &self.recorded.event;
        let position = event.data.iter().position(|value| value.name == field);
        position.unwrap_or_else(|| {
            let names = || event.data.iter().map(|value| value.name.as_str());
            let hint = match similar(field, names()) {
                Some(name) => meant(Some(name)),
                None => format!("; it has {}", names().collect::<Vec<_>>().join(", ")),
            };
            panic!("event {} has no field `{field}`{hint}", event.name)
        })
    }
}

fn meant(name: Option<&str>) -> String {
    name.map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// `value` as a value of `field_type`: a whole number becomes as wide; `None` if it does not fit.
fn fit(field_type: FieldType, value: Value) -> Option<Value> {
    if FieldType::of(&value) == field_type {
        return Some(value);
    }
    let message = proto::EventValue {
        name: String::new(),
        value: Some(value),
    };
    let number = View::from_message(&message)?.as_integer()?;
    Some(match field_type {
        FieldType::Int32 => Value::Int32(number.try_into().ok()?),
        FieldType::Int64 => Value::Int64(number.try_into().ok()?),
        FieldType::UInt32 => Value::UInt32(number.try_into().ok()?),
        FieldType::UInt64 => Value::UInt64(number.try_into().ok()?),
        FieldType::Pointer => Value::Pointer(number.try_into().ok()?),
        _ => return None,
    })
}

/// The zero of a type; none for the messages that have no obvious one.
fn zero(field_type: FieldType) -> Option<Value> {
    Some(match field_type {
        FieldType::Int32 => Value::Int32(0),
        FieldType::Int64 => Value::Int64(0),
        FieldType::UInt32 => Value::UInt32(0),
        FieldType::UInt64 => Value::UInt64(0),
        FieldType::Pointer => Value::Pointer(0),
        FieldType::String => Value::from(""),
        FieldType::Bytes => Value::Bytes(Vec::new()),
        FieldType::Bool => Value::Bool(false),
        FieldType::Timespec => Value::from(0.0),
        FieldType::StringArray => Value::from(Vec::<String>::new()),
        FieldType::Int32Array => Value::from(Vec::<i32>::new()),
        FieldType::UInt64Array => Value::from(Vec::<u64>::new()),
        FieldType::SockAddr => Value::from(proto::SockAddr::default()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::batches;

    #[test]
    fn an_event_with_all_fields_lies_in_columns() {
        let event = TestEvent::new("security_file_open")
            .set("pathname", "/etc/shadow")
            .set("flags", 2_i64);
        let batches = batches(std::slice::from_ref(&event));
        assert_eq!(batches[0].rows_with_extra().count(), 0);
        let view = batches[0].event(0);
        assert_eq!(view.get::<i32>("flags"), Some(2));
        assert_eq!(view.thread().name(), "sh");
        assert_eq!(view.to_recorded(), event.to_recorded());
    }

    #[test]
    #[should_panic(expected = "security_file_open has no field `pathnam`; did you mean `pathname`?")]
    fn a_field_that_is_not_there_cannot_be_set() {
        let _ = TestEvent::new("security_file_open").set("pathnam", "/etc/shadow");
    }

    #[test]
    #[should_panic(expected = "no event `security_file_opened`; did you mean `security_file_open`?")]
    fn an_event_that_is_not_there_cannot_be_made() {
        let _ = TestEvent::new("security_file_opened");
    }

    #[test]
    #[should_panic(expected = "security_file_open.flags is int32, which Str(\"O_RDWR\") (str) does not fit")]
    fn a_value_must_be_of_its_fields_type() {
        let _ = TestEvent::new("security_file_open").set("flags", "O_RDWR");
    }

    #[test]
    #[should_panic(expected = "security_file_open.flags is int32, which UInt64(4294967296)")]
    fn a_number_must_fit_its_field() {
        let _ = TestEvent::new("security_file_open").set("flags", 1_u64 << 32);
    }

    #[test]
    fn who_did_it_where_and_when() {
        let event = TestEvent::new("ptrace")
            .container("c0ffee", true)
            .image("web", "nginx:1", "sha256:12")
            .pod("web-0", "shop", "uid-1")
            .after(Duration::from_millis(1500));
        let batches = batches(&[event]);
        let view = batches[0].event(0);
        assert_eq!(view.timestamp_ns(), Some(EPOCH_NS + 1_500_000_000));
        assert_eq!(
            (view.container().name(), view.container().image()),
            ("web", "nginx:1")
        );
        assert_eq!((view.k8s().pod_name(), view.k8s().namespace()), ("web-0", "shop"));
    }
}
