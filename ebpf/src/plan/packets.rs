//! The plan of packets.

use super::Attach::{Egress, Ingress, OpenFiles, SocketMade};
use super::Chosen::{self, ByDefault, OnRequest};
use super::way::{partial, raw};
use super::{EventPlan, Hook, Program};

const SOCKETS: Program = Program {
    name: "on_sock_create",
    attach: SocketMade,
};
const ARRIVE: Program = Program {
    name: "packet_arrives",
    attach: Ingress,
};
const LEAVE: Program = Program {
    name: "packet_leaves",
    attach: Egress,
};
const OLD_SOCKETS: Program = Program {
    name: "list_sockets",
    attach: OpenFiles,
};
/// Accepted connections change their owner.
const ACCEPTED: Program = raw("on_accepted", "sys_exit");
const NO_SOCKET: &str = "packets without a socket of this machine: those that are forwarded, and what the kernel answers by itself";
const OLD: &str = "who owns a socket that is older than the recording, until it is used";

/// Packets are all told in the same ways.
const WAYS: &[Hook] = &[
    partial(&[SOCKETS, ACCEPTED, ARRIVE, LEAVE, OLD_SOCKETS], &[NO_SOCKET]),
    partial(&[SOCKETS, ACCEPTED, ARRIVE, LEAVE], &[NO_SOCKET, OLD]),
];

const fn packets(event: &'static str, chosen: Chosen) -> EventPlan {
    EventPlan {
        event,
        chosen,
        hooks: WAYS,
    }
}

pub(super) const PLAN: &[EventPlan] = &[
    packets("net_packet_ipv4", OnRequest),
    packets("net_packet_ipv6", OnRequest),
    packets("net_packet_tcp", OnRequest),
    packets("net_packet_udp", OnRequest),
    packets("net_packet_icmp", OnRequest),
    packets("net_packet_icmpv6", OnRequest),
    packets("net_packet_dns", ByDefault),
    packets("net_packet_dns_request", OnRequest),
    packets("net_packet_dns_response", OnRequest),
    packets("net_packet_http", OnRequest),
    packets("net_packet_http_request", OnRequest),
    packets("net_packet_http_response", OnRequest),
    packets("net_flow_tcp_begin", ByDefault),
    packets("net_flow_tcp_end", ByDefault),
];
