//! Packets that programs of this machine exchange, against what the programs know about them. It needs root, BTF and cgroup v2, and
//! says so where it has to skip.
//!
//! What is recorded is this test program itself, started again to run one of the workloads.

mod live_packets {
    pub(crate) mod names;
    pub(crate) mod recorded;
    pub(crate) mod workload;
}

use std::net::IpAddr;

use detectors_api::event::RecordedEvent;
use detectors_api::proto;
use detectors_api::proto::event_value::Value;

use live_packets::recorded::{Recorded, Running, number, pid, record_workload, text, value};
use live_packets::workload;

/// What the other tests record.
#[test]
#[ignore = "is run by the other tests"]
fn workload() {
    workload::run();
}

/// The messages of the events of one type, each with the event.
fn messages<'a, T: 'a>(
    recorded: &'a Recorded,
    name: &'a str,
    of: fn(&'a Value) -> Option<&'a T>,
) -> Vec<(&'a RecordedEvent, &'a T)> {
    recorded
        .named(name)
        .map(|event| {
            let message = event
                .event
                .data
                .iter()
                .find_map(|value| of(value.value.as_ref()?));
            (event, message.expect("the event has its message"))
        })
        .collect()
}

fn udp(value: &Value) -> Option<&proto::Udp> {
    match value {
        Value::Udp(udp) => Some(udp),
        _ => None,
    }
}

fn tcp(value: &Value) -> Option<&proto::Tcp> {
    match value {
        Value::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}

#[test]
fn datagrams() {
    let Some(recorded) = record_workload(
        "datagrams",
        &["net_packet_ipv4", "net_packet_ipv6", "net_packet_udp"],
    ) else {
        return;
    };
    let datagrams = messages(&recorded, "net_packet_udp", udp);
    for version in [4, 6] {
        let host = if version == 4 { "127.0.0.1" } else { "::1" };
        let port = |name: &str| recorded.truth(&format!("{name}{version}"));
        let (from, to) = (port("from"), port("to"));
        let of_this: Vec<_> = datagrams
            .iter()
            .filter(|(_, udp)| u64::from(udp.src_port) == from && u64::from(udp.dst_port) == to)
            .collect();
        let directions: Vec<_> = of_this.iter().map(|(event, _)| text(event, "metadata")).collect();
        assert_eq!(directions, ["egress", "ingress"], "{version}");
        for (event, udp) in of_this {
            assert_eq!(u64::from(udp.length), 8 + workload::HELLO.len() as u64);
            assert_ne!(udp.checksum, 0);
            assert_eq!((text(event, "src"), text(event, "dst")), (host, host));
            assert_eq!((number(event, "src_port"), number(event, "dst_port")), (from, to));
            assert_eq!(pid(event), Some(recorded.truth("pid")));
            // A packet that arrives has no call of its own.
            let thread = event
                .event
                .workload
                .as_ref()
                .unwrap()
                .process
                .as_ref()
                .unwrap()
                .thread
                .as_ref();
            let call = thread.unwrap().syscall.as_str();
            assert_eq!(
                call,
                if text(event, "metadata") == "egress" {
                    "sendto"
                } else {
                    ""
                }
            );
        }
    }
    let headers: Vec<_> = recorded.named("net_packet_ipv4").collect();
    assert_eq!(headers.len(), 2);
    for event in headers {
        let Some(Value::Ipv4(header)) = value(event, "proto_ipv4") else {
            panic!("{event:?}")
        };
        assert_eq!(
            *header,
            proto::IPv4 {
                version: 4,
                ihl: 5,
                tos: workload::TOS,
                length: 28 + workload::HELLO.len() as u32,
                id: header.id,
                flags: 2,
                frag_offset: 0,
                ttl: 64,
                protocol: "UDP".to_owned(),
                checksum: header.checksum,
                src_ip: "127.0.0.1".to_owned(),
                dst_ip: "127.0.0.1".to_owned(),
            }
        );
        assert!(value(event, "src_port").is_none());
    }
    let headers: Vec<_> = recorded.named("net_packet_ipv6").collect();
    assert_eq!(headers.len(), 2);
    for event in headers {
        let Some(Value::Ipv6(header)) = value(event, "proto_ipv6") else {
            panic!("{event:?}")
        };
        assert_eq!(
            *header,
            proto::IPv6 {
                version: 6,
                traffic_class: 0,
                flow_label: header.flow_label,
                length: 8 + workload::HELLO.len() as u32,
                next_header: "UDP".to_owned(),
                hop_limit: 64,
                src_ip: "::1".to_owned(),
                dst_ip: "::1".to_owned(),
            }
        );
    }
}

/// Direction of a segment, and whether it opens and acknowledges.
fn flags<'a>((event, tcp): &(&'a RecordedEvent, &proto::Tcp)) -> (&'a str, u32, u32) {
    (text(event, "metadata"), tcp.syn_flag, tcp.ack_flag)
}

#[test]
fn connections_between_two_processes() {
    let Some(recorded) = record_workload("connections", &["net_packet_tcp"]) else {
        return;
    };
    let segments = messages(&recorded, "net_packet_tcp", tcp);
    for (name, host) in [("v4", "127.0.0.1"), ("v6", "::1")] {
        let server_port = recorded.truth(&format!("{name}.port"));
        let client = recorded.truth(&format!("{name}.client"));
        let of_this: Vec<_> = segments
            .iter()
            .filter(|(_, tcp)| [u64::from(tcp.src_port), u64::from(tcp.dst_port)].contains(&server_port))
            .collect();
        assert!(of_this.len() >= 11, "{}", of_this.len());
        for (event, tcp) in &of_this {
            assert_eq!((text(event, "src"), text(event, "dst")), (host, host));
            let leaves = text(event, "metadata") == "egress";
            let at_server = leaves == (u64::from(tcp.src_port) == server_port);
            let owner = if at_server { recorded.truth("pid") } else { client };
            assert_eq!(pid(event), Some(owner), "{tcp:?}");
            assert!(tcp.data_offset >= 5 && tcp.window > 0);
        }
        // The handshake, as both ends see it: each segment leaves one and arrives at the other.
        let (out, into) = ("egress", "ingress");
        let mut handshake = vec![
            (out, 1, 0),
            (into, 1, 0),
            (out, 1, 1),
            (into, 1, 1),
            (out, 0, 1),
            (into, 0, 1),
        ];
        // Not all kernels show the answer to the opening as it leaves over IPv6: Linux 6.1 does not.
        if name == "v6" && !of_this.iter().any(|segment| flags(segment) == (out, 1, 1)) {
            handshake.remove(2);
        }
        let first: Vec<_> = of_this[..handshake.len()]
            .iter()
            .map(|segment| flags(segment))
            .collect();
        assert_eq!(first, handshake);
        let segment = |wanted| of_this.iter().find(|segment| flags(segment) == wanted).unwrap().1;
        let (syn, answer) = (segment((out, 1, 0)), segment((into, 1, 1)));
        assert_eq!((syn.ack, answer.ack), (0, syn.seq.wrapping_add(1)));
        assert!(of_this.iter().any(|(_, tcp)| tcp.psh_flag == 1));
        assert!(of_this.iter().any(|(_, tcp)| tcp.fin_flag == 1));
    }
}

#[test]
fn echoes() {
    let Some(recorded) = record_workload("echoes", &["net_packet_icmp", "net_packet_icmpv6"]) else {
        return;
    };
    let echoes: Vec<_> = recorded
        .named("net_packet_icmp")
        .map(|event| match value(event, "proto_icmp") {
            Some(Value::Icmp(icmp)) => (event, icmp),
            other => panic!("{other:?}"),
        })
        .collect();
    // The kernel's own answer, which leaves from a socket that nobody owns, is not the command's.
    let found: Vec<_> = echoes
        .iter()
        .map(|(event, icmp)| (text(event, "metadata"), icmp.type_code.as_str(), icmp.seq))
        .collect();
    assert_eq!(found, [("egress", "EchoRequest", 7), ("ingress", "EchoReply", 7)]);
    assert_eq!(echoes[0].1.id, echoes[1].1.id);
    assert_ne!(echoes[0].1.checksum, echoes[1].1.checksum);
    assert_eq!(pid(echoes[1].0), Some(recorded.truth("pid")));
    let found: Vec<_> = recorded
        .named("net_packet_icmpv6")
        .map(|event| match value(event, "proto_icmpv6") {
            Some(Value::Icmpv6(icmp)) => (text(event, "metadata"), icmp.type_code.as_str()),
            other => panic!("{other:?}"),
        })
        .filter(|(_, kind)| kind.starts_with("Echo"))
        .collect();
    assert_eq!(found, [("egress", "EchoRequest"), ("ingress", "EchoReply")]);
}

/// Sockets that are older than the recording are found, and a packet that nobody owns is told without a process.
#[test]
fn sockets_that_were_there_before() {
    let Some(recorded) =
        Running::start("before").record(&["net_packet_udp", "net_packet_tcp", "net_packet_icmp"])
    else {
        return;
    };
    let owner = Some(recorded.truth("pid"));
    let datagrams = messages(&recorded, "net_packet_udp", udp);
    let to = recorded.truth("to");
    let ours: Vec<_> = datagrams
        .iter()
        .filter(|(_, udp)| u64::from(udp.dst_port) == to)
        .collect();
    // One that arrives, and one to a port where nobody is.
    assert_eq!(ours.len(), 3);
    assert!(ours.iter().all(|(event, _)| pid(event) == owner), "{ours:?}");

    let server = recorded.truth("port");
    let segments = messages(&recorded, "net_packet_tcp", tcp);
    let ours: Vec<_> = segments
        .iter()
        .filter(|(_, tcp)| [u64::from(tcp.src_port), u64::from(tcp.dst_port)].contains(&server))
        .collect();
    assert!(ours.len() >= 10, "{}", ours.len());
    assert!(ours.iter().all(|(event, _)| pid(event) == owner), "{ours:?}");

    // Nobody listens at the closed port, which the kernel itself says.
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    let answers: Vec<_> = recorded
        .named("net_packet_icmp")
        .filter(|event| {
            matches!(value(event, "proto_icmp"), Some(Value::Icmp(icmp)) if icmp.type_code == "DestinationUnreachable(Port)")
                && text(event, "src") == loopback.to_string()
        })
        .collect();
    assert!(!answers.is_empty());
    assert!(
        answers
            .iter()
            .any(|event| text(event, "metadata") == "egress" && pid(event).is_none())
    );
}
