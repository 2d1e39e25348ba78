//! Packets, as the programs send them: from the IP header on.

/// An event that is made of packets. What comes first here is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PacketEvent {
    /// Any IPv4 packet.
    Ipv4,
    /// Any IPv6 packet.
    Ipv6,
    /// A TCP segment.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// An `ICMPv4` message.
    Icmp,
    /// An `ICMPv6` message.
    Icmpv6,
    /// A DNS message.
    Dns,
    /// A DNS query.
    DnsRequest,
    /// A DNS response.
    DnsResponse,
    /// The head of an HTTP message.
    Http,
    /// The head of an HTTP request.
    HttpRequest,
    /// The head of an HTTP response.
    HttpResponse,
    /// A TCP connection is established.
    FlowBegin,
    /// A TCP connection ends.
    FlowEnd,
}

impl PacketEvent {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Icmpv6,
        Self::Dns,
        Self::DnsRequest,
        Self::DnsResponse,
        Self::Http,
        Self::HttpRequest,
        Self::HttpResponse,
        Self::FlowBegin,
        Self::FlowEnd,
    ];

    /// Its name in the catalogue.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "net_packet_ipv4",
            Self::Ipv6 => "net_packet_ipv6",
            Self::Tcp => "net_packet_tcp",
            Self::Udp => "net_packet_udp",
            Self::Icmp => "net_packet_icmp",
            Self::Icmpv6 => "net_packet_icmpv6",
            Self::Dns => "net_packet_dns",
            Self::DnsRequest => "net_packet_dns_request",
            Self::DnsResponse => "net_packet_dns_response",
            Self::Http => "net_packet_http",
            Self::HttpRequest => "net_packet_http_request",
            Self::HttpResponse => "net_packet_http_response",
            Self::FlowBegin => "net_flow_tcp_begin",
            Self::FlowEnd => "net_flow_tcp_end",
        }
    }

    /// `PACKET_*` of `record.h`.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// A packet of a socket of this machine. Whose socket it is, the record's header says: all of it is 0 if nobody owns it or nobody
/// knows who does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub(super) events: u32,
    /// Whether this machine sends it.
    pub leaving: bool,
    /// Inode number of the socket's network namespace.
    pub net_ns: u32,
    /// Length of the whole packet, bytes.
    pub len: u32,
    /// The packet from its IP header on; its first bytes, where that is enough for the events.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// What it may be told as: what is wanted of what its headers say. More cannot be said without reading it.
    pub fn events(&self) -> impl Iterator<Item = PacketEvent> {
        let events = self.events;
        PacketEvent::ALL
            .into_iter()
            .filter(move |event| events & event.bit() != 0)
    }
}
