//! An event made by hand.

use crate::catalogue::{FieldType, catalogue};
use crate::entity::entity_id;
use crate::event::{KernelContext, RecordedEvent, Value as View, timestamp_from_ns};
use crate::proto;
use crate::proto::event_value::Value;

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
    pub fn new(name: &str) -> Self {
        let definition = catalogue()
            .get(name)
            .unwrap_or_else(|| panic!("the catalogue knows no event `{name}`"));
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
    /// If the event has no such field, or a whole number does not fit.
    #[must_use]
    pub fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        let name = self.recorded.event.name.clone();
        let definition = catalogue()
            .get(&name)
            .and_then(|event| event.field(field)?.field_type)
            .unwrap_or_else(|| panic!("event {name} has no field `{field}`"));
        let value = fit(definition, value.into());
        let value =
            value.unwrap_or_else(|| panic!("{name}.{field} is {definition}: the number does not fit"));
        self.entry(field).value = Some(value);
        self
    }

    /// Sets a field to exactly this value, even of a type that the catalogue does not have it.
    ///
    /// # Panics
    /// If the event has no such field.
    #[must_use]
    pub fn set_exactly(mut self, field: &str, value: Value) -> Self {
        self.entry(field).value = Some(value);
        self
    }

    /// Leaves a field out.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.recorded.event.data.retain(|value| value.name != field);
        self
    }

    /// Sets when it happened: ns since the Unix epoch.
    #[must_use]
    pub fn at_ns(mut self, ns: i64) -> Self {
        self.recorded.event.timestamp = Some(timestamp_from_ns(ns));
        self
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

    fn entry(&mut self, field: &str) -> &mut proto::EventValue {
        let event = &mut self.recorded.event;
        event
            .data
            .iter_mut()
            .find(|value| value.name == field)
            .unwrap_or_else(|| panic!("event {} has no field `{field}`", event.name))
    }
}

/// `value` as a value of `field_type`, if both are whole numbers; `None` if it does not fit.
fn fit(field_type: FieldType, value: Value) -> Option<Value> {
    let message = proto::EventValue {
        name: String::new(),
        value: Some(value.clone()),
    };
    let Some(number) = View::from_message(&message).and_then(|view| view.as_integer()) else {
        return Some(value);
    };
    Some(match field_type {
        FieldType::Int32 => Value::Int32(number.try_into().ok()?),
        FieldType::Int64 => Value::Int64(number.try_into().ok()?),
        FieldType::UInt32 => Value::UInt32(number.try_into().ok()?),
        FieldType::UInt64 => Value::UInt64(number.try_into().ok()?),
        FieldType::Pointer => Value::Pointer(number.try_into().ok()?),
        _ => value,
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
    #[should_panic(expected = "security_file_open has no field `path`")]
    fn a_field_that_is_not_there_cannot_be_set() {
        let _ = TestEvent::new("security_file_open").set("path", "/etc/shadow");
    }
}
