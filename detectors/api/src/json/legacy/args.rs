//! Arguments to event fields.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::types::{Declared, declared};
use super::{Leftovers, unmapped};
use crate::catalogue::{FieldType, catalogue};
use crate::json::unmapped::Path;
use crate::json::value::{Base64, FreeForm, Struct};
use crate::json::wire::{self, Quoted};
use crate::proto::event_value::Value;
use crate::proto::{
    DetectedFrom, DnsQuestions, DnsResponses, EventValue, HookedSeqOps, HookedSyscalls, Int32Array,
    StringArray, Timespec, UInt64Array,
};

/// The field that every system call ends with.
const RETURN_VALUE: &str = "returnValue";

/// The argument of a finding that tells what it was found in.
const ORIGIN: &str = "detectedFrom";

/// Arguments of an event.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Arguments<'a> {
    #[serde(borrow)]
    list: Vec<Argument<'a>>,
    /// Position of the argument that became the origin.
    #[serde(skip)]
    origin: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Argument<'a> {
    name: String,
    #[serde(rename = "type", borrow)]
    declared: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// What a finding was found in.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Origin<'a> {
    id: Quoted<u32>,
    name: String,
    #[serde(borrow, deserialize_with = "wire::or_empty")]
    args: Arguments<'a>,
    return_value: Option<Quoted<i64>>,
    #[serde(borrow)]
    parent: Option<Box<Self>>,
}

impl Arguments<'_> {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes the argument that tells what a finding was found in. If it cannot be read it stays an argument.
    pub(super) fn take_origin(&mut self, at: &[String], left: &mut Leftovers) -> Option<DetectedFrom> {
        let index = self
            .list
            .iter()
            .position(|argument| argument.name == ORIGIN && argument.value.is_some())?;
        let path = value_path(at, index);
        let mut ignored = Vec::new();
        let origin: Origin<'_> = unmapped::read(self.list[index].value?.get(), &path, &mut ignored).ok()?;
        left.ignored.append(&mut ignored);
        self.origin = Some(index);
        Some(origin.convert(&path, left))
    }

    /// The fields of the event called `event`. `at` is where the arguments are.
    pub(super) fn convert(self, event: &str, at: &[String], left: &mut Leftovers) -> Vec<EventValue> {
        let definition = catalogue().get(event);
        let origin = self.origin;
        self.list
            .into_iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != origin)
            .map(|(index, argument)| {
                let in_catalogue = definition
                    .and_then(|definition| definition.field(&argument.name))
                    .and_then(|field| field.field_type);
                argument.convert(in_catalogue, index, at, left)
            })
            .collect()
    }
}

impl Origin<'_> {
    fn convert(self, at: &[String], left: &mut Leftovers) -> DetectedFrom {
        let mut data = self.args.convert(&self.name, &step(at, "args"), left);
        add_return_value(
            &mut data,
            &self.name,
            self.return_value.map_or(0, |value| value.0),
        );
        DetectedFrom {
            id: self.id.0,
            data,
            parent: self
                .parent
                .map(|parent| Box::new(parent.convert(&step(at, "parent"), left))),
            name: self.name,
        }
    }
}

/// Adds the return value, which was a member of the event once, where it says something: the event has such a field and
/// the arguments do not, or it is not 0.
pub(super) fn add_return_value(data: &mut Vec<EventValue>, event: &str, value: i64) {
    let declared = || {
        catalogue()
            .get(event)
            .is_some_and(|definition| definition.field(RETURN_VALUE).is_some())
    };
    let there = data.iter().any(|field| field.name == RETURN_VALUE);
    if !there && (value != 0 || declared()) {
        data.push(EventValue {
            name: RETURN_VALUE.to_owned(),
            value: Some(Value::Int64(value)),
        });
    }
}

impl Argument<'_> {
    /// The field. Left over are a value that is not what its type says, and a type that is not evident from the field:
    /// one that we do not know, or that the value does not have (as when Tracee printed flags as text).
    fn convert(
        self,
        in_catalogue: Option<FieldType>,
        index: usize,
        at: &[String],
        left: &mut Leftovers,
    ) -> EventValue {
        let declared = declared(&self.declared);
        let path = value_path(at, index);
        let text = self.value.map_or("null", RawValue::get);
        let mut value = None;
        if text != "null" {
            let mut ignored = Vec::new();
            value = read(declared, in_catalogue, text, &path, &mut ignored);
            match value {
                Some(_) => left.ignored.append(&mut ignored),
                None => left.ignored.push(path),
            }
        }
        let evident = match declared {
            Declared::Type(field_type) => value
                .as_ref()
                .is_none_or(|value| FieldType::of(value) == field_type),
            Declared::Direction | Declared::Moment => value.is_some(),
            Declared::Unknown => self.declared.is_empty(),
        };
        if !evident {
            left.ignored.push(step(&step(at, &index.to_string()), "type"));
        }
        EventValue {
            name: self.name,
            value,
        }
    }
}

/// Reads a value by its declared type; where that says nothing, by the catalogue's, or by its looks.
fn read(
    declared: Declared,
    in_catalogue: Option<FieldType>,
    text: &str,
    at: &[String],
    ignored: &mut Vec<Path>,
) -> Option<Value> {
    let scalar = !text.starts_with(['{', '[']);
    match declared {
        Declared::Direction => direction(text, at, ignored),
        Declared::Moment => moment(text),
        Declared::Type(field_type) => typed(field_type, text, at, ignored)
            // Decoded to text, or wider than it should be.
            .or_else(|| scalar.then(|| by_looks(text)).flatten()),
        Declared::Unknown => in_catalogue
            .and_then(|field_type| typed(field_type, text, at, ignored))
            .or_else(|| by_looks(text)),
    }
}

/// Reads a value of a type; notes what it ignores only if it can be read.
fn typed(field_type: FieldType, text: &str, at: &[String], ignored: &mut Vec<Path>) -> Option<Value> {
    use FieldType as T;
    let mut source = Source { text, at, ignored };
    Some(match field_type {
        T::Int32 => Value::Int32(source.read()?),
        T::Int64 => Value::Int64(source.read()?),
        T::UInt32 => Value::UInt32(source.read()?),
        T::UInt64 => Value::UInt64(source.read()?),
        T::Pointer => Value::Pointer(source.read()?),
        T::String => Value::Str(source.read()?),
        T::Bytes => Value::Bytes(source.read::<Base64>()?.0),
        T::Bool => Value::Bool(source.read()?),
        T::StringArray => Value::StrArray(StringArray {
            value: source.read()?,
        }),
        T::Int32Array => Value::Int32Array(Int32Array {
            value: source.read()?,
        }),
        T::UInt64Array => Value::UInt64Array(UInt64Array {
            value: source.read()?,
        }),
        T::SockAddr => Value::Sockaddr(source.read()?),
        T::Credentials => Value::Credentials(source.read()?),
        T::Timespec => Value::Timespec(Timespec {
            value: Some(source.read()?),
        }),
        T::HookedSyscalls => Value::HookedSyscalls(HookedSyscalls {
            value: source.read()?,
        }),
        T::HookedSeqOps => Value::HookedSeqOps(HookedSeqOps {
            value: source.read()?,
        }),
        T::Ipv4 => Value::Ipv4(source.read()?),
        T::Ipv6 => Value::Ipv6(source.read()?),
        T::Tcp => Value::Tcp(source.read()?),
        T::Udp => Value::Udp(source.read()?),
        T::Icmp => Value::Icmp(source.read()?),
        T::Icmpv6 => Value::Icmpv6(source.read()?),
        T::Dns => Value::Dns(source.read()?),
        T::DnsQuestions => Value::DnsQuestions(DnsQuestions {
            questions: source.read()?,
        }),
        T::DnsResponses => Value::DnsResponses(DnsResponses {
            responses: source.read()?,
        }),
        T::PacketMetadata => Value::PacketMetadata(source.read()?),
        T::Http => Value::Http(source.read()?),
        T::HttpRequest => Value::HttpRequest(source.read()?),
        T::HttpResponse => Value::HttpResponse(source.read()?),
        T::Struct => Value::Struct(source.read::<Struct>()?.0),
    })
}

/// The JSON text of a value, and where it is.
struct Source<'a> {
    text: &'a str,
    at: &'a [String],
    ignored: &'a mut Vec<Path>,
}

impl Source<'_> {
    fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let before = self.ignored.len();
        let read = unmapped::read(self.text, self.at, self.ignored).ok();
        if read.is_none() {
            self.ignored.truncate(before);
        }
        read
    }
}

/// Reads a value whose type is not known. Lists of objects become an object with the one key `items`.
fn by_looks(text: &str) -> Option<Value> {
    if let Ok(number) = serde_json::from_str(text) {
        return Some(Value::Int64(number));
    }
    if let Ok(number) = serde_json::from_str(text) {
        return Some(Value::UInt64(number));
    }
    if let Ok(seconds) = serde_json::from_str(text) {
        return Some(Value::Timespec(Timespec { value: Some(seconds) }));
    }
    if let Ok(flag) = serde_json::from_str(text) {
        return Some(Value::Bool(flag));
    }
    if let Ok(text) = serde_json::from_str(text) {
        return Some(Value::Str(text));
    }
    if let Ok(value) = serde_json::from_str(text) {
        return Some(Value::StrArray(StringArray { value }));
    }
    if let Ok(value) = serde_json::from_str(text) {
        return Some(Value::UInt64Array(UInt64Array { value }));
    }
    if let Ok(Struct(object)) = serde_json::from_str(text) {
        return Some(Value::Struct(object));
    }
    let FreeForm(items) = serde_json::from_str(text).ok()?;
    Some(Value::Struct(prost_types::Struct {
        fields: [("items".to_owned(), items)].into(),
    }))
}

/// Direction of a packet.
fn direction(text: &str, at: &[String], ignored: &mut Vec<Path>) -> Option<Value> {
    #[derive(Deserialize)]
    struct Metadata {
        direction: i64,
    }

    let direction = match (Source { text, at, ignored }).read::<Metadata>()?.direction {
        0 => "unknown",
        1 => "ingress",
        2 => "egress",
        _ => return None,
    };
    Some(Value::Str(direction.to_owned()))
}

/// A moment as ns since the epoch.
fn moment(text: &str) -> Option<Value> {
    let text: String = serde_json::from_str(text).ok()?;
    let moment: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_nanosecond()).ok().map(Value::UInt64)
}

fn value_path(at: &[String], index: usize) -> Path {
    step(&step(at, &index.to_string()), "value")
}

fn step(at: &[String], next: &str) -> Path {
    let mut path = at.to_vec();
    path.push(next.to_owned());
    path
}
