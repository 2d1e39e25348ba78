//! The messages and their members.

use std::sync::LazyLock;

use detectors_api::proto;

use super::field::{Empty, FieldValue};
use super::variant::Variants;
use super::{Descriptor, Member, Message};
use crate::cel::types::Type;
use crate::cel::value::Val;

/// The type of a member, by how it is read.
fn ty<M, T: FieldValue>(_: fn(&M) -> &T) -> Type {
    T::ty()
}

/// Lists messages: Rust type, name in the interface, and all members, with their names where Rust calls them otherwise; then
/// names that stand for a path of members.
macro_rules! messages {
    (@name $member:ident) => { stringify!($member) };
    (@name $member:ident $name:literal) => { $name };
    ($(
        $message:ident $name:literal { $($member:ident $(= $member_name:literal)?),* }
        $([$($alias:ident: $($step:ident).*),*])?
    )*) => {
        $(
            impl Message for proto::$message {
                fn descriptor(&self) -> &'static Descriptor {
                    Self::static_descriptor()
                }
                fn get(&self, member: usize) -> Val<'_> {
                    // Naming all members makes a new one an error here.
                    let Self { $($member),* } = self;
                    let mut position = 0;
                    $(
                        if member == position {
                            return $member.value();
                        }
                        position += 1;
                    )*
                    let _ = position;
                    Val::Null
                }
                fn has(&self, member: usize) -> bool {
                    let mut position = 0;
                    $(
                        if member == position {
                            return self.$member.is_set();
                        }
                        position += 1;
                    )*
                    let _ = position;
                    false
                }
            }

            impl Empty for proto::$message {
                fn empty() -> &'static Self {
                    static EMPTY: LazyLock<proto::$message> = LazyLock::new(Default::default);
                    &EMPTY
                }
                fn static_descriptor() -> &'static Descriptor {
                    static DESCRIPTOR: Descriptor = Descriptor {
                        name: concat!("tracee.v1beta1.", $name),
                        members: &[$(Member {
                            name: messages!(@name $member $($member_name)?),
                            ty: || ty(|message: &proto::$message| &message.$member),
                        }),*],
                        aliases: &[$($((stringify!($alias), &[$(stringify!($step)),*])),*)?],
                    };
                    &DESCRIPTOR
                }
            }

            element!(proto::$message);
        )*

        /// The types of messages, by full name.
        pub(in crate::cel) const TYPES: &[fn() -> &'static Descriptor] = &[
            proto::EventValue::static_descriptor,
            $(proto::$message::static_descriptor),*
        ];
    };
}

/// Makes a message an element of lists and a value of maps.
macro_rules! element {
    ($message:ty) => {
        impl FieldValue for $message {
            fn ty() -> Type {
                Type::Message(Self::static_descriptor())
            }
            fn unset() -> Val<'static> {
                Val::Message(Self::empty())
            }
            fn value(&self) -> Val<'_> {
                Val::Message(self)
            }
            fn is_set(&self) -> bool {
                true
            }
        }
    };
}

messages! {
    Event "Event" { timestamp, id, name, policies, workload, data, threat, detected_from }
    Policies "Policies" { matched }
    Workload "Workload" { process, container, k8s } [kubernetes: k8s]
    Process "Process" {
        executable, unique_id, host_pid, pid, real_user, thread, ancestors
    } [uid: real_user.id, name: thread.name]
    Executable "Executable" { path }
    User "User" { id }
    Thread "Thread" { start_time, name, unique_id, host_tid, tid, syscall, compat, user_stack_trace }
    UserStackTrace "UserStackTrace" { addresses }
    StackAddress "StackAddress" { address, symbol }
    Container "Container" { id, name, image, started }
    ContainerImage "ContainerImage" { id, repo_digests, name }
    K8s "K8s" { pod, namespace }
    Pod "Pod" { name, uid, labels }
    K8sNamespace "K8sNamespace" { name }
    DetectedFrom "DetectedFrom" { id, name, data, parent }
    StringArray "StringArray" { value }
    Int32Array "Int32Array" { value }
    UInt64Array "UInt64Array" { value }
    SockAddr "SockAddr" {
        sa_family, sun_path, sin_addr, sin_port, sin6_addr, sin6_port, sin6_flowinfo, sin6_scopeid
    }
    Credentials "Credentials" {
        uid, gid, suid, sgid, euid, egid, fsuid, fsgid, user_namespace, secure_bits, cap_inheritable,
        cap_permitted, cap_effective, cap_bounding, cap_ambient
    }
    Timespec "Timespec" { value }
    HookedSyscalls "HookedSyscalls" { value }
    HookedSymbolData "HookedSymbolData" { symbol_name, module_owner }
    HookedSeqOps "HookedSeqOps" { value }
    IPv4 "IPv4" { version, ihl, tos, length, id, flags, frag_offset, ttl, protocol, checksum, src_ip, dst_ip }
    IPv6 "IPv6" { version, traffic_class, flow_label, length, next_header, hop_limit, src_ip, dst_ip }
    Tcp "TCP" {
        src_port, dst_port, seq, ack, data_offset, fin_flag, syn_flag, rst_flag, psh_flag, ack_flag,
        urg_flag, ece_flag, cwr_flag, ns_flag, window, checksum, urgent
    }
    Udp "UDP" { src_port, dst_port, length, checksum }
    Icmp "ICMP" { type_code, checksum, id, seq }
    IcmPv6 "ICMPv6" { type_code, checksum }
    DnsQuestions "DnsQuestions" { questions }
    DnsResponses "DnsResponses" { responses }
    Dns "DNS" {
        id, qr, op_code, aa, tc, rd, ra, z, response_code, qd_count, an_count, ns_count, ar_count,
        questions, answers, authorities, additionals
    }
    DnsQuestion "DNSQuestion" { name, r#type = "type", class }
    DnsResourceRecord "DNSResourceRecord" {
        name, r#type = "type", class, ttl, ip, ns, cname, ptr, txts, soa, srv, mx, opt, uri, txt
    }
    Dnssoa "DNSSOA" { mname, rname, serial, refresh, retry, expire, minimum }
    Dnssrv "DNSSRV" { priority, weight, port, name }
    Dnsmx "DNSMX" { preference = "Preference", name }
    Dnsuri "DNSURI" { priority, weight, target }
    Dnsopt "DNSOPT" { code, data }
    Http "HTTP" { direction, method, protocol, host, uri_path, status, status_code, headers, content_length }
    HttpRequest "HTTPRequest" { method, protocol, host, uri_path, headers, content_length }
    HttpResponse "HTTPResponse" { status, status_code, protocol, headers, content_length }
    HttpHeader "HttpHeader" { header }
    PacketMetadata "PacketMetadata" {
        src_ip, dst_ip, src_port, dst_port, protocol, packet_len, iface, direction
    }
    DnsQueryData "DnsQueryData" { query, query_type, query_class }
    DnsAnswer "DnsAnswer" { r#type = "type", ttl, answer }
    DnsResponseData "DnsResponseData" { dns_query_data, dns_answer }
    Threat "Threat" { description, mitre, severity, name, properties }
    Mitre "Mitre" { tactic, technique }
    MitreTactic "MitreTactic" { name }
    MitreTechnique "MitreTechnique" { id, name }
}

/// A field of an event: `name`, and one member for each type of values, of which one is set.
impl Message for proto::EventValue {
    fn descriptor(&self) -> &'static Descriptor {
        Self::static_descriptor()
    }

    fn get(&self, member: usize) -> Val<'_> {
        match member.checked_sub(1) {
            None => self.name.value(),
            Some(variant) => Variants::get(self.value.as_ref(), variant),
        }
    }

    fn has(&self, member: usize) -> bool {
        match member.checked_sub(1) {
            None => self.name.is_set(),
            Some(variant) => Variants::has(self.value.as_ref(), variant),
        }
    }
}

impl Empty for proto::EventValue {
    fn empty() -> &'static Self {
        static EMPTY: proto::EventValue = proto::EventValue {
            name: String::new(),
            value: None,
        };
        &EMPTY
    }

    fn static_descriptor() -> &'static Descriptor {
        static DESCRIPTOR: Descriptor = Descriptor {
            name: "tracee.v1beta1.EventValue",
            members: &Variants::MEMBERS,
            aliases: &[],
        };
        &DESCRIPTOR
    }
}

element!(proto::EventValue);

/// An enumeration: its full name, and how its constants are found by name.
type Enumeration = (&'static str, fn(&str) -> Option<i32>);

/// The enumerations, whose values are ints.
pub(in crate::cel) const ENUMS: &[Enumeration] = &[
    ("tracee.v1beta1.Severity", |name| {
        proto::Severity::from_str_name(name).map(|value| value as i32)
    }),
    ("tracee.v1beta1.sa_family_t", |name| {
        proto::SaFamilyT::from_str_name(name).map(|value| value as i32)
    }),
    ("tracee.v1beta1.PacketDirection", |name| {
        proto::PacketDirection::from_str_name(name).map(|value| value as i32)
    }),
    ("tracee.v1beta1.Capability", |name| {
        proto::Capability::from_str_name(name).map(|value| value as i32)
    }),
];
