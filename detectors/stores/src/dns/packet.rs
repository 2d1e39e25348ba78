//! DNS packets, in the members that the store reads.
//!
//! A packet is kept as a protobuf message. Nearly all are plain: each member is known, has the type that it should have, and is
//! a number or a text or a list of such. These are read where they lie, without making the whole message. What else the format
//! allows, and what is malformed, is left to the full reader, so that a packet means the same either way.

use detectors_api::proto;

/// A packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// 1 for a response.
    pub(super) qr: u32,
    /// Number of questions.
    pub(super) questions: usize,
    /// The last of them.
    pub(super) question: Question<'a>,
    pub(super) answers: Vec<Record<'a>>,
}

/// A question.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Question<'a> {
    pub(super) name: &'a str,
    pub(super) question_type: &'a str,
}

/// A record. What its type does not have is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) name: &'a str,
    pub(super) record_type: &'a str,
    /// Seconds.
    pub(super) ttl: u32,
    pub(super) ip: &'a str,
    pub(super) cname: &'a str,
    pub(super) ptr: &'a str,
    /// Host to which mail goes.
    pub(super) mx: &'a str,
    /// Host of a service.
    pub(super) srv: &'a str,
}

impl<'a> From<&'a proto::Dns> for Packet<'a> {
    fn from(packet: &'a proto::Dns) -> Self {
        let question = packet.questions.last().map(|question| Question {
            name: &question.name,
            question_type: &question.r#type,
        });
        Self {
            qr: packet.qr,
            questions: packet.questions.len(),
            question: question.unwrap_or_default(),
            answers: packet.answers.iter().map(Record::from).collect(),
        }
    }
}

impl<'a> From<&'a proto::DnsResourceRecord> for Record<'a> {
    fn from(record: &'a proto::DnsResourceRecord) -> Self {
        Self {
            name: &record.name,
            record_type: &record.r#type,
            ttl: record.ttl,
            ip: &record.ip,
            cname: &record.cname,
            ptr: &record.ptr,
            mx: record.mx.as_ref().map_or("", |mx| &mx.name),
            srv: record.srv.as_ref().map_or("", |srv| &srv.name),
        }
    }
}

// The numbers are those of the members in `event_data.proto`.

impl<'a> Packet<'a> {
    /// The packet in a field's value, an encoded [`proto::EventValue`]; `None` if that is not plain.
    pub(super) fn plain(value: &'a [u8]) -> Option<Self> {
        let mut packet = None;
        members(value, |number, member| match (number, member) {
            (1, Member::Bytes(name)) => text(name).map(|_| ()),
            (23, Member::Bytes(message)) if packet.is_none() => {
                packet = Some(Self::of(message)?);
                Some(())
            }
            _ => None,
        })?;
        packet
    }

    fn of(message: &'a [u8]) -> Option<Self> {
        let mut packet = Self::default();
        members(message, |number, member| {
            match (number, member) {
                (2, Member::Number(qr)) => packet.qr = qr,
                (1 | 4..=8 | 10..=13, Member::Number(_)) => {}
                (3 | 9, Member::Bytes(other)) => _ = text(other)?,
                (14, Member::Bytes(question)) => {
                    packet.questions += 1;
                    packet.question = Question::of(question)?;
                }
                (15, Member::Bytes(record)) => packet.answers.push(Record::of(record)?),
                (16 | 17, Member::Bytes(record)) => _ = Record::of(record)?,
                _ => return None,
            }
            Some(())
        })?;
        Some(packet)
    }
}

impl<'a> Question<'a> {
    fn of(message: &'a [u8]) -> Option<Self> {
        let mut question = Self::default();
        members(message, |number, member| {
            match (number, member) {
                (1, Member::Bytes(name)) => question.name = text(name)?,
                (2, Member::Bytes(question_type)) => question.question_type = text(question_type)?,
                (3, Member::Bytes(class)) => _ = text(class)?,
                _ => return None,
            }
            Some(())
        })?;
        Some(question)
    }
}

impl<'a> Record<'a> {
    fn of(message: &'a [u8]) -> Option<Self> {
        let mut record = Self::default();
        members(message, |number, member| {
            match (number, member) {
                (1, Member::Bytes(name)) => record.name = text(name)?,
                (2, Member::Bytes(record_type)) => record.record_type = text(record_type)?,
                (4, Member::Number(ttl)) => record.ttl = ttl,
                (5, Member::Bytes(ip)) => record.ip = text(ip)?,
                (7, Member::Bytes(cname)) => record.cname = text(cname)?,
                (8, Member::Bytes(ptr)) => record.ptr = text(ptr)?,
                (3 | 6 | 9 | 15, Member::Bytes(other)) => _ = text(other)?,
                // Messages, where there are any: of other types of records, nothing is in them.
                (10..=12 | 14, Member::Bytes([])) => {}
                _ => return None,
            }
            Some(())
        })?;
        Some(record)
    }
}

/// A member of a message.
#[derive(Clone, Copy, Debug)]
enum Member<'a> {
    Number(u32),
    /// A text or a message.
    Bytes(&'a [u8]),
}

/// Takes the members of a message in order, each with its number. `None` if they are not all plain, or `take` says so.
fn members<'a>(mut message: &'a [u8], mut take: impl FnMut(u32, Member<'a>) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let key = number(&mut message)?;
        let member = match key & 7 {
            0 => Member::Number(number(&mut message)?),
            2 => {
                let length = usize::try_from(number(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Member::Bytes(bytes)
            }
            _ => return None,
        };
        take(key >> 3, member)?;
    }
    Some(())
}

/// A number of up to 32 bits at the beginning of `bytes`, which are cut behind it.
fn number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for place in 0..5 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return u32::try_from(number).ok();
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, BinaryArray, RecordBatch};
    use detectors_api::event::{BatchBuilder, EventBatch, Value};
    use detectors_api::proto::event_value::Value as Message;
    use detectors_api::testkit::TestEvent;

    use super::*;

    fn record(number: u32) -> proto::DnsResourceRecord {
        proto::DnsResourceRecord {
            name: format!("host-{number}.example"),
            r#type: "A".to_owned(),
            class: "IN".to_owned(),
            ttl: 300 * number,
            ip: format!("192.0.2.{number}"),
            ns: "ns.example".to_owned(),
            cname: "alias.example".to_owned(),
            ptr: "pointer.example".to_owned(),
            txts: vec!["one".to_owned(), "two".to_owned()],
            ..Default::default()
        }
    }

    fn packet() -> proto::Dns {
        proto::Dns {
            id: 70_000,
            qr: 1,
            op_code: "Query".to_owned(),
            rd: 1,
            response_code: "No Error".to_owned(),
            questions: vec![proto::DnsQuestion {
                name: "host-1.example".to_owned(),
                r#type: "A".to_owned(),
                class: "IN".to_owned(),
            }],
            answers: vec![record(1), record(2)],
            authorities: vec![record(3)],
            ..Default::default()
        }
    }

    /// Events with these values, each encoded.
    fn batch(values: &[Vec<u8>]) -> EventBatch {
        let events = TestEvent::new("net_packet_dns").set("proto_dns", Message::Dns(packet()));
        let mut builder = BatchBuilder::default();
        for (seq, _) in (1..).zip(values) {
            builder.push(seq, &events.to_recorded());
        }
        let built = builder.finish().batches.remove(0);
        let (schema, mut columns, _) = built.record_batch().clone().into_parts();
        let place = schema.index_of("proto_dns").expect("a column");
        columns[place] = Arc::new(BinaryArray::from_iter_values(values)) as ArrayRef;
        let columns = RecordBatch::try_new(schema, columns).expect("of the same types");
        EventBatch::try_new("net_packet_dns", columns, built.contexts().clone()).expect("a batch")
    }

    fn encoded(packet: proto::Dns) -> Vec<u8> {
        let event = TestEvent::new("net_packet_dns").set("proto_dns", Message::Dns(packet));
        let mut builder = BatchBuilder::default();
        builder.push(1, &event.to_recorded());
        let built = builder.finish().batches.remove(0);
        let column = built.field_column("proto_dns").expect("a column");
        column.as_binary::<i32>().value(0).to_vec()
    }

    /// Whatever is plain means what the whole message means. Gives the number of values that are plain.
    fn compare(values: &[Vec<u8>]) -> usize {
        let batch = batch(values);
        let mut plain = 0;
        for (row, value) in values.iter().enumerate() {
            let Some(packet) = Packet::plain(value) else {
                continue;
            };
            plain += 1;
            let event = batch.event(row);
            match event.value("proto_dns") {
                Some(Value::Message(message)) => match *message {
                    Message::Dns(whole) => assert_eq!(packet, Packet::from(&whole), "{value:?}"),
                    other => panic!("{value:?} is {other:?}"),
                },
                other => panic!("{value:?} is {other:?}"),
            }
        }
        plain
    }

    #[test]
    fn a_packet_of_numbers_and_texts_is_plain() {
        let query = proto::Dns {
            qr: 0,
            answers: Vec::new(),
            ..packet()
        };
        let mail = proto::DnsResourceRecord {
            mx: Some(proto::Dnsmx {
                name: "mail.example".to_owned(),
                ..Default::default()
            }),
            ..record(4)
        };
        let with_mail = proto::Dns {
            answers: vec![mail],
            ..packet()
        };
        let nothing_in_it = proto::DnsResourceRecord {
            mx: Some(proto::Dnsmx::default()),
            ..record(4)
        };
        let empty = proto::Dns {
            answers: vec![nothing_in_it],
            ..packet()
        };
        let values = [packet(), query, with_mail, empty, proto::Dns::default()].map(encoded);
        assert_eq!(compare(&values), 4);
        assert_eq!(Packet::plain(&values[2]), None);
    }

    #[test]
    fn what_is_plain_means_the_same_however_it_is_damaged() {
        let whole = encoded(packet());
        let mut damaged: Vec<_> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
        for place in 0..whole.len() {
            for change in [1, 2, 4, 7, 8, 0x10, 0x7f, 0x80, 0xff] {
                let mut value = whole.clone();
                value[place] ^= change;
                damaged.push(value);
            }
        }
        damaged.push(whole.repeat(2));
        let plain = compare(&damaged);
        assert!(
            plain > 100 && damaged.len() - plain > 100,
            "{plain} of {}",
            damaged.len()
        );
    }
}
