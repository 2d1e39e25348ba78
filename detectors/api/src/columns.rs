//! How events lie in Arrow columns.
//!
//! A batch holds events of one type: the common columns ([`SEQ`] …), the columns of the event's own fields in definition
//! order, and [`EXTRA`]. Rules, over the whole catalogue:
//!
//! * a data column never has the name of a common column: such a field's column starts with `data_`;
//! * one column name has one physical type: where events disagree about a field, the type that most of them use keeps the
//!   bare name (ties: the earlier in [`FieldType::ALL`]) and the others get a suffix, such as `flags_u64`;
//! * a socket address takes three columns: `X` (address or path), `X_family` and `X_port`;
//! * messages without a flat form (DNS, HTTP, credentials …) are kept as their protobuf bytes.
//!
//! Events that the catalogue does not know share one type, [`OTHER`], whose rows carry their name and keep all data in
//! [`EXTRA`]; so untrusted input cannot choose file names or their number.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::catalogue::{EventDefinition, FieldType, catalogue};

/// Global sequence number (u64): the total order of a capture.
pub const SEQ: &str = "seq";
/// When the event happened: ns since the Unix epoch, UTC. Null when the event has no timestamp.
pub const TIMESTAMP: &str = "timestamp";
/// Row of the process-context table (u32). Null when the event has neither workload nor policies nor kernel context.
pub const CTX: &str = "ctx";
/// `Event.id` (i32).
pub const EVENT_ID: &str = "event_id";
/// Name of the system call in progress. Null for none.
pub const THREAD_SYSCALL: &str = "thread_syscall";
/// Addresses of the user-space stack (u64), innermost first. Null when the event has none.
pub const USER_STACK: &str = "user_stack";
/// CPU on which it happened (u32), where the source told.
pub const PROCESSOR: &str = "processor";
/// Event name; only in batches of [`OTHER`].
pub const NAME: &str = "event_name";
/// Protobuf bytes of [`Extra`](crate::event::Extra): what the other columns cannot hold exactly. Null in the normal case.
pub const EXTRA: &str = "_extra";

/// The type under which events that the catalogue does not know are kept.
pub const OTHER: &str = "_other";

const COMMON: [&str; 9] = [
    SEQ,
    TIMESTAMP,
    CTX,
    EVENT_ID,
    THREAD_SYSCALL,
    USER_STACK,
    PROCESSOR,
    NAME,
    EXTRA,
];

/// How the values of a field lie in columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Physical {
    /// One `Int32` column.
    Int32,
    /// One `Int64` column.
    Int64,
    /// One `UInt32` column.
    UInt32,
    /// One `UInt64` column.
    UInt64,
    /// One `Float64` column.
    Float64,
    /// One `Boolean` column.
    Boolean,
    /// One `Dictionary(Int32, Utf8)` column.
    Text,
    /// One `Binary` column.
    Bytes,
    /// One `List(Utf8)` column.
    TextList,
    /// One `List(Int32)` column.
    Int32List,
    /// One `List(UInt64)` column.
    UInt64List,
    /// Three columns: `Dictionary(Int32, Utf8)` address, `Int32` family, `UInt32` port.
    SockAddr,
    /// One `Binary` column with the protobuf message.
    Message,
}

impl Physical {
    /// How values of `field_type` are kept.
    #[must_use]
    pub const fn of(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Int32 => Self::Int32,
            FieldType::Int64 => Self::Int64,
            FieldType::UInt32 => Self::UInt32,
            FieldType::UInt64 | FieldType::Pointer => Self::UInt64,
            FieldType::Timespec => Self::Float64,
            FieldType::Bool => Self::Boolean,
            FieldType::String => Self::Text,
            FieldType::Bytes => Self::Bytes,
            FieldType::StringArray => Self::TextList,
            FieldType::Int32Array => Self::Int32List,
            FieldType::UInt64Array => Self::UInt64List,
            FieldType::SockAddr => Self::SockAddr,
            _ => Self::Message,
        }
    }

    /// The type of the (first) column.
    #[must_use]
    pub fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        match self {
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float64 => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Text | Self::SockAddr => text(),
            Self::Bytes | Self::Message => DataType::Binary,
            Self::TextList => list(DataType::Utf8),
            Self::Int32List => list(DataType::Int32),
            Self::UInt64List => list(DataType::UInt64),
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Int32 => "i32",
            Self::Int64 => "i64",
            Self::UInt32 => "u32",
            Self::UInt64 => "u64",
            Self::Float64 => "f64",
            Self::Boolean => "bool",
            Self::Text => "str",
            Self::Bytes => "bytes",
            Self::TextList => "strs",
            Self::Int32List => "i32s",
            Self::UInt64List => "u64s",
            Self::SockAddr => "sockaddr",
            Self::Message => "pb",
        }
    }
}

fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The physical type of timestamps.
#[must_use]
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// A field of an event type and the columns that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldColumns {
    /// Field name, as in the event.
    pub name: &'static str,
    /// Type of the field.
    pub field_type: FieldType,
    /// How it is kept.
    pub physical: Physical,
    /// Name of the (first) column.
    pub column: String,
}

impl FieldColumns {
    /// Name of the column with the family of a socket address.
    #[must_use]
    pub fn family_column(&self) -> String {
        format!("{}_family", self.column)
    }

    /// Name of the column with the port of a socket address.
    #[must_use]
    pub fn port_column(&self) -> String {
        format!("{}_port", self.column)
    }

    fn arrow_fields(&self) -> Vec<Field> {
        let mut fields = vec![Field::new(&self.column, self.physical.data_type(), true)];
        if self.physical == Physical::SockAddr {
            fields.push(Field::new(self.family_column(), DataType::Int32, true));
            fields.push(Field::new(self.port_column(), DataType::UInt32, true));
        }
        fields
    }
}

/// The columns of one event type.
#[derive(Clone, Debug)]
pub struct Layout {
    name: &'static str,
    definition: Option<&'static EventDefinition>,
    fields: Vec<FieldColumns>,
    /// Position in the schema of the (first) column of each field.
    slots: Vec<usize>,
    schema: SchemaRef,
}

impl Layout {
    /// Event name, or [`OTHER`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The event's definition; `None` for [`OTHER`].
    #[must_use]
    pub fn definition(&self) -> Option<&'static EventDefinition> {
        self.definition
    }

    /// The fields in definition order, with their columns.
    #[must_use]
    pub fn fields(&self) -> &[FieldColumns] {
        &self.fields
    }

    /// The field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldColumns> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Position in the [schema](Self::schema) of the (first) column of each field; the family and the port of a socket address
    /// follow it.
    pub(crate) fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// The Arrow schema of a full batch.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn new(
        name: &'static str,
        definition: Option<&'static EventDefinition>,
        fields: Vec<FieldColumns>,
    ) -> Self {
        let mut columns = vec![
            Field::new(SEQ, DataType::UInt64, false),
            Field::new(TIMESTAMP, timestamp_type(), true),
            Field::new(CTX, DataType::UInt32, true),
            Field::new(EVENT_ID, DataType::Int32, false),
            Field::new(THREAD_SYSCALL, text(), true),
            Field::new(USER_STACK, Physical::UInt64List.data_type(), true),
            Field::new(PROCESSOR, DataType::UInt32, true),
        ];
        if definition.is_none() {
            columns.push(Field::new(NAME, text(), false));
        }
        let mut slots = Vec::with_capacity(fields.len());
        for field in &fields {
            slots.push(columns.len());
            columns.extend(field.arrow_fields());
        }
        columns.push(Field::new(EXTRA, DataType::Binary, true));
        Self {
            name,
            definition,
            fields,
            slots,
            schema: Arc::new(Schema::new(columns)),
        }
    }
}

/// The layout of the event type called `name`; of [`OTHER`] if the catalogue does not know it.
#[must_use]
pub fn layout(name: &str) -> &'static Arc<Layout> {
    static LAYOUTS: LazyLock<HashMap<&'static str, Arc<Layout>>> = LazyLock::new(layouts);
    static UNKNOWN: LazyLock<Arc<Layout>> = LazyLock::new(|| Arc::new(Layout::new(OTHER, None, Vec::new())));
    LAYOUTS.get(name).unwrap_or(&UNKNOWN)
}

fn layouts() -> HashMap<&'static str, Arc<Layout>> {
    let mut uses: BTreeMap<(&str, Physical), usize> = BTreeMap::new();
    for (name, field_type) in catalogue().iter().flat_map(EventDefinition::carried) {
        *uses.entry((name, Physical::of(field_type))).or_default() += 1;
    }
    let mut bare: BTreeMap<&str, (usize, Physical)> = BTreeMap::new();
    for ((name, physical), count) in uses {
        let best = bare.entry(name).or_insert((count, physical));
        if count > best.0 {
            *best = (count, physical);
        }
    }
    let column = |name: &str, physical: Physical| {
        let name = if COMMON.contains(&name) {
            format!("data_{name}")
        } else {
            name.to_owned()
        };
        if bare
            .get(name.as_str())
            .is_none_or(|(_, keeps)| *keeps == physical)
        {
            name
        } else {
            format!("{name}_{}", physical.suffix())
        }
    };
    catalogue()
        .iter()
        .map(|definition| {
            let fields = definition
                .carried()
                .map(|(name, field_type)| {
                    let physical = Physical::of(field_type);
                    FieldColumns {
                        name,
                        field_type,
                        physical,
                        column: column(name, physical),
                    }
                })
                .collect();
            (
                definition.name,
                Arc::new(Layout::new(definition.name, Some(definition), fields)),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_name_has_one_type_and_no_data_column_is_common() {
        let mut types: HashMap<String, DataType> = HashMap::new();
        for definition in catalogue().iter() {
            let layout = layout(definition.name);
            let mut seen = Vec::new();
            for field in layout.schema().fields() {
                assert!(
                    !seen.contains(field.name()),
                    "{}: two columns {}",
                    definition.name,
                    field.name()
                );
                seen.push(field.name().clone());
                let known = types
                    .entry(field.name().clone())
                    .or_insert_with(|| field.data_type().clone());
                assert_eq!(known, field.data_type(), "{}.{}", definition.name, field.name());
            }
            for field in layout.fields() {
                assert!(
                    !COMMON.contains(&field.column.as_str()),
                    "{}.{}",
                    definition.name,
                    field.column
                );
            }
        }
    }

    #[test]
    fn names_are_what_analysts_expect() {
        let column = |event: &str, field: &str| layout(event).field(field).map(|field| field.column.clone());
        assert_eq!(column("security_file_open", "flags").as_deref(), Some("flags"));
        assert_eq!(column("security_sb_mount", "flags").as_deref(), Some("flags_u64"));
        assert_eq!(
            column("signal_sched_process_fork", "timestamp").as_deref(),
            Some("data_timestamp")
        );
        assert_eq!(
            column("security_socket_connect", "remote_addr").as_deref(),
            Some("remote_addr")
        );
        assert_eq!(layout("no_such_event").name(), OTHER);
    }
}
