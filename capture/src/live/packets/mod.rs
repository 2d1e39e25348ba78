//! Packets: from their bytes to events.
//!
//! One packet may be told as several events, in the order of [`PacketEvent::ALL`]; the sensor says which of them are wanted. What
//! is malformed gives no event beyond the layer at which it is: packets come from anywhere.
//!
//! The texts in the messages are those of the gopacket library, which the interface has taken them from. The names of addresses
//! are those that the DNS responses have said that were told before.

mod dns;
mod flows;
mod headers;
mod http;
mod names;
mod texts;

use std::net::IpAddr;

use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use ebpf::abi::{Packet, PacketEvent};

use flows::{Change, Flows};
use headers::Headers;
use names::Names;

/// Names and values of an event's fields.
pub type Fields = Vec<(&'static str, Value)>;

/// Makes events of packets.
#[derive(Debug, Default)]
pub struct Packets {
    names: Names,
    flows: Flows,
}

/// A packet that has been read.
struct Read<'a> {
    packet: &'a Packet,
    headers: Headers<'a>,
    dns: Option<proto::Dns>,
    http: Option<proto::Http>,
    change: Option<Change>,
    /// ns since boot.
    time: u64,
}

impl Packets {
    /// What a packet is told as that was seen at a time, ns since boot. Packets come in order.
    pub fn events(&mut self, packet: &Packet, time: u64) -> Vec<(PacketEvent, Fields)> {
        use PacketEvent::{
            Dns, DnsRequest, DnsResponse, FlowBegin, FlowEnd, Http, HttpRequest, HttpResponse,
        };
        let Some(headers) = Headers::read(&packet.bytes) else {
            return Vec::new();
        };
        let any = |events: &[PacketEvent]| packet.events().any(|event| events.contains(&event));
        let payload = headers.payload().unwrap_or_default();
        let dns = any(&[Dns, DnsRequest, DnsResponse])
            .then(|| dns::read(payload, headers.segment().is_some()))
            .flatten();
        if let Some(message) = &dns {
            self.names.learn(message, time);
        }
        let http = any(&[Http, HttpRequest, HttpResponse])
            .then(|| http::read(payload))
            .flatten();
        let change = any(&[FlowBegin, FlowEnd])
            .then(|| self.flows.follow(packet, &headers))
            .flatten();
        let read = Read {
            packet,
            headers,
            dns,
            http,
            change,
            time,
        };
        let fields = |event| self.fields(event, &read);
        packet
            .events()
            .filter_map(|event| Some((event, fields(event)?)))
            .collect()
    }

    /// The names of an address, as a field has them.
    pub(super) fn names(&self, address: IpAddr, time: u64) -> Value {
        Value::StrArray(proto::StringArray {
            value: self.names.of(address, time),
        })
    }

    fn fields(&self, event: PacketEvent, read: &Read<'_>) -> Option<Fields> {
        let headers = &read.headers;
        let message = match event {
            PacketEvent::Ipv4 => ("proto_ipv4", Value::Ipv4(headers.ipv4()?)),
            PacketEvent::Ipv6 => ("proto_ipv6", Value::Ipv6(headers.ipv6()?)),
            PacketEvent::Tcp => ("proto_tcp", Value::Tcp(headers.tcp()?)),
            PacketEvent::Udp => ("proto_udp", Value::Udp(headers.udp()?)),
            PacketEvent::Icmp => ("proto_icmp", Value::Icmp(headers.icmp()?)),
            PacketEvent::Icmpv6 => ("proto_icmpv6", Value::Icmpv6(headers.icmpv6()?)),
            PacketEvent::Dns => ("proto_dns", Value::Dns(read.dns.clone()?)),
            PacketEvent::Http => ("proto_http", Value::Http(read.http.clone()?)),
            PacketEvent::DnsRequest => {
                let questions = dns::request(read.dns.as_ref()?)?;
                return described(headers, ("dns_questions", Value::DnsQuestions(questions)));
            }
            PacketEvent::DnsResponse => {
                let responses = dns::response(read.dns.as_ref()?)?;
                return described(headers, ("dns_response", Value::DnsResponses(responses)));
            }
            PacketEvent::HttpRequest => {
                let request = http::request_of(read.http.as_ref()?)?;
                return described(headers, ("http_request", Value::HttpRequest(request)));
            }
            PacketEvent::HttpResponse => {
                let response = http::response_of(read.http.as_ref()?)?;
                return described(headers, ("http_response", Value::HttpResponse(response)));
            }
            PacketEvent::FlowBegin | PacketEvent::FlowEnd => {
                let change = read.change?;
                let wanted = change.begins == (event == PacketEvent::FlowBegin);
                return wanted.then(|| self.flow(&change, read.time));
            }
        };
        let mut fields = ends(headers, event);
        fields.push(("metadata", text(direction(read.packet))));
        fields.push(message);
        Some(fields)
    }

    fn flow(&self, change: &Change, time: u64) -> Fields {
        let direction = if change.outgoing { "outgoing" } else { "incoming" };
        let (source, destination) = (change.initiator, change.responder);
        vec![
            ("conn_direction", text(direction)),
            ("src", text(&source.0.to_string())),
            ("dst", text(&destination.0.to_string())),
            ("src_port", Value::UInt32(source.1.into())),
            ("dst_port", Value::UInt32(destination.1.into())),
            ("src_dns", self.names(source.0, time)),
            ("dst_dns", self.names(destination.0, time)),
        ]
    }
}

fn text(text: &str) -> Value {
    Value::Str(text.to_owned())
}

fn direction(packet: &Packet) -> &'static str {
    if packet.leaving { "egress" } else { "ingress" }
}

/// The fields of an event with addresses and ports in one message.
fn described(headers: &Headers<'_>, message: (&'static str, Value)) -> Option<Fields> {
    Some(vec![
        ("metadata", Value::PacketMetadata(headers.metadata()?)),
        message,
    ])
}

/// The fields that say from where to where, with the ports that the event's protocol has.
fn ends(headers: &Headers<'_>, event: PacketEvent) -> Fields {
    let mut fields = vec![
        ("src", text(&headers.source.to_string())),
        ("dst", text(&headers.destination.to_string())),
    ];
    let of_network = matches!(event, PacketEvent::Ipv4 | PacketEvent::Ipv6);
    if let Some((source, destination)) = headers.ports().filter(|_| !of_network) {
        fields.push(("src_port", Value::UInt32(source.into())));
        fields.push(("dst_port", Value::UInt32(destination.into())));
    }
    fields
}
