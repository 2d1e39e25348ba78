//! Packets of a process that has sent nothing else.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use crate::cause::{Notes, at, call, failing_call, in_child, number, text};
use crate::sockets::{Address, owned};
use crate::truth::Truth;

const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 71);
const TO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 72);

pub(crate) fn cause(notes: &mut Notes) {
    in_child(|| {
        datagram(notes, (FROM, 20_041).into(), (TO, 20_042).into());
        datagram(
            notes,
            (Ipv6Addr::LOCALHOST, 20_043).into(),
            (Ipv6Addr::LOCALHOST, 20_044).into(),
        );
    });
    in_child(|| refused(notes));
    in_child(|| echo(notes));
}

/// Notes a packet of the protocol that `event` is named after.
///
/// A packet that leaves does so in the call that sends it; one that arrives interrupts anything.
fn packet(notes: &mut Notes, event: &str, (from, to): (SocketAddr, SocketAddr), sent_in: Option<&str>) {
    let direction = if sent_in.is_some() { "egress" } else { "ingress" };
    let protocol = event.rsplit('_').next().expect("a name has parts");
    let message = format!("proto_{protocol}");
    let mut fields = vec![
        ("src", text(from.ip().to_string())),
        ("dst", text(to.ip().to_string())),
        ("metadata", text(direction)),
        (message.as_str(), Truth::Something),
    ];
    if from.port() != 0 && !protocol.starts_with("ip") {
        fields.extend([("src_port", number(from.port())), ("dst_port", number(to.port()))]);
    }
    notes.note(
        &format!("{direction} from {from} to {to}"),
        event,
        sent_in.unwrap_or_default(),
        &fields,
        &[],
    );
}

/// From a socket of the process to another.
fn datagram(notes: &mut Notes, from: SocketAddr, to: SocketAddr) {
    let (sender, receiver) = (UdpSocket::bind(from), UdpSocket::bind(to));
    let (sender, receiver) = (
        sender.expect("the port is free"),
        receiver.expect("the port is free"),
    );
    sender.send_to(b"text", to).expect("loopback is up");
    receiver.recv_from(&mut [0; 9]).expect("it was sent");
    let network = if from.is_ipv4() {
        "net_packet_ipv4"
    } else {
        "net_packet_ipv6"
    };
    for event in [network, "net_packet_udp"] {
        packet(notes, event, (from, to), Some("sendto"));
        packet(notes, event, (from, to), None);
    }
}

/// A connection to where nobody listens: one packet there and one back.
fn refused(notes: &mut Notes) {
    let socket = open(libc::AF_INET, libc::SOCK_STREAM, 0);
    call(
        libc::SYS_bind,
        Address::inet(FROM.octets(), 20_045).arguments(&socket),
    );
    let result = failing_call(
        libc::SYS_connect,
        Address::inet(TO.octets(), 20_046).arguments(&socket),
    );
    assert_eq!(result, -i64::from(libc::ECONNREFUSED));
    let (from, to) = ((FROM, 20_045).into(), (TO, 20_046).into());
    packet(notes, "net_packet_tcp", (from, to), Some("connect"));
    packet(notes, "net_packet_tcp", (to, from), None);
}

/// Requests that the kernel answers.
fn echo(notes: &mut Notes) {
    let socket = open(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
    call(libc::SYS_bind, Address::inet(FROM.octets(), 0).arguments(&socket));
    // Type 8, code 0, the checksum, identifier and number 1.
    send(
        &socket,
        &[8, 0, 0xf7, 0xfd, 0, 1, 0, 1],
        &Address::inet(TO.octets(), 0),
    );
    packet(
        notes,
        "net_packet_icmp",
        ((FROM, 0).into(), (TO, 0).into()),
        Some("sendto"),
    );
    let socket = open(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6);
    // The kernel writes the checksum.
    send(&socket, &[128, 0, 0, 0, 0, 1, 0, 1], &Address::inet6(0));
    let here = (Ipv6Addr::LOCALHOST, 0).into();
    packet(notes, "net_packet_icmpv6", (here, here), Some("sendto"));
}

fn open(family: i32, kind: i32, protocol: i32) -> OwnedFd {
    owned(call(
        libc::SYS_socket,
        [family as u64, kind as u64, protocol as u64, 0, 0, 0],
    ))
}

fn send(socket: &OwnedFd, bytes: &[u8], to: &Address) {
    let [fd, address, size, ..] = to.arguments(socket);
    call(
        libc::SYS_sendto,
        [fd, at(bytes), bytes.len() as u64, 0, address, size],
    );
}
