//! The payload messages that Tracee writes through its protobuf library: what is zero or empty is left out, messages that
//! are set are written even when empty, 64-bit integers are quoted, enums are names, HTML characters are escaped.

use std::collections::BTreeMap;

use super::encode::{self, Escape, Object};
use crate::proto;

/// Something that can be a member of such a message.
pub(super) trait Member {
    /// Whether it is left out.
    fn is_absent(&self) -> bool;

    /// Writes the value.
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! number {
    ($($number:ty: $write:path),*) => {
        $(impl Member for $number {
            fn is_absent(&self) -> bool {
                *self == 0
            }

            fn write(&self, out: &mut Vec<u8>) {
                $write(out, *self);
            }
        })*
    };
}

number!(u32: encode::number, i32: encode::number, i64: encode::quoted);

impl Member for String {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        encode::text(out, self, Escape::Html);
    }
}

impl<T: Member> Member for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        encode::list(out, self, |out, item| item.write(out));
    }
}

impl<T: Member> Member for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(message) = self {
            message.write(out);
        }
    }
}

impl<T: Member> Member for BTreeMap<String, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        for (key, value) in self {
            value.write(object.any_member(key, Escape::Html));
        }
        object.close();
    }
}

/// An enum value: its name, or its number if it has none.
struct Direction(i32);

impl Member for Direction {
    fn is_absent(&self) -> bool {
        self.0 == 0
    }

    fn write(&self, out: &mut Vec<u8>) {
        match proto::PacketDirection::try_from(self.0) {
            Ok(direction) => encode::text(out, direction.as_str_name(), Escape::Plain),
            Err(_) => encode::number(out, self.0),
        }
    }
}

fn member(object: &mut Object<'_>, key: &str, value: &impl Member) {
    if !value.is_absent() {
        value.write(object.member(key));
    }
}

/// Messages and their members in order, with the key where it is not the Rust name.
macro_rules! messages {
    ($($message:ident { $($member:ident $(= $key:literal)?),* })*) => {
        $(impl Member for proto::$message {
            fn is_absent(&self) -> bool {
                false
            }

            fn write(&self, out: &mut Vec<u8>) {
                let mut object = Object::open(out);
                $(member(&mut object, messages!(@key $member $($key)?), &self.$member);)*
                object.close();
            }
        })*
    };
    (@key $member:ident) => { stringify!($member) };
    (@key $member:ident $key:literal) => { $key };
}

messages! {
    HookedSyscalls { value }
    HookedSymbolData { symbol_name, module_owner }
    HookedSeqOps { value }
    IPv4 {
        version, ihl, tos, length, id, flags, frag_offset, ttl, protocol, checksum, src_ip, dst_ip
    }
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
        id, qr, op_code, aa, tc, rd, ra, z, response_code, qd_count, an_count, ns_count, ar_count, questions,
        answers, authorities, additionals
    }
    DnsQuestion { name, r#type = "type", class }
    DnsResourceRecord {
        name, r#type = "type", class, ttl, ip, ns, cname, ptr, txts, soa, srv, mx, opt, uri, txt
    }
    Dnssoa { mname, rname, serial, refresh, retry, expire, minimum }
    Dnssrv { priority, weight, port, name }
    Dnsmx { preference = "Preference", name }
    Dnsuri { priority, weight, target }
    Dnsopt { code, data }
    Http { direction, method, protocol, host, uri_path, status, status_code, headers, content_length }
    HttpRequest { method, protocol, host, uri_path, headers, content_length }
    HttpResponse { status, status_code, protocol, headers, content_length }
    HttpHeader { header }
    DnsQueryData { query, query_type, query_class }
    DnsAnswer { r#type = "type", ttl, answer }
    DnsResponseData { dns_query_data, dns_answer }
}

impl Member for proto::PacketMetadata {
    fn is_absent(&self) -> bool {
        false
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        member(&mut object, "src_ip", &self.src_ip);
        member(&mut object, "dst_ip", &self.dst_ip);
        member(&mut object, "src_port", &self.src_port);
        member(&mut object, "dst_port", &self.dst_port);
        member(&mut object, "protocol", &self.protocol);
        member(&mut object, "packet_len", &self.packet_len);
        member(&mut object, "iface", &self.iface);
        member(&mut object, "direction", &Direction(self.direction));
        object.close();
    }
}
