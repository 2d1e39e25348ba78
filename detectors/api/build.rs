//! Generates the Rust types of `proto/` with protox, so that no `protoc` is needed.
//!
//! The types also get `serde::Deserialize`, for the JSON encodings: by member name, with the exceptions listed here.

use protox::prost_reflect::prost_types::field_descriptor_proto::Label;

/// Members whose JSON form is not the plain one of their Rust type, and the function of `json::wire` that reads it.
const FORMS: &[(&str, &str)] = &[
    ("Credentials.cap_inheritable", "capabilities"),
    ("Credentials.cap_permitted", "capabilities"),
    ("Credentials.cap_effective", "capabilities"),
    ("Credentials.cap_bounding", "capabilities"),
    ("Credentials.cap_ambient", "capabilities"),
    ("HTTP.content_length", "integer"),
    ("HTTP.headers", "headers"),
    ("HTTPRequest.content_length", "integer"),
    ("HTTPRequest.headers", "headers"),
    ("HTTPResponse.content_length", "integer"),
    ("HTTPResponse.headers", "headers"),
    ("PacketMetadata.direction", "enumeration::<PacketDirection, _>"),
    ("SockAddr.sa_family", "enumeration::<SaFamilyT, _>"),
    ("SockAddr.sin_port", "integer"),
    ("SockAddr.sin6_port", "integer"),
    ("SockAddr.sin6_flowinfo", "integer"),
    ("SockAddr.sin6_scopeid", "integer"),
    ("StackAddress.address", "integer"),
    ("Thread.start_time", "timestamp"),
    ("Threat.severity", "enumeration::<Severity, _>"),
    ("Timespec.value", "seconds"),
    ("UInt64Array.value", "integers"),
];

/// Members that the legacy encoding calls by another name. The legacy name is read wherever the member is.
const LEGACY_NAMES: &[(&str, &[(&str, &str)])] = &[
    (
        "Credentials",
        &[
            ("uid", "Uid"),
            ("gid", "Gid"),
            ("suid", "Suid"),
            ("sgid", "Sgid"),
            ("euid", "Euid"),
            ("egid", "Egid"),
            ("fsuid", "Fsuid"),
            ("fsgid", "Fsgid"),
            ("user_namespace", "UserNamespace"),
            ("secure_bits", "SecureBits"),
            ("cap_inheritable", "CapInheritable"),
            ("cap_permitted", "CapPermitted"),
            ("cap_effective", "CapEffective"),
            ("cap_bounding", "CapBounding"),
            ("cap_ambient", "CapAmbient"),
        ],
    ),
    (
        "DNS",
        &[
            ("id", "ID"),
            ("qr", "QR"),
            ("op_code", "opCode"),
            ("aa", "AA"),
            ("tc", "TC"),
            ("rd", "RD"),
            ("ra", "RA"),
            ("z", "Z"),
            ("response_code", "responseCode"),
            ("qd_count", "QDCount"),
            ("an_count", "ANCount"),
            ("ns_count", "NSCount"),
            ("ar_count", "ARCount"),
        ],
    ),
    ("DNSMX", &[("Preference", "preference")]),
    (
        "DNSResourceRecord",
        &[
            ("ttl", "TTL"),
            ("ip", "IP"),
            ("ns", "NS"),
            ("cname", "CNAME"),
            ("ptr", "PTR"),
            ("txts", "TXTs"),
            ("soa", "SOA"),
            ("srv", "SRV"),
            ("mx", "MX"),
            ("opt", "OPT"),
            ("uri", "URI"),
            ("txt", "TXT"),
        ],
    ),
    ("DNSSOA", &[("mname", "MName"), ("rname", "RName")]),
    ("DnsAnswer", &[("type", "answer_type")]),
    ("DnsResponseData", &[("dns_query_data", "query_data")]),
    (
        "HookedSymbolData",
        &[("symbol_name", "SymbolName"), ("module_owner", "ModuleOwner")],
    ),
    ("ICMP", &[("type_code", "typeCode")]),
    ("ICMPv6", &[("type_code", "typeCode")]),
    (
        "IPv4",
        &[
            ("ihl", "IHL"),
            ("tos", "TOS"),
            ("frag_offset", "fragOffset"),
            ("ttl", "TTL"),
            ("src_ip", "srcIP"),
            ("dst_ip", "dstIP"),
        ],
    ),
    (
        "IPv6",
        &[
            ("traffic_class", "trafficClass"),
            ("flow_label", "flowLabel"),
            ("next_header", "nextHeader"),
            ("hop_limit", "hopLimit"),
            ("src_ip", "srcIP"),
            ("dst_ip", "dstIP"),
        ],
    ),
    (
        "TCP",
        &[
            ("src_port", "srcPort"),
            ("dst_port", "dstPort"),
            ("data_offset", "dataOffset"),
            ("fin_flag", "FIN"),
            ("syn_flag", "SYN"),
            ("rst_flag", "RST"),
            ("psh_flag", "PSH"),
            ("ack_flag", "ACK"),
            ("urg_flag", "URG"),
            ("ece_flag", "ECE"),
            ("cwr_flag", "CWR"),
            ("ns_flag", "NS"),
        ],
    ),
    ("UDP", &[("src_port", "srcPort"), ("dst_port", "dstPort")]),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["event", "event_data", "threat"].map(|name| format!("proto/tracee/v1beta1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["proto"])?;
    let mut config = prost_build::Config::new();
    config.btree_map(["."]).enum_attribute(
        ".",
        "#[allow(clippy::enum_variant_names, missing_docs, reason = \"names of the interface\")]",
    );
    let ours = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "tracee.v1beta1");
    for message in ours.flat_map(|file| &file.message_type) {
        // The value's type is its key, so it is read by hand; an event is read with what surrounds it.
        if ["EventValue", "Event"].contains(&message.name()) {
            continue;
        }
        let path = format!(".tracee.v1beta1.{}", message.name());
        config.message_attribute(&path, "#[derive(serde::Deserialize)] #[serde(default)]");
        for field in &message.field {
            let path = format!("{path}.{}", field.name());
            let form = FORMS
                .iter()
                .find(|(member, _)| path.strip_prefix(".tracee.v1beta1.") == Some(member))
                .map(|(_, form)| *form)
                // What is empty may be null.
                .or((field.label() == Label::Repeated).then_some("or_empty"));
            if let Some(form) = form {
                config.field_attribute(
                    &path,
                    format!("#[serde(deserialize_with = \"crate::json::wire::{form}\")]"),
                );
            }
            if field.name() == "Preference" {
                config.field_attribute(&path, "#[serde(rename = \"Preference\")]");
            }
        }
    }
    for (message, names) in LEGACY_NAMES {
        for (member, legacy) in *names {
            config.field_attribute(
                format!(".tracee.v1beta1.{message}.{member}"),
                format!("#[serde(alias = \"{legacy}\")]"),
            );
        }
    }
    config.compile_fds(descriptors)?;
    Ok(())
}
