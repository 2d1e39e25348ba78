//! Event fields: the value's type is its key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_types::value::Kind;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::wire::{Quoted, exact};
use crate::catalogue::FieldType;
use crate::proto::EventValue;
use crate::proto::event_value::Value;

/// `{"name": …, "<type>": …}`. A second value and unknown keys are ignored (and so noticed by the reader).
impl<'de> Deserialize<'de> for EventValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EventValueVisitor;

        impl<'de> Visitor<'de> for EventValueVisitor {
            type Value = EventValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event field")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut name = None;
                let mut value = None;
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Name if name.is_some() => return Err(de::Error::duplicate_field("name")),
                        Key::Name => name = Some(map.next_value()?),
                        // Nothing but null is ever there.
                        Key::NoValue => map.next_value::<()>()?,
                        Key::Value(field_type) if value.is_none() => {
                            value = Some(next_value(&mut map, field_type)?);
                        }
                        Key::Value(_) | Key::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(EventValue {
                    name: name.unwrap_or_default(),
                    value,
                })
            }
        }

        deserializer.deserialize_map(EventValueVisitor)
    }
}

enum Key {
    Name,
    NoValue,
    Value(FieldType),
    Unknown,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key of an event field")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
                Ok(match key {
                    "name" => Key::Name,
                    "value" => Key::NoValue,
                    _ => FieldType::from_arm(key).map_or(Key::Unknown, Key::Value),
                })
            }
        }

        deserializer.deserialize_identifier(KeyVisitor)
    }
}

fn next_value<'de, A: MapAccess<'de>>(map: &mut A, field_type: FieldType) -> Result<Value, A::Error> {
    Ok(match field_type {
        FieldType::Int32 => Value::Int32(map.next_value()?),
        FieldType::Int64 => Value::Int64(map.next_value::<Quoted<_>>()?.0),
        FieldType::UInt32 => Value::UInt32(map.next_value()?),
        FieldType::UInt64 => Value::UInt64(map.next_value::<Quoted<_>>()?.0),
        FieldType::String => Value::Str(map.next_value()?),
        FieldType::Bytes => Value::Bytes(map.next_value::<Base64>()?.0),
        FieldType::Bool => Value::Bool(map.next_value()?),
        FieldType::StringArray => Value::StrArray(message(map)?),
        FieldType::Int32Array => Value::Int32Array(message(map)?),
        FieldType::UInt64Array => Value::UInt64Array(message(map)?),
        FieldType::SockAddr => Value::Sockaddr(message(map)?),
        FieldType::Credentials => Value::Credentials(message(map)?),
        FieldType::Timespec => Value::Timespec(message(map)?),
        FieldType::HookedSyscalls => Value::HookedSyscalls(message(map)?),
        FieldType::HookedSeqOps => Value::HookedSeqOps(message(map)?),
        FieldType::Ipv4 => Value::Ipv4(message(map)?),
        FieldType::Ipv6 => Value::Ipv6(message(map)?),
        FieldType::Tcp => Value::Tcp(message(map)?),
        FieldType::Udp => Value::Udp(message(map)?),
        FieldType::Icmp => Value::Icmp(message(map)?),
        FieldType::Icmpv6 => Value::Icmpv6(message(map)?),
        FieldType::Dns => Value::Dns(message(map)?),
        FieldType::DnsQuestions => Value::DnsQuestions(message(map)?),
        FieldType::DnsResponses => Value::DnsResponses(message(map)?),
        FieldType::PacketMetadata => Value::PacketMetadata(message(map)?),
        FieldType::Http => Value::Http(message(map)?),
        FieldType::HttpRequest => Value::HttpRequest(message(map)?),
        FieldType::HttpResponse => Value::HttpResponse(message(map)?),
        FieldType::Struct => Value::Struct(message::<Struct, _>(map)?.0),
        FieldType::Pointer => Value::Pointer(map.next_value::<Quoted<_>>()?.0),
    })
}

/// A message. Null is an empty one: Tracee writes so where it has none, and in protobuf there is no difference.
fn message<'de, T: Deserialize<'de> + Default, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    map.next_value::<Option<T>>().map(Option::unwrap_or_default)
}

/// Bytes as standard base64 with padding.
pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64Visitor;

        impl Visitor<'_> for Base64Visitor {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64 text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                STANDARD
                    .decode(text)
                    .map(Base64)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Base64Visitor)
    }
}

/// A free-form object. An integer that no double holds exactly is refused, so that it is not changed unnoticed.
#[derive(Default)]
pub(super) struct Struct(pub(super) prost_types::Struct);

impl<'de> Deserialize<'de> for Struct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StructVisitor;

        impl<'de> Visitor<'de> for StructVisitor {
            type Value = Struct;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                object(map).map(Struct)
            }
        }

        deserializer.deserialize_map(StructVisitor)
    }
}

fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<prost_types::Struct, A::Error> {
    let mut object = prost_types::Struct::default();
    while let Some((key, FreeForm(value))) = map.next_entry()? {
        object.fields.insert(key, value);
    }
    Ok(object)
}

/// A value of a free-form object.
pub(super) struct FreeForm(pub(super) prost_types::Value);

impl<'de> Deserialize<'de> for FreeForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FreeFormVisitor;

        impl<'de> Visitor<'de> for FreeFormVisitor {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Kind::NullValue(0))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Kind::BoolValue(flag))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Kind::NumberValue(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                exact(number).map(Kind::NumberValue)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                exact(number).map(Kind::NumberValue)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Kind::StringValue(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(FreeForm(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Kind::ListValue(prost_types::ListValue { values }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                object(map).map(Kind::StructValue)
            }
        }

        let kind = deserializer.deserialize_any(FreeFormVisitor)?;
        Ok(Self(prost_types::Value { kind: Some(kind) }))
    }
}
