//! DNS messages.
//!
//! A message is read as far as the interface tells it: types and classes that nobody knows are fine, and so is the extended
//! pseudo-record, which crates for DNS take out of the message. One that ends too early or whose names do not end is no message.

use std::net::{Ipv4Addr, Ipv6Addr};

use detectors_api::proto;

use super::texts;

/// Bytes of a name at most, with the length in front of each label.
const MAX_NAME: usize = 255;
/// Labels of a name, and places that it leads to, at most: each label has two bytes at least.
const MAX_LABELS: usize = 128;
/// Records of a message that are read at most. One of the greatest length has fewer.
const MAX_RECORDS: usize = 4096;

mod kind {
    pub(super) const A: u16 = 1;
    pub(super) const NS: u16 = 2;
    pub(super) const CNAME: u16 = 5;
    pub(super) const SOA: u16 = 6;
    pub(super) const PTR: u16 = 12;
    pub(super) const MX: u16 = 15;
    pub(super) const TXT: u16 = 16;
    pub(super) const AAAA: u16 = 28;
    pub(super) const SRV: u16 = 33;
    pub(super) const OPT: u16 = 41;
    pub(super) const URI: u16 = 256;
}

/// The message in the payload of a segment or datagram. Over TCP it has its length in front.
pub(super) fn read(payload: &[u8], over_tcp: bool) -> Option<proto::Dns> {
    if !over_tcp {
        return message(payload);
    }
    let (length, rest) = payload.split_first_chunk()?;
    message(rest.get(..usize::from(u16::from_be_bytes(*length)))?)
}

fn message(bytes: &[u8]) -> Option<proto::Dns> {
    let mut reader = Reader { bytes, at: 0 };
    let id = reader.u16()?;
    let flags = reader.u16()?;
    let counts: [u16; 4] = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    if counts.iter().map(|&count| usize::from(count)).sum::<usize>() > MAX_RECORDS {
        return None;
    }
    let questions = (0..counts[0]).map(|_| reader.question()).collect::<Option<_>>()?;
    let mut code = flags & 0xf;
    let mut section = |count| {
        (0..count)
            .map(|_| reader.record(&mut code))
            .collect::<Option<_>>()
    };
    let (answers, authorities, additionals) = (section(counts[1])?, section(counts[2])?, section(counts[3])?);
    let bit = |place: u16| u32::from(flags >> place & 1);
    Some(proto::Dns {
        id: id.into(),
        qr: bit(15),
        op_code: texts::dns_operation(flags >> 11 & 0xf).to_owned(),
        aa: bit(10),
        tc: bit(9),
        rd: bit(8),
        ra: bit(7),
        z: u32::from(flags >> 4 & 7),
        response_code: texts::dns_response(code).to_owned(),
        qd_count: counts[0].into(),
        an_count: counts[1].into(),
        ns_count: counts[2].into(),
        ar_count: counts[3].into(),
        questions,
        answers,
        authorities,
        additionals,
    })
}

/// The question of a query that has exactly one.
pub(super) fn request(message: &proto::Dns) -> Option<proto::DnsQuestions> {
    (message.qr == 0).then_some(())?;
    Some(proto::DnsQuestions {
        questions: vec![question(message)?],
    })
}

/// The question of a response, which has exactly one, and its answers.
pub(super) fn response(message: &proto::Dns) -> Option<proto::DnsResponses> {
    (message.qr == 1).then_some(())?;
    let answer = |record: &proto::DnsResourceRecord| proto::DnsAnswer {
        r#type: record.r#type.clone(),
        ttl: record.ttl,
        answer: match record.r#type.as_str() {
            "A" | "AAAA" => record.ip.clone(),
            "NS" => record.ns.clone(),
            "CNAME" => record.cname.clone(),
            "PTR" => record.ptr.clone(),
            "MX" => record.mx.as_ref().map(|mx| mx.name.clone()).unwrap_or_default(),
            "TXT" => record.txt.clone(),
            _ => "not implemented".to_owned(),
        },
    };
    Some(proto::DnsResponses {
        responses: vec![proto::DnsResponseData {
            dns_query_data: Some(question(message)?),
            dns_answer: message.answers.iter().map(answer).collect(),
        }],
    })
}

fn question(message: &proto::Dns) -> Option<proto::DnsQueryData> {
    let [question] = message.questions.as_slice() else {
        return None;
    };
    Some(proto::DnsQueryData {
        query: question.name.clone(),
        query_type: question.r#type.clone(),
        query_class: question.class.clone(),
    })
}

/// Reads a message from front to back; names lead back to what was read.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A name, its labels joined with dots.
    fn name(&mut self) -> Option<String> {
        let mut name: Vec<u8> = Vec::new();
        let mut reader = *self;
        // Behind the name, once it has led elsewhere.
        let mut after = None;
        for _ in 0..MAX_LABELS {
            match reader.u8()? {
                0 => {
                    self.at = after.unwrap_or(reader.at);
                    return Some(String::from_utf8_lossy(&name).into_owned());
                }
                length @ 1..=63 => {
                    if !name.is_empty() {
                        name.push(b'.');
                    }
                    name.extend(reader.take(length.into())?);
                    // Few bytes can lead to long names many times.
                    if name.len() + 2 > MAX_NAME {
                        return None;
                    }
                }
                high @ 192.. => {
                    let to = usize::from(high & 63) << 8 | usize::from(reader.u8()?);
                    after.get_or_insert(reader.at);
                    reader.at = to;
                }
                _ => return None,
            }
        }
        None
    }

    fn question(&mut self) -> Option<proto::DnsQuestion> {
        Some(proto::DnsQuestion {
            name: self.name()?,
            r#type: texts::dns_type(self.u16()?).to_owned(),
            class: texts::dns_class(self.u16()?).to_owned(),
        })
    }

    /// A record; an OPT record has the upper bits of the message's response code.
    fn record(&mut self, code: &mut u16) -> Option<proto::DnsResourceRecord> {
        let name = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let begin = self.at;
        let data = self.take(length)?;
        // Names in the data may lead to what comes before it, but nothing goes on behind it.
        let mut reader = Reader {
            bytes: self.bytes.get(..self.at)?,
            at: begin,
        };
        let mut record = proto::DnsResourceRecord {
            name,
            r#type: texts::dns_type(kind).to_owned(),
            class: texts::dns_class(class).to_owned(),
            ttl,
            // The interface has them in every record.
            soa: Some(proto::Dnssoa::default()),
            srv: Some(proto::Dnssrv::default()),
            mx: Some(proto::Dnsmx::default()),
            uri: Some(proto::Dnsuri::default()),
            ..proto::DnsResourceRecord::default()
        };
        if kind == kind::OPT {
            *code |= u16::try_from(ttl >> 24).unwrap_or_default() << 4;
        }
        reader.data(kind, data, &mut record)?;
        Some(record)
    }

    /// Reads what a record of a type says.
    fn data(&mut self, kind: u16, data: &[u8], record: &mut proto::DnsResourceRecord) -> Option<()> {
        match kind {
            kind::A => record.ip = Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string(),
            kind::AAAA => record.ip = Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
            kind::NS => record.ns = self.name()?,
            kind::CNAME => record.cname = self.name()?,
            kind::PTR => record.ptr = self.name()?,
            kind::TXT => {
                record.txt = String::from_utf8_lossy(data).into_owned();
                record.txts = self.strings()?;
            }
            kind::SOA => {
                record.soa = Some(proto::Dnssoa {
                    mname: self.name()?,
                    rname: self.name()?,
                    serial: self.u32()?,
                    refresh: self.u32()?,
                    retry: self.u32()?,
                    expire: self.u32()?,
                    minimum: self.u32()?,
                });
            }
            kind::SRV => {
                record.srv = Some(proto::Dnssrv {
                    priority: self.u16()?.into(),
                    weight: self.u16()?.into(),
                    port: self.u16()?.into(),
                    name: self.name()?,
                });
            }
            kind::MX => {
                record.mx = Some(proto::Dnsmx {
                    preference: self.u16()?.into(),
                    name: self.name()?,
                });
            }
            kind::URI => {
                record.uri = Some(proto::Dnsuri {
                    priority: self.u16()?.into(),
                    weight: self.u16()?.into(),
                    target: String::from_utf8_lossy(self.rest()).into_owned(),
                });
            }
            kind::OPT => {
                while !self.rest().is_empty() {
                    let (code, length) = (self.u16()?, self.u16()?);
                    record.opt.push(proto::Dnsopt {
                        code: texts::dns_option(code).to_owned(),
                        data: String::from_utf8_lossy(self.take(length.into())?).into_owned(),
                    });
                }
            }
            _ => {}
        }
        Some(())
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Strings to the end, each with its length in front.
    fn strings(&mut self) -> Option<Vec<String>> {
        let mut strings = Vec::new();
        while !self.rest().is_empty() {
            let length = self.u8()?;
            strings.push(String::from_utf8_lossy(self.take(length.into())?).into_owned());
        }
        Some(strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for a name of labels of these lengths.
    fn query(labels: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for &length in labels {
            bytes.push(length);
            bytes.extend(vec![b'a'; length.into()]);
        }
        bytes.extend([0, 0, 1, 0, 1]);
        bytes
    }

    #[test]
    fn names_have_at_most_255_bytes() {
        let longest = message(&query(&[63, 63, 63, 61])).expect("a message");
        assert_eq!(longest.questions[0].name.len(), 253);
        assert_eq!(message(&query(&[63, 63, 63, 62])), None);
        assert_eq!(message(&query(&[63, 63, 63, 63, 63])), None);
    }

    #[test]
    fn names_that_lead_in_circles_end() {
        let mut circle = query(&[1]);
        circle[12..14].copy_from_slice(&[192, 12]);
        assert_eq!(message(&circle), None);
    }
}
