//! Records of the sensor, and packets in them.

use ebpf::abi::{Body, parse};

/// Bytes of a record's header, of which only kind, version and length matter here.
const HEADER: usize = 144;

/// Parses the input as kind and body of a record: bytes, or a text whose characters stand for bytes. Packets are read to the end,
/// twice: the second time connections and names are known.
pub fn record(input: &[u8]) {
    let bytes = match std::str::from_utf8(input) {
        Ok(text) => text.chars().map(|character| character as u32 as u8).collect(),
        Err(_) => input.to_vec(),
    };
    let Some((kind, body)) = bytes.split_first() else {
        return;
    };
    let Ok(len) = u32::try_from(HEADER + body.len()) else {
        return;
    };
    let mut record = vec![0; HEADER];
    record[..4].copy_from_slice(&len.to_ne_bytes());
    record[4..6].copy_from_slice(&u16::from(*kind).to_ne_bytes());
    record[6..8].copy_from_slice(&ebpf::abi::VERSION.to_ne_bytes());
    record.extend(body);
    if let Ok(record) = parse(&record)
        && let Body::Packet(packet) = &record.body
    {
        let mut packets = capture::live::Packets::default();
        let first = packets.events(packet, 0);
        let second = packets.events(packet, 1);
        assert!(second.len() <= first.len(), "{first:?} {second:?}");
    }
}
