//! The DNS store as rows.

use std::net::IpAddr;

use arrow::array::RecordBatch;

use super::DnsStore;
use super::link::Sighting;
use super::record::RecordType;
use crate::rows::{Row, RowsError, rows};

rows! {
    table "keyframes/dns";
    /// A piece of what the DNS store knows: a record, if all members are there; without `name`, that `question` was asked
    /// for; without `question` as well, that what ended before `time_ns` has been forgotten.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DnsState {
        /// The event that told it.
        pub seq: u64,
        /// When it was seen, or last asked for: ns since the Unix epoch.
        pub time_ns: i64,
        /// The last moment at which it holds, or anything that the answers said: ns since the Unix epoch.
        pub valid_until_ns: Option<i64>,
        /// The name that was asked for.
        pub question: Option<String>,
        /// The type of record that was asked for.
        pub question_type: Option<String>,
        /// The name that the record is about.
        pub name: Option<String>,
        /// Type of the record.
        pub record_type: Option<String>,
        /// An address or a name.
        pub value: Option<String>,
        /// Time to live in seconds.
        pub ttl: Option<u32>,
    }
}

impl DnsStore {
    pub(super) fn to_keyframe(&self) -> RecordBatch {
        let floor = self.floor();
        let mut rows = Vec::new();
        rows.extend(self.horizons.last().map(|(seq, horizon)| DnsState {
            seq: *seq,
            time_ns: *horizon,
            valid_until_ns: None,
            question: None,
            question_type: None,
            name: None,
            record_type: None,
            value: None,
            ttl: None,
        }));
        for node in self.graph.nodes().iter().filter(|node| node.until() >= floor) {
            rows.extend(node.last_asked().map(|(seq, time_ns)| DnsState {
                seq,
                time_ns,
                valid_until_ns: Some(node.until()),
                question: Some(node.name(u64::MAX).into_owned()),
                question_type: None,
                name: None,
                record_type: None,
                value: None,
                ttl: None,
            }));
        }
        for link in self.graph.links().iter().filter(|link| link.until() >= floor) {
            let link = link.merged();
            let holding = link.sightings().iter().filter(|sighting| sighting.until >= floor);
            rows.extend(holding.map(|sighting| {
                let record = self.record(&link, sighting, u64::MAX);
                DnsState {
                    seq: record.seq,
                    time_ns: record.time_ns,
                    valid_until_ns: Some(record.valid_until_ns),
                    question: Some(record.question.into_owned()),
                    question_type: Some(record.question_type.to_owned()),
                    name: Some(record.name.into_owned()),
                    record_type: Some(record.record_type.to_string()),
                    value: Some(record.value.into_owned()),
                    ttl: Some(record.ttl),
                }
            }));
        }
        DnsState::to_batch(&rows)
    }

    pub(super) fn take_keyframe(&mut self, before: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        for (row, state) in DnsState::from_batch(rows)?.into_iter().enumerate() {
            if state.seq >= before {
                let reason = format!("the state before event {before} cannot tell of it");
                return Err(bad("seq", row, state.seq.to_string(), reason));
            }
            self.take_state(row, state)?;
        }
        Ok(())
    }

    fn take_state(&mut self, row: usize, state: DnsState) -> Result<(), RowsError> {
        let floor = self.floor();
        let DnsState { seq, time_ns, .. } = state;
        let Some(question) = state.question else {
            if time_ns > floor {
                self.horizons.push((seq, time_ns));
            }
            return Ok(());
        };
        let until = present(state.valid_until_ns, "valid_until_ns", row)?;
        let question = self.graph.name(seq, floor, &question, until);
        let Some(name) = state.name else {
            self.graph.ask(question, seq, time_ns);
            return Ok(());
        };
        let question_type = present(state.question_type, "question_type", row)?;
        let question_type = self.graph.type_id(&question_type);
        let record_type = present(state.record_type, "record_type", row)?;
        let Some(record_type) = RecordType::from_name(&record_type) else {
            return Err(bad(
                "record_type",
                row,
                record_type,
                "no such type is kept".to_owned(),
            ));
        };
        let value = present(state.value, "value", row)?;
        let from = self.graph.name(seq, floor, &name, until);
        let to = if record_type.is_address() {
            let address: IpAddr = value
                .parse()
                .map_err(|_| bad("value", row, value, "it is no address".to_owned()))?;
            self.graph.address(seq, floor, address, until)
        } else {
            self.graph.name(seq, floor, &value, until)
        };
        let ttl = present(state.ttl, "ttl", row)?;
        let sighting = Sighting::new(seq, time_ns, until, ttl, question, question_type);
        self.graph.see((from, record_type, to), floor, sighting);
        Ok(())
    }
}

fn bad(column: &'static str, row: usize, value: String, reason: String) -> RowsError {
    RowsError::Value {
        table: DnsState::TABLE,
        column,
        row,
        value,
        reason,
    }
}

fn present<T>(value: Option<T>, column: &'static str, row: usize) -> Result<T, RowsError> {
    value.ok_or(RowsError::Null {
        table: DnsState::TABLE,
        column,
        row,
    })
}
