//! The types of values that fields of events have, as members of `EventValue`.

use detectors_api::catalogue::FieldType;
use detectors_api::proto;
use detectors_api::proto::event_value::Value;

use super::Member;
use super::field::FieldValue;
use crate::cel::value::Val;

/// The members of `EventValue.value`, of which at most one is set.
pub(super) struct Variants;

macro_rules! variants {
    ($($position:literal $variant:ident $name:literal $rust:ty;)*) => {
        impl Variants {
            /// `name`, and the variants in the order of the interface.
            pub(super) const MEMBERS: [Member; FieldType::ALL.len() + 1] = [
                Member { name: "name", ty: String::ty },
                $(Member { name: $name, ty: <$rust as FieldValue>::ty }),*
            ];

            /// The value of a variant: the default of its type, unless it is the one that is set.
            pub(super) fn get(value: Option<&Value>, variant: usize) -> Val<'_> {
                match (variant, value) {
                    $(($position, Some(Value::$variant(value))) => FieldValue::value(value),)*
                    $(($position, _) => <$rust as FieldValue>::unset(),)*
                    _ => Val::Null,
                }
            }

            /// Whether a variant is the one that is set.
            pub(super) fn has(value: Option<&Value>, variant: usize) -> bool {
                match value {
                    $(Some(Value::$variant(_)) => variant == $position,)*
                    None => false,
                }
            }

            /// The value that is set.
            pub(super) fn any(value: &Value) -> Val<'_> {
                match value {
                    $(Value::$variant(value) => FieldValue::value(value),)*
                }
            }
        }
    };
}
variants! {
    0 Int32 "int32" i32;
    1 Int64 "int64" i64;
    2 UInt32 "u_int32" u32;
    3 UInt64 "u_int64" u64;
    4 Str "str" String;
    5 Bytes "bytes" Vec<u8>;
    6 Bool "bool" bool;
    7 StrArray "str_array" proto::StringArray;
    8 Int32Array "int32_array" proto::Int32Array;
    9 UInt64Array "u_int64_array" proto::UInt64Array;
    10 Sockaddr "sockaddr" proto::SockAddr;
    11 Credentials "credentials" proto::Credentials;
    12 Timespec "timespec" proto::Timespec;
    13 HookedSyscalls "hooked_syscalls" proto::HookedSyscalls;
    14 HookedSeqOps "hooked_seq_ops" proto::HookedSeqOps;
    15 Ipv4 "ipv4" proto::IPv4;
    16 Ipv6 "ipv6" proto::IPv6;
    17 Tcp "tcp" proto::Tcp;
    18 Udp "udp" proto::Udp;
    19 Icmp "icmp" proto::Icmp;
    20 Icmpv6 "icmpv6" proto::IcmPv6;
    21 Dns "dns" proto::Dns;
    22 DnsQuestions "dns_questions" proto::DnsQuestions;
    23 DnsResponses "dns_responses" proto::DnsResponses;
    24 PacketMetadata "packet_metadata" proto::PacketMetadata;
    25 Http "http" proto::Http;
    26 HttpRequest "http_request" proto::HttpRequest;
    27 HttpResponse "http_response" proto::HttpResponse;
    28 Struct "struct" prost_types::Struct;
    29 Pointer "pointer" u64;
}

/// The value of a field as `getEventData` gives it: lists by themselves, not in a message.
pub(in crate::cel) fn data_value(value: &Value) -> Val<'_> {
    match value {
        Value::StrArray(list) => list.value.value(),
        Value::Int32Array(list) => list.value.value(),
        Value::UInt64Array(list) => list.value.value(),
        Value::Timespec(seconds) => seconds.value.value(),
        value => Variants::any(value),
    }
}
