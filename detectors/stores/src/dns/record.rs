//! What a DNS event says.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use detectors_api::event::Value;
use detectors_api::proto;
use detectors_api::proto::event_value::Value as Message;

use super::name::trim;
use super::packet::Packet;

/// The types of records that the store keeps: those that lead from a name or an address to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// A name has an IPv4 address.
    A,
    /// A name has an IPv6 address.
    Aaaa,
    /// A name is an alias of another one.
    Cname,
    /// An address has a name.
    Ptr,
    /// Mail for a name goes to a host.
    Mx,
    /// A service is provided by a host.
    Srv,
}

impl RecordType {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::A, Self::Aaaa, Self::Cname, Self::Ptr, Self::Mx, Self::Srv];

    /// Its name in DNS: `A`, `AAAA`, `CNAME`, `PTR`, `MX` or `SRV`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Ptr => "PTR",
            Self::Mx => "MX",
            Self::Srv => "SRV",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|record| record.as_str() == name)
    }

    /// Whether it leads to an address.
    pub(super) const fn is_address(self) -> bool {
        matches!(self, Self::A | Self::Aaaa)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that was seen in a response. Names are as on the wire, in the case in which they were seen first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord<'a> {
    /// Sequence number of the event that showed it.
    pub seq: u64,
    /// When it was seen: ns since the Unix epoch. It holds from then on.
    pub time_ns: i64,
    /// The name that was asked for.
    pub question: Cow<'a, str>,
    /// The type of record that was asked for, such as `A` or `ANY`.
    pub question_type: &'a str,
    /// The name that the record is about.
    pub name: Cow<'a, str>,
    /// Its type.
    pub record_type: RecordType,
    /// What it says: an address or a name.
    pub value: Cow<'a, str>,
    /// For how long, in seconds.
    pub ttl: u32,
    /// The last moment at which it holds: ns since the Unix epoch.
    pub valid_until_ns: i64,
}

/// A response that answers one question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub(super) question: &'a str,
    pub(super) question_type: &'a str,
    pub(super) answers: Vec<Answer<'a>>,
}

/// An answer that leads somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// The name that it is about.
    pub(super) name: &'a str,
    pub(super) record_type: RecordType,
    pub(super) value: AnswerValue<'a>,
    /// Seconds.
    pub(super) ttl: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum AnswerValue<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// What an event says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    pub(super) responses: Vec<Response<'a>>,
    /// Something in it could not be used.
    pub(super) flawed: bool,
}

impl<'a> Reading<'a> {
    const FLAWED: Self = Self {
        responses: Vec::new(),
        flawed: true,
    };

    /// Reads the message of a `net_packet_dns` or `net_packet_dns_response` event.
    pub(super) fn of(message: Option<&'a Value<'_>>) -> Self {
        match message {
            Some(Value::Message(message)) => match &**message {
                Message::Dns(packet) => Self::of_packet(&packet.into()),
                Message::DnsResponses(responses) => Self::of_responses(responses),
                _ => Self::FLAWED,
            },
            _ => Self::FLAWED,
        }
    }

    pub(super) fn of_packet(packet: &Packet<'a>) -> Self {
        if packet.qr != 1 || packet.answers.is_empty() {
            return Self::default();
        }
        if packet.questions != 1 {
            return Self::FLAWED;
        }
        let question = &packet.question;
        let mut reading = Self::default();
        let mut answers = Vec::with_capacity(packet.answers.len());
        for record in &packet.answers {
            let Some(record_type) = RecordType::from_name(record.record_type) else {
                continue;
            };
            let text = match record_type {
                RecordType::A | RecordType::Aaaa => record.ip,
                RecordType::Cname => record.cname,
                RecordType::Ptr => record.ptr,
                RecordType::Mx => record.mx,
                RecordType::Srv => record.srv,
            };
            let name = if record.name.is_empty() {
                question.name
            } else {
                record.name
            };
            reading.answer(&mut answers, name, record_type, text, record.ttl);
        }
        reading.respond(question.name, question.question_type, answers);
        reading
    }

    /// The answers do not tell what they are about: one after an alias is about what the alias stands for, as servers
    /// order them.
    fn of_responses(responses: &'a proto::DnsResponses) -> Self {
        let mut reading = Self::default();
        for response in &responses.responses {
            if response.dns_answer.is_empty() {
                continue;
            }
            let Some(question) = &response.dns_query_data else {
                reading.flawed = true;
                continue;
            };
            let mut name = question.query.as_str();
            let mut answers = Vec::new();
            for answer in &response.dns_answer {
                let record_type = RecordType::from_name(&answer.r#type);
                // Events do not have the host of a service, but a text that says so.
                let Some(record_type) = record_type.filter(|record| *record != RecordType::Srv) else {
                    continue;
                };
                reading.answer(&mut answers, name, record_type, &answer.answer, answer.ttl);
                if record_type == RecordType::Cname && !answer.answer.is_empty() {
                    name = &answer.answer;
                }
            }
            reading.respond(&question.query, &question.query_type, answers);
        }
        reading
    }

    fn answer(
        &mut self,
        answers: &mut Vec<Answer<'a>>,
        name: &'a str,
        record_type: RecordType,
        text: &'a str,
        ttl: u32,
    ) {
        if trim(name).is_empty() {
            return;
        }
        let value = if record_type.is_address() {
            let Ok(address) = text.parse() else {
                self.flawed = true;
                return;
            };
            AnswerValue::Address(address)
        } else if trim(text).is_empty() {
            // The root: "there is no such host".
            return;
        } else {
            AnswerValue::Name(text)
        };
        answers.push(Answer {
            name,
            record_type,
            value,
            ttl,
        });
    }

    fn respond(&mut self, question: &'a str, question_type: &'a str, answers: Vec<Answer<'a>>) {
        // Of the root nothing is kept.
        if !trim(question).is_empty() {
            self.responses.push(Response {
                question,
                question_type,
                answers,
            });
        }
    }
}
