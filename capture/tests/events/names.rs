//! Messages of DNS: their bytes, and how they are told.

use std::net::IpAddr;

use detectors_api::proto;
use detectors_api::proto::event_value::Value;

const ID: u16 = 0xcafe;
/// Seconds that an answer counts: longer than any recording.
const TTL: u32 = 36_000;
/// Where the name of the first question is.
const FIRST_NAME: u8 = 12;

/// A message with one question.
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) told: proto::Dns,
    answers: Vec<proto::DnsAnswer>,
}

/// Types of records, and their numbers.
const A: (&str, u8) = ("A", 1);
const CNAME: (&str, u8) = ("CNAME", 5);
const AAAA: (&str, u8) = ("AAAA", 28);

const fn type_of(address: IpAddr) -> (&'static str, u8) {
    if address.is_ipv4() { A } else { AAAA }
}

impl Message {
    /// The question which address `name` has, of the kind of `like`.
    pub(crate) fn question(name: &str, like: IpAddr) -> Self {
        let (kind, number) = type_of(like);
        let [id_high, id_low] = ID.to_be_bytes();
        // Recursion is desired, one question; then its name, type and class.
        let head = [id_high, id_low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        Self {
            bytes: [&head, labels(name).as_slice(), &[0, number, 0, 1]].concat(),
            told: proto::Dns {
                id: ID.into(),
                op_code: "query".to_owned(),
                rd: 1,
                response_code: "no error".to_owned(),
                qd_count: 1,
                questions: vec![proto::DnsQuestion {
                    name: name.to_owned(),
                    r#type: kind.to_owned(),
                    class: "IN".to_owned(),
                }],
                ..proto::Dns::default()
            },
            answers: Vec::new(),
        }
    }

    /// The response that the name is one for `host`, which has the address.
    pub(crate) fn answered(&self, host: &str, address: IpAddr) -> Self {
        let mut response = self.refused(0, "no error");
        let alias = self.told.questions[0].name.clone();
        let (kind, number) = type_of(address);
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // Leads back to the name of the question.
        response.add(&[0xc0, FIRST_NAME], CNAME.1, &labels(host));
        response.add(&labels(host), number, &octets);
        response.tell(proto::DnsResourceRecord {
            cname: host.to_owned(),
            ..record(&alias, CNAME.0)
        });
        response.tell(proto::DnsResourceRecord {
            ip: address.to_string(),
            ..record(host, kind)
        });
        response.answers = vec![answer(CNAME.0, host), answer(kind, &address.to_string())];
        response
    }

    /// The response that there is no such name.
    pub(crate) fn unknown(&self) -> Self {
        self.refused(3, "non-existent domain")
    }

    fn refused(&self, code: u8, told: &str) -> Self {
        let mut bytes = self.bytes.clone();
        // A response, recursion desired and available.
        bytes[2..4].copy_from_slice(&[0x81, 0x80 | code]);
        Self {
            bytes,
            told: proto::Dns {
                qr: 1,
                ra: 1,
                response_code: told.to_owned(),
                ..self.told.clone()
            },
            answers: Vec::new(),
        }
    }

    fn add(&mut self, name: &[u8], kind: u8, data: &[u8]) {
        let length = u16::try_from(data.len()).expect("it is short");
        self.bytes.extend(name);
        self.bytes.extend([0, kind, 0, 1]);
        self.bytes.extend(TTL.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(data);
        // The number of answers.
        self.bytes[7] += 1;
    }

    fn tell(&mut self, record: proto::DnsResourceRecord) {
        self.told.answers.push(record);
        self.told.an_count += 1;
    }

    /// The events that tell it: their names, and the field that has the message.
    pub(crate) fn events(&self) -> [(&'static str, &'static str, Value); 2] {
        let question = &self.told.questions[0];
        let asked = proto::DnsQueryData {
            query: question.name.clone(),
            query_type: question.r#type.clone(),
            query_class: question.class.clone(),
        };
        let all = ("net_packet_dns", "proto_dns", Value::Dns(self.told.clone()));
        if self.told.qr == 0 {
            let questions = proto::DnsQuestions {
                questions: vec![asked],
            };
            return [
                all,
                (
                    "net_packet_dns_request",
                    "dns_questions",
                    Value::DnsQuestions(questions),
                ),
            ];
        }
        let responses = proto::DnsResponses {
            responses: vec![proto::DnsResponseData {
                dns_query_data: Some(asked),
                dns_answer: self.answers.clone(),
            }],
        };
        [
            all,
            (
                "net_packet_dns_response",
                "dns_response",
                Value::DnsResponses(responses),
            ),
        ]
    }
}

/// A name in the form of messages.
fn labels(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).expect("labels are short");
        [&[length], label.as_bytes()].concat()
    });
    labels.chain([0]).collect()
}

/// A record without what it says; the parts that records of other types have are there, and empty.
fn record(name: &str, kind: &str) -> proto::DnsResourceRecord {
    proto::DnsResourceRecord {
        name: name.to_owned(),
        r#type: kind.to_owned(),
        class: "IN".to_owned(),
        ttl: TTL,
        soa: Some(proto::Dnssoa::default()),
        srv: Some(proto::Dnssrv::default()),
        mx: Some(proto::Dnsmx::default()),
        uri: Some(proto::Dnsuri::default()),
        ..proto::DnsResourceRecord::default()
    }
}

fn answer(kind: &str, answer: &str) -> proto::DnsAnswer {
    proto::DnsAnswer {
        r#type: kind.to_owned(),
        ttl: TTL,
        answer: answer.to_owned(),
    }
}
