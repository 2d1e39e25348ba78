//! The texts that stand for numbers in packets.

/// The protocol that an IP header announces.
pub(super) const fn protocol(number: u8) -> &'static str {
    match number {
        0 => "IPv6HopByHop",
        1 => "ICMPv4",
        2 => "IGMP",
        4 | 94 => "IPv4",
        6 => "TCP",
        17 => "UDP",
        27 => "RUDP",
        41 => "IPv6",
        43 => "IPv6Routing",
        44 => "IPv6Fragment",
        47 => "GRE",
        50 => "IPSecESP",
        51 => "IPSecAH",
        58 => "ICMPv6",
        59 => "NoNextHeader",
        60 => "IPv6Destination",
        89 => "OSPF",
        97 => "EtherIP",
        112 => "VRRP",
        132 => "SCTP",
        136 => "UDPLite",
        137 => "MPLS",
        _ => "UnknownIPProtocol",
    }
}

/// Type and code of an `ICMPv4` message.
pub(super) fn icmp(kind: u8, code: u8) -> String {
    const UNREACHABLE: &[&str] = &[
        "Net",
        "Host",
        "Protocol",
        "Port",
        "FragmentationNeeded",
        "SourceRoutingFailed",
        "NetUnknown",
        "HostUnknown",
        "SourceIsolated",
        "NetAdminProhibited",
        "HostAdminProhibited",
        "NetTOS",
        "HostTOS",
        "CommAdminProhibited",
        "HostPrecedence",
        "PrecedenceCutoff",
    ];
    let (name, codes): (_, &[&str]) = match kind {
        0 => ("EchoReply", &[]),
        3 => ("DestinationUnreachable", UNREACHABLE),
        4 => ("SourceQuench", &[]),
        5 => ("Redirect", &["Net", "Host", "TOS+Net", "TOS+Host"]),
        8 => ("EchoRequest", &[]),
        9 => ("RouterAdvertisement", &[]),
        10 => ("RouterSolicitation", &[]),
        11 => ("TimeExceeded", &["TTLExceeded", "FragmentReassemblyTimeExceeded"]),
        12 => (
            "ParameterProblem",
            &["PointerIndicatesError", "MissingOption", "BadLength"],
        ),
        13 => ("TimestampRequest", &[]),
        14 => ("TimestampReply", &[]),
        15 => ("InfoRequest", &[]),
        16 => ("InfoReply", &[]),
        17 => ("AddressMaskRequest", &[]),
        18 => ("AddressMaskReply", &[]),
        _ => return format!("{kind}({code})"),
    };
    type_and_code(name, codes, code)
}

/// Type and code of an `ICMPv6` message.
pub(super) fn icmpv6(kind: u8, code: u8) -> String {
    const UNREACHABLE: &[&str] = &[
        "NoRouteToDst",
        "AdminProhibited",
        "BeyondScopeOfSrc",
        "AddressUnreachable",
        "PortUnreachable",
        "SrcAddressFailedPolicy",
        "RejectRouteToDst",
    ];
    let (name, codes): (_, &[&str]) = match kind {
        1 => ("DestinationUnreachable", UNREACHABLE),
        2 => ("PacketTooBig", &[]),
        3 => (
            "TimeExceeded",
            &["HopLimitExceeded", "FragmentReassemblyTimeExceeded"],
        ),
        4 => (
            "ParameterProblem",
            &[
                "ErroneousHeaderField",
                "UnrecognizedNextHeader",
                "UnrecognizedIPv6Option",
            ],
        ),
        128 => ("EchoRequest", &[]),
        129 => ("EchoReply", &[]),
        133 => ("RouterSolicitation", &[]),
        134 => ("RouterAdvertisement", &[]),
        135 => ("NeighborSolicitation", &[]),
        136 => ("NeighborAdvertisement", &[]),
        137 => ("Redirect", &[]),
        _ => return format!("{kind}({code})"),
    };
    type_and_code(name, codes, code)
}

/// `codes` are those from 0 on, if the type has any.
fn type_and_code(name: &str, codes: &[&str], code: u8) -> String {
    match codes.get(usize::from(code)) {
        Some(text) => format!("{name}({text})"),
        None if codes.is_empty() && code == 0 => name.to_owned(),
        None => format!("{name}(Code: {code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_codes() {
        for (kind, code, text) in [
            (8, 0, "EchoRequest"),
            (8, 3, "EchoRequest(Code: 3)"),
            (3, 3, "DestinationUnreachable(Port)"),
            (3, 16, "DestinationUnreachable(Code: 16)"),
            (42, 7, "42(7)"),
        ] {
            assert_eq!(icmp(kind, code), text);
        }
        assert_eq!(icmpv6(1, 4), "DestinationUnreachable(PortUnreachable)");
        assert_eq!(icmpv6(128, 0), "EchoRequest");
        assert_eq!(icmpv6(143, 0), "143(0)");
    }
}
