//! Types of arguments, as lines of several years name them.

use crate::catalogue::FieldType;

/// What a type name says about the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    /// The value's type.
    Type(FieldType),
    /// Direction of a packet, which becomes text.
    Direction,
    /// A moment, which becomes ns since the epoch.
    Moment,
    /// Nothing.
    Unknown,
}

/// Reads a type name: a Go type, or a C type in any spelling.
pub(super) fn declared(name: &str) -> Declared {
    use FieldType as T;
    Declared::Type(match name {
        "int8" | "int16" | "int32" | "int" | "short" | "s8" | "s16" | "s32" | "pid_t" | "key_t"
        | "clockid_t" | "const clockid_t" | "timer_t" | "mqd_t" | "key_serial_t" | "rwf_t" => T::Int32,
        "int64" | "long" | "long long" | "s64" | "off_t" | "loff_t" | "time_t" | "ssize_t" => T::Int64,
        "uint8" | "uint16" | "uint32" | "u8" | "u16" | "u32" | "unsigned char" | "unsigned short"
        | "unsigned int" | "unsigned" | "dev_t" | "mode_t" | "umode_t" | "uid_t" | "gid_t" | "qid_t" => {
            T::UInt32
        }
        "uint64" | "uint" | "uintptr" | "u64" | "unsigned long" | "unsigned long long" | "size_t"
        | "aio_context_t" => T::UInt64,
        "trace.Pointer" => T::Pointer,
        "string" | "char*" | "const char*" => T::String,
        "bool" => T::Bool,
        "bytes" | "[]byte" | "[]uint8" => T::Bytes,
        "[]string" | "const char**" | "char**" | "const char*const*" => T::StringArray,
        "[2]int" | "[2]int32" | "int[2]" => T::Int32Array,
        "[]uint64" | "u64[]" | "unsigned long[]" => T::UInt64Array,
        "float" | "float64" => T::Timespec,
        "time.Time" => return Declared::Moment,
        "SockAddr" | "struct sockaddr*" | "const struct sockaddr*" => T::SockAddr,
        "trace.SlimCred" | "slim_cred_t" => T::Credentials,
        "[]trace.HookedSymbolData" => T::HookedSyscalls,
        "map[string]trace.HookedSymbolData" => T::HookedSeqOps,
        "trace.PktMeta" => T::PacketMetadata,
        "trace.PacketMetadata" => return Declared::Direction,
        "[]trace.DnsQueryData" => T::DnsQuestions,
        "[]trace.DnsResponseData" => T::DnsResponses,
        "trace.ProtoIPv4" => T::Ipv4,
        "trace.ProtoIPv6" => T::Ipv6,
        "trace.ProtoTCP" => T::Tcp,
        "trace.ProtoUDP" => T::Udp,
        "trace.ProtoICMP" => T::Icmp,
        "trace.ProtoICMPv6" => T::Icmpv6,
        "trace.ProtoDNS" => T::Dns,
        "trace.ProtoHTTP" => T::Http,
        "trace.ProtoHTTPRequest" => T::HttpRequest,
        "trace.ProtoHTTPResponse" => T::HttpResponse,
        // Finding data spell C types with spaces.
        _ if name.ends_with(" *") => return declared(&format!("{}*", name.trim_end_matches([' ', '*']))),
        _ if name.ends_with('*') => T::Pointer,
        _ => return Declared::Unknown,
    })
}
