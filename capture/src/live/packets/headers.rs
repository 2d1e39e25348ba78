//! The headers of a packet, in the messages that events have for them.

use std::net::IpAddr;

use detectors_api::proto;
use etherparse::{LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice};

use super::texts;

/// The headers of a packet that may be cut off behind them.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    network: LaxNetSlice<'a>,
    /// None in a fragment, and for protocols that are told only as far as the network's header.
    transport: Option<TransportSlice<'a>>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
}

impl<'a> Headers<'a> {
    /// The headers of the packet that `bytes` begin with, if it has one of IPv4 or IPv6.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let packet = LaxSlicedPacket::from_ip(bytes).ok()?;
        let network = packet.net?;
        let (source, destination) = match &network {
            LaxNetSlice::Ipv4(slice) => {
                let header = slice.header();
                (header.source_addr().into(), header.destination_addr().into())
            }
            LaxNetSlice::Ipv6(slice) => {
                let header = slice.header();
                (header.source_addr().into(), header.destination_addr().into())
            }
            LaxNetSlice::Arp(_) => return None,
        };
        Some(Self {
            network,
            transport: packet.transport,
            source,
            destination,
        })
    }

    /// Source and destination port.
    pub(super) fn ports(&self) -> Option<(u16, u16)> {
        match self.transport.as_ref()? {
            TransportSlice::Tcp(tcp) => Some((tcp.source_port(), tcp.destination_port())),
            TransportSlice::Udp(udp) => Some((udp.source_port(), udp.destination_port())),
            _ => None,
        }
    }

    /// The TCP segment, if it is one.
    pub(super) fn segment(&self) -> Option<&TcpSlice<'a>> {
        match self.transport.as_ref()? {
            TransportSlice::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// What a segment or datagram carries, as far as it is there.
    pub(super) fn payload(&self) -> Option<&'a [u8]> {
        match self.transport.as_ref()? {
            TransportSlice::Tcp(tcp) => Some(tcp.payload()),
            TransportSlice::Udp(udp) => Some(udp.payload()),
            _ => None,
        }
    }

    /// Addresses and ports in one message.
    pub(super) fn metadata(&self) -> Option<proto::PacketMetadata> {
        let (source, destination) = self.ports()?;
        Some(proto::PacketMetadata {
            src_ip: self.source.to_string(),
            dst_ip: self.destination.to_string(),
            src_port: source.into(),
            dst_port: destination.into(),
            protocol: if self.segment().is_some() { 6 } else { 17 },
            packet_len: match &self.network {
                LaxNetSlice::Ipv4(slice) => slice.header().total_len().into(),
                LaxNetSlice::Ipv6(slice) => slice.header().payload_length().into(),
                LaxNetSlice::Arp(_) => 0,
            },
            iface: "any".to_owned(),
            direction: 0,
        })
    }

    pub(super) fn ipv4(&self) -> Option<proto::IPv4> {
        let LaxNetSlice::Ipv4(slice) = &self.network else {
            return None;
        };
        let header = slice.header();
        let bytes = header.slice();
        Some(proto::IPv4 {
            version: header.version().into(),
            ihl: header.ihl().into(),
            tos: bytes[1].into(),
            length: header.total_len().into(),
            id: header.identification().into(),
            // From the highest bit: reserved, don't fragment, more fragments.
            flags: (bytes[6] >> 5).into(),
            frag_offset: header.fragments_offset().value().into(),
            ttl: header.ttl().into(),
            protocol: texts::protocol(header.protocol().0).to_owned(),
            checksum: header.header_checksum().into(),
            src_ip: self.source.to_string(),
            dst_ip: self.destination.to_string(),
        })
    }

    pub(super) fn ipv6(&self) -> Option<proto::IPv6> {
        let LaxNetSlice::Ipv6(slice) = &self.network else {
            return None;
        };
        let header = slice.header();
        Some(proto::IPv6 {
            version: header.version().into(),
            traffic_class: header.traffic_class().into(),
            flow_label: header.flow_label().value(),
            length: header.payload_length().into(),
            next_header: texts::protocol(header.next_header().0).to_owned(),
            hop_limit: header.hop_limit().into(),
            src_ip: self.source.to_string(),
            dst_ip: self.destination.to_string(),
        })
    }

    pub(super) fn tcp(&self) -> Option<proto::Tcp> {
        let tcp = self.segment()?;
        Some(proto::Tcp {
            src_port: tcp.source_port().into(),
            dst_port: tcp.destination_port().into(),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            data_offset: tcp.data_offset().into(),
            fin_flag: tcp.fin().into(),
            syn_flag: tcp.syn().into(),
            rst_flag: tcp.rst().into(),
            psh_flag: tcp.psh().into(),
            ack_flag: tcp.ack().into(),
            urg_flag: tcp.urg().into(),
            ece_flag: tcp.ece().into(),
            cwr_flag: tcp.cwr().into(),
            ns_flag: tcp.ns().into(),
            window: tcp.window_size().into(),
            checksum: tcp.checksum().into(),
            urgent: tcp.urgent_pointer().into(),
        })
    }

    pub(super) fn udp(&self) -> Option<proto::Udp> {
        let Some(TransportSlice::Udp(udp)) = &self.transport else {
            return None;
        };
        Some(proto::Udp {
            src_port: udp.source_port().into(),
            dst_port: udp.destination_port().into(),
            length: udp.length().into(),
            checksum: udp.checksum().into(),
        })
    }

    pub(super) fn icmp(&self) -> Option<proto::Icmp> {
        let Some(TransportSlice::Icmpv4(icmp)) = &self.transport else {
            return None;
        };
        let [id_high, id_low, seq_high, seq_low] = icmp.bytes5to8();
        Some(proto::Icmp {
            type_code: texts::icmp(icmp.type_u8(), icmp.code_u8()),
            checksum: icmp.checksum().into(),
            id: u16::from_be_bytes([id_high, id_low]).into(),
            seq: u16::from_be_bytes([seq_high, seq_low]).into(),
        })
    }

    pub(super) fn icmpv6(&self) -> Option<proto::IcmPv6> {
        let Some(TransportSlice::Icmpv6(icmp)) = &self.transport else {
            return None;
        };
        Some(proto::IcmPv6 {
            type_code: texts::icmpv6(icmp.type_u8(), icmp.code_u8()),
            checksum: icmp.checksum().into(),
        })
    }
}
