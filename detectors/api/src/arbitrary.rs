//! Events of every kind, for property tests (feature `arbitrary`).
//!
//! An event is made from a string of bytes, so it shrinks as the bytes do: fewer and smaller bytes make emptier events.
//! Most are of a type that the catalogue knows, and many of those deviate: fields missing, twice, in another order, of
//! another type, unknown. The rest is as wild as the messages allow. Doubles are never NaN, so that events compare.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use prost_types::Timestamp;
use prost_types::value::Kind;

use crate::catalogue::{FieldType, catalogue};
use crate::event::{KernelContext, RecordedEvent};
use crate::proto::event_value::Value;
use crate::proto::*;

/// Events of every kind.
pub fn recorded_event() -> impl Strategy<Value = RecordedEvent> {
    vec(any::<u8>(), 0..1500).prop_map(|bytes| recorded_event_from(&bytes))
}

/// The event that `bytes` make; any bytes make one.
#[must_use]
pub fn recorded_event_from(bytes: &[u8]) -> RecordedEvent {
    let mut source = Source { bytes, depth: 0 };
    let mut event: Event = source.take();
    if source.below(4) > 0 {
        known(&mut event, &mut source);
    }
    RecordedEvent {
        event,
        kernel: source.take(),
        unmapped: Some(unmapped(&mut source)).filter(|text| text != "{}"),
    }
}

/// Makes it an event of the catalogue, more or less.
fn known(event: &mut Event, source: &mut Source<'_>) {
    let index = source.below(256) * 3 + source.below(3);
    let definition = catalogue()
        .iter()
        .nth(index % catalogue().iter().len())
        .expect("the index is below the length");
    event.id = definition.id;
    event.name = definition.name.to_owned();
    event.data = definition
        .carried()
        .map(|(name, field_type)| EventValue {
            name: name.to_owned(),
            value: Some(value(field_type, source)),
        })
        .collect();
    let len = event.data.len();
    if len == 0 {
        return;
    }
    let at = source.below(len);
    match source.below(12) {
        1 => drop(event.data.remove(at)),
        2 => event.data.push(event.data[at].clone()),
        3 => event.data.swap(0, at),
        4 => event.data[at].value = None,
        5 => event.data[at] = source.take(),
        6 => event.data.push(source.take()),
        7 => event.data[at].value = Some(value(FieldType::ALL[source.below(30)], source)),
        8 => event.id = source.take(),
        _ => {}
    }
}

/// A JSON object from pointers to values.
fn unmapped(source: &mut Source<'_>) -> String {
    const VALUES: &[&str] = &["null", "0", "\"text\"", "[1,{\"a\":null}]", "{\"\\u0000\":1.50}"];
    let members: BTreeMap<String, usize> = source
        .take::<Vec<u8>>()
        .into_iter()
        .map(|index| (format!("/key{index}/0"), usize::from(index)))
        .collect();
    let members: Vec<_> = members
        .iter()
        .map(|(pointer, index)| format!("\"{pointer}\":{}", VALUES[index % VALUES.len()]))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Bytes that become an event. When there are no more, all that follows is zero or empty.
struct Source<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn take<T: Take>(&mut self) -> T {
        T::take(self)
    }

    /// The number of elements of something that can hold more of its kind.
    fn len(&mut self) -> usize {
        if self.depth > 4 || self.bytes.is_empty() {
            0
        } else {
            self.below(4)
        }
    }

    fn deeper<T>(&mut self, take: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let value = take(self);
        self.depth -= 1;
        value
    }
}

/// What can be made of bytes.
trait Take {
    fn take(source: &mut Source<'_>) -> Self;
}

impl Take for u8 {
    fn take(source: &mut Source<'_>) -> Self {
        source.byte()
    }
}

impl Take for bool {
    fn take(source: &mut Source<'_>) -> Self {
        source.below(2) == 1
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl Take for $integer {
            fn take(source: &mut Source<'_>) -> Self {
                match source.below(5) {
                    0 => 0,
                    1 => source.byte().into(),
                    2 => <$integer>::MIN,
                    3 => <$integer>::MAX,
                    _ => <$integer>::from_le_bytes(source.array()),
                }
            }
        })*
    };
}

integers!(i32, u32, i64, u64);

impl Take for f64 {
    fn take(source: &mut Source<'_>) -> Self {
        const SPECIAL: &[f64] = &[
            0.0,
            -0.0,
            1.5,
            -2.25,
            1e21,
            1e-7,
            123456.0,
            1234567.5,
            0.0001,
            0.00001,
            f64::INFINITY,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::EPSILON,
        ];
        let any = f64::from_le_bytes(source.array());
        if source.below(2) == 0 || any.is_nan() {
            SPECIAL[source.below(SPECIAL.len())]
        } else {
            any
        }
    }
}

impl Take for String {
    fn take(source: &mut Source<'_>) -> Self {
        const PIECES: &[&str] = &[
            "",
            "a",
            "/etc/passwd",
            " ",
            "\"",
            "\\",
            "\n",
            "\r\t",
            "\u{8}\u{c}",
            "\0",
            "\u{1f}",
            "\u{7f}",
            "<&>",
            "\u{2028}",
            "\u{2029}",
            "é",
            "日本",
            "😀",
            "\u{fffd}",
            "null",
            "%2f~1",
            "\\u0041",
        ];
        (0..source.len())
            .map(|_| PIECES[source.below(PIECES.len())])
            .collect()
    }
}

impl<T: Take> Take for Vec<T> {
    fn take(source: &mut Source<'_>) -> Self {
        source.deeper(|source| (0..source.len()).map(|_| source.take()).collect())
    }
}

impl<T: Take> Take for Option<T> {
    fn take(source: &mut Source<'_>) -> Self {
        source.deeper(|source| (source.len() > 0).then(|| source.take()))
    }
}

impl<T: Take> Take for Box<T> {
    fn take(source: &mut Source<'_>) -> Self {
        Self::new(source.take())
    }
}

impl<T: Take> Take for BTreeMap<String, T> {
    fn take(source: &mut Source<'_>) -> Self {
        source.deeper(|source| {
            (0..source.len())
                .map(|_| (source.take(), source.take()))
                .collect()
        })
    }
}

impl Take for Timestamp {
    fn take(source: &mut Source<'_>) -> Self {
        if source.below(8) == 1 {
            return Self {
                seconds: source.take(),
                nanos: source.take(),
            };
        }
        Self {
            seconds: i64::from(source.take::<i32>()),
            nanos: (source.take::<u32>() % 1_000_000_000) as i32,
        }
    }
}

impl Take for prost_types::Struct {
    fn take(source: &mut Source<'_>) -> Self {
        Self {
            fields: source.take(),
        }
    }
}

impl Take for prost_types::Value {
    fn take(source: &mut Source<'_>) -> Self {
        let kind = match source.below(8) {
            0 => None,
            1 => Some(Kind::NullValue(0)),
            2 => Some(Kind::NumberValue(source.take())),
            3 => Some(Kind::StringValue(source.take())),
            4 => Some(Kind::BoolValue(source.take())),
            5 => Some(Kind::StructValue(source.take())),
            6 => Some(Kind::ListValue(prost_types::ListValue {
                values: source.take(),
            })),
            _ => Some(Kind::NullValue(source.take())),
        };
        Self { kind }
    }
}

impl Take for EventValue {
    fn take(source: &mut Source<'_>) -> Self {
        let field_type = FieldType::ALL[source.below(30)];
        Self {
            name: source.take(),
            value: (source.below(6) > 0).then(|| value(field_type, source)),
        }
    }
}

fn value(field_type: FieldType, source: &mut Source<'_>) -> Value {
    use FieldType as T;
    match field_type {
        T::Int32 => Value::Int32(source.take()),
        T::Int64 => Value::Int64(source.take()),
        T::UInt32 => Value::UInt32(source.take()),
        T::UInt64 => Value::UInt64(source.take()),
        T::String => Value::Str(source.take()),
        T::Bytes => Value::Bytes(source.take()),
        T::Bool => Value::Bool(source.take()),
        T::StringArray => Value::StrArray(source.take()),
        T::Int32Array => Value::Int32Array(source.take()),
        T::UInt64Array => Value::UInt64Array(source.take()),
        T::SockAddr => Value::Sockaddr(source.take()),
        T::Credentials => Value::Credentials(source.take()),
        T::Timespec => Value::Timespec(source.take()),
        T::HookedSyscalls => Value::HookedSyscalls(source.take()),
        T::HookedSeqOps => Value::HookedSeqOps(source.take()),
        T::Ipv4 => Value::Ipv4(source.take()),
        T::Ipv6 => Value::Ipv6(source.take()),
        T::Tcp => Value::Tcp(source.take()),
        T::Udp => Value::Udp(source.take()),
        T::Icmp => Value::Icmp(source.take()),
        T::Icmpv6 => Value::Icmpv6(source.take()),
        T::Dns => Value::Dns(source.take()),
        T::DnsQuestions => Value::DnsQuestions(source.take()),
        T::DnsResponses => Value::DnsResponses(source.take()),
        T::PacketMetadata => Value::PacketMetadata(source.take()),
        T::Http => Value::Http(source.take()),
        T::HttpRequest => Value::HttpRequest(source.take()),
        T::HttpResponse => Value::HttpResponse(source.take()),
        T::Struct => Value::Struct(source.take()),
        T::Pointer => Value::Pointer(source.take()),
    }
}

/// Messages and their members.
macro_rules! messages {
    ($($message:ident { $($member:ident),* })*) => {
        $(impl Take for $message {
            fn take(source: &mut Source<'_>) -> Self {
                Self { $($member: source.take()),* }
            }
        })*
    };
}

messages! {
    Event { timestamp, id, name, policies, workload, data, threat, detected_from }
    Policies { matched }
    Workload { process, container, k8s }
    Process { executable, unique_id, host_pid, pid, real_user, thread, ancestors }
    Executable { path }
    User { id }
    Thread { start_time, name, unique_id, host_tid, tid, syscall, compat, user_stack_trace }
    UserStackTrace { addresses }
    StackAddress { address, symbol }
    Container { id, name, image, started }
    ContainerImage { id, repo_digests, name }
    K8s { pod, namespace }
    Pod { name, uid, labels }
    K8sNamespace { name }
    DetectedFrom { id, name, data, parent }
    Threat { description, mitre, severity, name, properties }
    Mitre { tactic, technique }
    MitreTactic { name }
    MitreTechnique { id, name }
    KernelContext { processor, cgroup_id, mount_ns, pid_ns, host_name }
    StringArray { value }
    Int32Array { value }
    UInt64Array { value }
    SockAddr { sa_family, sun_path, sin_addr, sin_port, sin6_addr, sin6_port, sin6_flowinfo, sin6_scopeid }
    Credentials {
        uid, gid, suid, sgid, euid, egid, fsuid, fsgid, user_namespace, secure_bits, cap_inheritable, cap_permitted,
        cap_effective, cap_bounding, cap_ambient
    }
    Timespec { value }
    HookedSyscalls { value }
    HookedSymbolData { symbol_name, module_owner }
    HookedSeqOps { value }
    IPv4 { version, ihl, tos, length, id, flags, frag_offset, ttl, protocol, checksum, src_ip, dst_ip }
    IPv6 { version, traffic_class, flow_label, length, next_header, hop_limit, src_ip, dst_ip }
    Tcp {
        src_port, dst_port, seq, ack, data_offset, fin_flag, syn_flag, rst_flag, psh_flag, ack_flag, urg_flag,
        ece_flag, cwr_flag, ns_flag, window, checksum, urgent
    }
    Udp { src_port, dst_port, length, checksum }
    Icmp { type_code, checksum, id, seq }
    IcmPv6 { type_code, checksum }
    DnsQuestions { questions }
    DnsResponses { responses }
    Dns {
        id, qr, op_code, aa, tc, rd, ra, z, response_code, qd_count, an_count, ns_count, ar_count, questions, answers,
        authorities, additionals
    }
    DnsQuestion { name, r#type, class }
    DnsResourceRecord { name, r#type, class, ttl, ip, ns, cname, ptr, txts, soa, srv, mx, opt, uri, txt }
    Dnssoa { mname, rname, serial, refresh, retry, expire, minimum }
    Dnssrv { priority, weight, port, name }
    Dnsmx { preference, name }
    Dnsuri { priority, weight, target }
    Dnsopt { code, data }
    Http { direction, method, protocol, host, uri_path, status, status_code, headers, content_length }
    HttpRequest { method, protocol, host, uri_path, headers, content_length }
    HttpResponse { status, status_code, protocol, headers, content_length }
    HttpHeader { header }
    PacketMetadata { src_ip, dst_ip, src_port, dst_port, protocol, packet_len, iface, direction }
    DnsQueryData { query, query_type, query_class }
    DnsAnswer { r#type, ttl, answer }
    DnsResponseData { dns_query_data, dns_answer }
}
