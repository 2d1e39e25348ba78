//! Packets: from their bytes to events.
//!
//! One packet may be told as several events, in the order of [`PacketEvent::ALL`]; the sensor says which of them are wanted. What
//! is malformed gives no event beyond the layer at which it is: packets come from anywhere.
//!
//! The texts in the messages are those of the gopacket library, which the interface has taken them from.

mod headers;
mod texts;

use detectors_api::proto::event_value::Value;
use ebpf::abi::{Packet, PacketEvent};

use headers::Headers;

/// Names and values of an event's fields.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Makes events of packets.
#[derive(Debug, Default)]
pub(super) struct Packets;

impl Packets {
    /// What a packet is told as.
    pub(super) fn events(&mut self, packet: &Packet) -> Vec<(PacketEvent, Fields)> {
        let Some(headers) = Headers::read(&packet.bytes) else {
            return Vec::new();
        };
        let fields = |event| self.fields(event, packet, &headers);
        packet
            .events()
            .filter_map(|event| Some((event, fields(event)?)))
            .collect()
    }

    fn fields(&self, event: PacketEvent, packet: &Packet, headers: &Headers<'_>) -> Option<Fields> {
        let message = match event {
            PacketEvent::Ipv4 => ("proto_ipv4", Value::Ipv4(headers.ipv4()?)),
            PacketEvent::Ipv6 => ("proto_ipv6", Value::Ipv6(headers.ipv6()?)),
            PacketEvent::Tcp => ("proto_tcp", Value::Tcp(headers.tcp()?)),
            PacketEvent::Udp => ("proto_udp", Value::Udp(headers.udp()?)),
            PacketEvent::Icmp => ("proto_icmp", Value::Icmp(headers.icmp()?)),
            PacketEvent::Icmpv6 => ("proto_icmpv6", Value::Icmpv6(headers.icmpv6()?)),
            _ => return None,
        };
        let mut fields = ends(headers, event);
        fields.push(("metadata", Value::Str(direction(packet).to_owned())));
        fields.push(message);
        Some(fields)
    }
}

fn direction(packet: &Packet) -> &'static str {
    if packet.leaving { "egress" } else { "ingress" }
}

/// The fields that say from where to where, with the ports that the event's protocol has.
fn ends(headers: &Headers<'_>, event: PacketEvent) -> Fields {
    let mut fields = vec![
        ("src", Value::Str(headers.source.to_string())),
        ("dst", Value::Str(headers.destination.to_string())),
    ];
    let of_network = matches!(event, PacketEvent::Ipv4 | PacketEvent::Ipv6);
    if let Some((source, destination)) = headers.ports().filter(|_| !of_network) {
        fields.push(("src_port", Value::UInt32(source.into())));
        fields.push(("dst_port", Value::UInt32(destination.into())));
    }
    fields
}
