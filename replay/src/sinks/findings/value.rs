//! Values of fields as Tracee's flat events write them: plain JSON, with the name of a Go type beside it.

use detectors_api::catalogue::FieldType;
use detectors_api::event::RecordedEvent;
use detectors_api::json::{Flavour, write_line};
use detectors_api::proto::event_value::Value as Field;
use detectors_api::proto::{Event, EventValue, SaFamilyT, SockAddr};
use serde_json::{Map, Value, json};

/// Fields by name. Lookups take the first of a name, and so does this.
pub(in crate::sinks) fn object(fields: &[EventValue]) -> Value {
    let mut object = Map::new();
    for field in fields {
        object
            .entry(&field.name)
            .or_insert_with(|| field.value.as_ref().map_or(Value::Null, plain));
    }
    object.into()
}

/// Fields as arguments: name, type and value.
pub(super) fn arguments(fields: &[EventValue]) -> Vec<Value> {
    fields
        .iter()
        .map(|field| match &field.value {
            Some(value) => json!({
                "name": field.name,
                "type": go_type(FieldType::of(value)),
                "value": plain(value),
            }),
            None => json!({"name": field.name, "type": "", "value": null}),
        })
        .collect()
}

/// The Go type that an argument of this type has.
fn go_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Int32 => "int32",
        FieldType::Int64 => "int64",
        FieldType::UInt32 => "uint32",
        FieldType::UInt64 => "uint64",
        FieldType::String => "string",
        FieldType::Bytes => "[]byte",
        FieldType::Bool => "bool",
        FieldType::StringArray => "[]string",
        FieldType::Int32Array => "[2]int32",
        FieldType::UInt64Array => "[]uint64",
        FieldType::SockAddr => "SockAddr",
        FieldType::Credentials => "trace.SlimCred",
        FieldType::Timespec => "float64",
        FieldType::HookedSyscalls => "[]trace.HookedSymbolData",
        FieldType::HookedSeqOps => "map[string]trace.HookedSymbolData",
        FieldType::Ipv4 => "trace.ProtoIPv4",
        FieldType::Ipv6 => "trace.ProtoIPv6",
        FieldType::Tcp => "trace.ProtoTCP",
        FieldType::Udp => "trace.ProtoUDP",
        FieldType::Icmp => "trace.ProtoICMP",
        FieldType::Icmpv6 => "trace.ProtoICMPv6",
        FieldType::Dns => "trace.ProtoDNS",
        FieldType::DnsQuestions => "[]trace.DnsQueryData",
        FieldType::DnsResponses => "[]trace.DnsResponseData",
        FieldType::PacketMetadata => "trace.PktMeta",
        FieldType::Http => "trace.ProtoHTTP",
        FieldType::HttpRequest => "trace.ProtoHTTPRequest",
        FieldType::HttpResponse => "trace.ProtoHTTPResponse",
        // A value of any shape.
        FieldType::Struct => "",
        FieldType::Pointer => "trace.Pointer",
    }
}

/// The value, without a word about its type.
fn plain(value: &Field) -> Value {
    match value {
        Field::Int32(number) => (*number).into(),
        Field::Int64(number) => (*number).into(),
        Field::UInt32(number) => (*number).into(),
        Field::UInt64(number) | Field::Pointer(number) => (*number).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Bool(flag) => (*flag).into(),
        Field::StrArray(list) => list.value.as_slice().into(),
        Field::Int32Array(list) => list.value.as_slice().into(),
        Field::UInt64Array(list) => list.value.as_slice().into(),
        Field::Timespec(seconds) => seconds.value.into(),
        Field::Sockaddr(address) => socket_address(address),
        // These messages are a list or a map in a wrapper, which flat events do without.
        Field::HookedSyscalls(_) | Field::HookedSeqOps(_) => encoded(value)["value"].take(),
        Field::DnsQuestions(_) => encoded(value)["questions"].take(),
        Field::DnsResponses(_) => encoded(value)["responses"].take(),
        _ => encoded(value),
    }
}

/// A socket address: all of its members are text.
fn socket_address(address: &SockAddr) -> Value {
    let family = SaFamilyT::try_from(address.sa_family).map_or_else(
        |_| address.sa_family.to_string(),
        |family| family.as_str_name().to_owned(),
    );
    let mut members = Map::from_iter([("sa_family".to_owned(), family.into())]);
    let mut put = |key: &str, text: String| members.insert(key.to_owned(), text.into());
    match SaFamilyT::try_from(address.sa_family) {
        Ok(SaFamilyT::AfInet) => {
            put("sin_addr", address.sin_addr.clone());
            put("sin_port", address.sin_port.to_string());
        }
        Ok(SaFamilyT::AfInet6) => {
            put("sin6_addr", address.sin6_addr.clone());
            put("sin6_port", address.sin6_port.to_string());
            put("sin6_flowinfo", address.sin6_flowinfo.to_string());
            put("sin6_scopeid", address.sin6_scopeid.to_string());
        }
        Ok(SaFamilyT::AfUnix) => {
            put("sun_path", address.sun_path.clone());
        }
        _ => {}
    }
    members.into()
}

/// The value as the v1beta1 encoding has it.
fn encoded(value: &Field) -> Value {
    let event = Event {
        data: vec![EventValue {
            name: String::new(),
            value: Some(value.clone()),
        }],
        ..Event::default()
    };
    let mut line = Vec::new();
    write_line(&RecordedEvent::from(event), Flavour::V1beta1, &mut line);
    let mut event: Value = serde_json::from_slice(&line).unwrap_or_default();
    event["data"][0][FieldType::of(value).arm()].take()
}
