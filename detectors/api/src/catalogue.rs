//! The catalogue: what events there are, with their ids, versions, fields and types.
//!
//! The data is `data/events.tsv`, compiled in. It is read once, on first use. The catalogue is closed: events it does not
//! know are still kept by captures, in full, but detectors cannot subscribe to them.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::proto::event_value::Value;

static TABLE: &str = include_str!("../data/events.tsv");

/// The version of Tracee whose detector API and catalogue these are: the first with the API. Detectors that ask for other
/// versions are refused.
pub const TRACEE_VERSION: Version = Version::new(0, 25, 0);

/// A semantic version, of an event definition or of Tracee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// Patch number.
    pub patch: u64,
}

impl Version {
    /// A version from its three numbers.
    #[must_use]
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `major.minor.patch`; missing numbers are 0. `None` where a part is no number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().unwrap_or(Some(0));
        Some(Self::new(next()?, next()?, next()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The type of a field: which member of `EventValue.value` carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "one for one the members of EventValue.value, documented there"
)]
pub enum FieldType {
    Int32,
    Int64,
    UInt32,
    UInt64,
    String,
    Bytes,
    Bool,
    StringArray,
    Int32Array,
    UInt64Array,
    SockAddr,
    Credentials,
    Timespec,
    HookedSyscalls,
    HookedSeqOps,
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
    Dns,
    DnsQuestions,
    DnsResponses,
    PacketMetadata,
    Http,
    HttpRequest,
    HttpResponse,
    Struct,
    Pointer,
}

impl FieldType {
    /// Every type, in the order of the interface.
    pub const ALL: [Self; 30] = {
        use FieldType::*;
        [
            Int32,
            Int64,
            UInt32,
            UInt64,
            String,
            Bytes,
            Bool,
            StringArray,
            Int32Array,
            UInt64Array,
            SockAddr,
            Credentials,
            Timespec,
            HookedSyscalls,
            HookedSeqOps,
            Ipv4,
            Ipv6,
            Tcp,
            Udp,
            Icmp,
            Icmpv6,
            Dns,
            DnsQuestions,
            DnsResponses,
            PacketMetadata,
            Http,
            HttpRequest,
            HttpResponse,
            Struct,
            Pointer,
        ]
    };

    /// The member's name in the interface, such as `u_int64`; also the key of the value in v1beta1 JSON.
    #[must_use]
    pub const fn arm(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt32 => "u_int32",
            Self::UInt64 => "u_int64",
            Self::String => "str",
            Self::Bytes => "bytes",
            Self::Bool => "bool",
            Self::StringArray => "str_array",
            Self::Int32Array => "int32_array",
            Self::UInt64Array => "u_int64_array",
            Self::SockAddr => "sockaddr",
            Self::Credentials => "credentials",
            Self::Timespec => "timespec",
            Self::HookedSyscalls => "hooked_syscalls",
            Self::HookedSeqOps => "hooked_seq_ops",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Dns => "dns",
            Self::DnsQuestions => "dns_questions",
            Self::DnsResponses => "dns_responses",
            Self::PacketMetadata => "packet_metadata",
            Self::Http => "http",
            Self::HttpRequest => "http_request",
            Self::HttpResponse => "http_response",
            Self::Struct => "struct",
            Self::Pointer => "pointer",
        }
    }

    /// The type with this [`arm`](Self::arm).
    #[must_use]
    pub fn from_arm(arm: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field_type| field_type.arm() == arm)
    }

    /// The type that carries `value`.
    #[must_use]
    pub const fn of(value: &Value) -> Self {
        match value {
            Value::Int32(_) => Self::Int32,
            Value::Int64(_) => Self::Int64,
            Value::UInt32(_) => Self::UInt32,
            Value::UInt64(_) => Self::UInt64,
            Value::Str(_) => Self::String,
            Value::Bytes(_) => Self::Bytes,
            Value::Bool(_) => Self::Bool,
            Value::StrArray(_) => Self::StringArray,
            Value::Int32Array(_) => Self::Int32Array,
            Value::UInt64Array(_) => Self::UInt64Array,
            Value::Sockaddr(_) => Self::SockAddr,
            Value::Credentials(_) => Self::Credentials,
            Value::Timespec(_) => Self::Timespec,
            Value::HookedSyscalls(_) => Self::HookedSyscalls,
            Value::HookedSeqOps(_) => Self::HookedSeqOps,
            Value::Ipv4(_) => Self::Ipv4,
            Value::Ipv6(_) => Self::Ipv6,
            Value::Tcp(_) => Self::Tcp,
            Value::Udp(_) => Self::Udp,
            Value::Icmp(_) => Self::Icmp,
            Value::Icmpv6(_) => Self::Icmpv6,
            Value::Dns(_) => Self::Dns,
            Value::DnsQuestions(_) => Self::DnsQuestions,
            Value::DnsResponses(_) => Self::DnsResponses,
            Value::PacketMetadata(_) => Self::PacketMetadata,
            Value::Http(_) => Self::Http,
            Value::HttpRequest(_) => Self::HttpRequest,
            Value::HttpResponse(_) => Self::HttpResponse,
            Value::Struct(_) => Self::Struct,
            Value::Pointer(_) => Self::Pointer,
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.arm())
    }
}

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDefinition {
    /// Field name, unique within the event.
    pub name: &'static str,
    /// Type as the event's definition writes it, such as `trace.Pointer` or `uint16`.
    pub declared_type: &'static str,
    /// Type that carries it. `None` for the few fields that do not survive into v1beta1; such a field is never present.
    pub field_type: Option<FieldType>,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventClass {
    /// A system call.
    Syscall,
    /// Another kernel hook.
    Common,
    /// Derived in user space.
    User,
    /// Capture pseudo-event.
    Capture,
    /// Control-plane signal.
    Signal,
    /// Test event.
    Test,
}

impl EventClass {
    /// The name in the catalogue's data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::Common => "common",
            Self::User => "userspace",
            Self::Capture => "capture",
            Self::Signal => "signal",
            Self::Test => "test",
        }
    }
}

/// What there is to know about an event type.
#[derive(Clone, Debug)]
pub struct EventDefinition {
    /// Public id: what `Event.id` holds at the boundary.
    pub id: i32,
    /// Event name.
    pub name: &'static str,
    /// Version; 0.0.0 where none is given.
    pub version: Version,
    /// Flagged as a system call.
    pub syscall: bool,
    /// Tags used for selection; `default` means active when nothing is selected.
    pub sets: Vec<&'static str>,
    /// Fields in definition order.
    pub fields: Vec<FieldDefinition>,
    /// Never printed unless selected.
    pub internal: bool,
    /// Where it comes from.
    pub class: EventClass,
    /// Id inside Tracee on amd64; the one in `detected_from` of its own detections.
    pub internal_id_amd64: i32,
    /// Id inside Tracee on arm64.
    pub internal_id_arm64: i32,
    /// Of a system call, its number in the table of 32-bit callers on amd64.
    pub number_i386: Option<u32>,
}

impl EventDefinition {
    /// The field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldDefinition> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields that an event carries, in order: those with a type.
    pub fn carried(&self) -> impl Iterator<Item = (&'static str, FieldType)> {
        self.fields
            .iter()
            .filter_map(|field| Some((field.name, field.field_type?)))
    }
}

/// All event definitions.
#[derive(Debug)]
pub struct Catalogue {
    events: Vec<EventDefinition>,
    by_name: HashMap<&'static str, usize>,
    by_internal_id: HashMap<i32, usize>,
}

impl Catalogue {
    /// The definition of the event called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&EventDefinition> {
        self.by_name.get(name).map(|index| &self.events[*index])
    }

    /// The definition whose id inside Tracee on amd64 is `id`.
    #[must_use]
    pub fn by_internal_id(&self, id: i32) -> Option<&EventDefinition> {
        self.by_internal_id.get(&id).map(|index| &self.events[*index])
    }

    /// All definitions, in the order of the data.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &EventDefinition> {
        self.events.iter()
    }

    fn parse(table: &'static str) -> Option<Self> {
        let mut lines = table.lines();
        let header: Vec<_> = lines.next()?.split('\t').collect();
        let column = |name| header.iter().position(|title| *title == name);
        let (id, name, version, syscall) = (
            column("id")?,
            column("name")?,
            column("version")?,
            column("syscall")?,
        );
        let (sets, fields, internal, class) = (
            column("sets")?,
            column("fields")?,
            column("internal")?,
            column("class")?,
        );
        let (amd64, arm64, i386, arms) = (
            column("internal_id_amd64")?,
            column("internal_id_arm64")?,
            column("syscall32_nr_amd64")?,
            column("value_arms")?,
        );

        let pairs = |text: &'static str| {
            text.split(';')
                .filter(|item| !item.is_empty())
                .map(|item| item.split_once(':'))
        };
        let events: Vec<_> = lines
            .map(|line| {
                let cells: Vec<_> = line.split('\t').collect();
                let cell = |index: usize| cells.get(index).copied();
                let mut carried = pairs(cell(arms)?);
                let fields = pairs(cell(fields)?)
                    .map(|field| {
                        let ((name, declared), (arm_name, arm)) = (field?, carried.next()??);
                        (name == arm_name).then_some(FieldDefinition {
                            name,
                            declared_type: declared.trim_end_matches('*'),
                            field_type: FieldType::from_arm(arm),
                        })
                    })
                    .collect::<Option<_>>()?;
                Some(EventDefinition {
                    id: cell(id)?.parse().ok()?,
                    name: cell(name)?,
                    version: Version::parse(cell(version)?)?,
                    syscall: cell(syscall)? == "y",
                    sets: cell(sets)?.split(',').filter(|set| !set.is_empty()).collect(),
                    fields,
                    internal: cell(internal)? == "y",
                    class: match cell(class)? {
                        "syscall" => EventClass::Syscall,
                        "userspace" => EventClass::User,
                        "common" => EventClass::Common,
                        "capture" => EventClass::Capture,
                        "signal" => EventClass::Signal,
                        "test" => EventClass::Test,
                        _ => return None,
                    },
                    internal_id_amd64: cell(amd64)?.parse().ok()?,
                    internal_id_arm64: cell(arm64)?.parse().ok()?,
                    number_i386: match cell(i386)? {
                        "" => None,
                        number => Some(number.parse().ok()?),
                    },
                })
            })
            .collect::<Option<_>>()?;
        Some(Self {
            by_name: events
                .iter()
                .enumerate()
                .map(|(index, event): (_, &EventDefinition)| (event.name, index))
                .collect(),
            by_internal_id: events
                .iter()
                .enumerate()
                .map(|(index, event)| (event.internal_id_amd64, index))
                .collect(),
            events,
        })
    }
}

/// The catalogue.
///
/// # Panics
/// If the compiled-in data is malformed, which the tests rule out.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> =
        LazyLock::new(|| Catalogue::parse(TABLE).expect("the compiled-in catalogue is well-formed"));
    &CATALOGUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_every_definition() {
        assert_eq!(catalogue().iter().len(), 589);
        assert_eq!(catalogue().by_name.len(), 589, "names are unique");
        let fields: usize = catalogue().iter().map(|event| event.fields.len()).sum();
        assert_eq!(fields, 2215);
        let untyped: Vec<_> = catalogue()
            .iter()
            .flat_map(|event| event.fields.iter().map(move |field| (event.name, field)))
            .filter(|(_, field)| field.field_type.is_none())
            .map(|(event, field)| format!("{event}.{}", field.name))
            .collect();
        assert_eq!(
            untyped,
            [
                "security_kernel_read_file.type",
                "security_kernel_post_read_file.type"
            ]
        );
    }

    #[test]
    fn file_open_is_as_tracee_has_it() {
        let open = catalogue().get("security_file_open").expect("known event");
        assert_eq!((open.id, open.internal_id_amd64), (1032, 732));
        assert_eq!(open.version, Version::new(1, 0, 0));
        assert_eq!(
            open.field("flags").and_then(|field| field.field_type),
            Some(FieldType::Int32)
        );
        assert_eq!(
            catalogue().by_internal_id(732).map(|event| event.name),
            Some("security_file_open")
        );
    }
}
