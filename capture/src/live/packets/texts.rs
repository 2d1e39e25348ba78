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

/// Type of a DNS record.
pub(super) const fn dns_type(number: u16) -> &'static str {
    match number {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        41 => "OPT",
        256 => "URI",
        _ => "Unknown",
    }
}

/// Class of a DNS record.
pub(super) const fn dns_class(number: u16) -> &'static str {
    match number {
        1 => "IN",
        2 => "CS",
        3 => "CH",
        4 => "HS",
        255 => "Any",
        _ => "Unknown",
    }
}

/// What a DNS message is for.
pub(super) const fn dns_operation(number: u16) -> &'static str {
    match number {
        0 => "query",
        1 => "inverse query",
        2 => "status",
        4 => "notify",
        5 => "update",
        _ => "unknown",
    }
}

/// How a DNS server has fared.
pub(super) const fn dns_response(code: u16) -> &'static str {
    match code {
        0 => "no error",
        1 => "format error",
        // With the space, as the interface has it.
        2 => "server failure ",
        3 => "non-existent domain",
        4 => "not implemented",
        5 => "query refused",
        6 => "name exists when it should not",
        7 => "rr set exists when it should not",
        8 => "rr set that should exist does not",
        9 => "server not authoritative for zone",
        10 => "name not contained in zone",
        16 => "bad opt version",
        17 => "key not recognized",
        18 => "signature out of time window",
        19 => "bad tkey mode",
        20 => "duplicate key name",
        21 => "algorithm not supported",
        22 => "bad truncation",
        23 => "bad cookie",
        _ => "unknown",
    }
}

/// An option of DNS's extended pseudo-record.
pub(super) const fn dns_option(code: u16) -> &'static str {
    match code {
        3 => "NSID",
        5 => "DAU",
        6 => "DHU",
        7 => "N3U",
        8 => "EDNSClientSubnet",
        9 => "EDNSExpire",
        10 => "Cookie",
        11 => "EDNSKeepAlive",
        12 => "Padding",
        13 => "CHAIN",
        14 => "EDNSKeyTag",
        16 => "EDNSClientTag",
        17 => "EDNSServerTag",
        26946 => "DeviceID",
        _ => "Unknown",
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
