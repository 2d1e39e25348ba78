//! How events change the DNS store.

use arrow::array::RecordBatch;

use super::DnsStore;
use super::link::Sighting;
use super::packet::Packet;
use super::record::{AnswerValue, Reading, Response};
use crate::fold::Fold;
use crate::reads::{Reads, Seen};
use crate::rows::RowsError;

const SECOND: i64 = 1_000_000_000;

/// What the store reads of events: a message each.
const READS: [Reads; 2] = [
    Reads {
        event_type: "net_packet_dns",
        fields: &["proto_dns"],
    },
    Reads {
        event_type: "net_packet_dns_response",
        fields: &["dns_response"],
    },
];

impl Fold for DnsStore {
    fn reads(&self) -> &'static [Reads] {
        &READS
    }

    /// Everything comes from events.
    fn input(&mut self, _seq: u64, _rows: &RecordBatch) -> Result<(), RowsError> {
        Ok(())
    }

    fn event(&mut self, event: &Seen<'_>) {
        match event.bytes(0).and_then(Packet::plain) {
            Some(packet) => self.take(event, &Reading::of_packet(&packet)),
            None => self.take(event, &Reading::of(event.value(0).as_ref())),
        }
    }

    fn keyframe(&self) -> Option<RecordBatch> {
        Some(self.to_keyframe())
    }

    fn restore(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        self.take_keyframe(seq, rows)
    }

    fn weight(&self) -> u64 {
        (self.graph.nodes().len() + self.graph.links().len()) as u64
    }

    fn compact(&mut self, seq: u64) {
        let graph = &mut self.graph;
        self.changed_links.retain(|link| graph.merge_link(*link, seq));
        self.changed_nodes.retain(|node| graph.merge_node(*node, seq));
        let known = self.horizons.partition_point(|(since, _)| *since <= seq);
        self.horizons.drain(..known.saturating_sub(1));
        self.clear(seq);
    }

    fn forget(&mut self, seq: u64, horizon_ns: u64) {
        let horizon = i64::try_from(horizon_ns).unwrap_or(i64::MAX);
        if horizon > self.floor() {
            self.horizons.push((seq, horizon));
        }
    }
}

impl DnsStore {
    fn take(&mut self, event: &Seen<'_>, reading: &Reading<'_>) {
        let time = event.timestamp_ns();
        let timeless = time.is_none() && !reading.responses.is_empty();
        self.unusable += u64::from(reading.flawed || timeless);
        if let Some(time) = time {
            for response in &reading.responses {
                self.respond(event.seq(), time, response);
            }
        }
    }

    fn respond(&mut self, seq: u64, time: i64, response: &Response<'_>) {
        let floor = self.floor();
        let until = |ttl: u32| time.saturating_add(i64::from(ttl) * SECOND);
        let ends = response.answers.iter().map(|answer| until(answer.ttl));
        let end = ends.max().unwrap_or(time);
        if end < floor {
            return;
        }
        let graph = &mut self.graph;
        let question = graph.name(seq, floor, response.question, end);
        graph.ask(question, seq, time);
        self.changed_nodes.push(question);
        let question_type = graph.type_id(response.question_type);
        for answer in &response.answers {
            let end = until(answer.ttl);
            if end < floor {
                continue;
            }
            // Known until then at least.
            let from = if answer.name == response.question {
                question
            } else {
                graph.name(seq, floor, answer.name, end)
            };
            let to = match &answer.value {
                AnswerValue::Address(address) => graph.address(seq, floor, *address, end),
                AnswerValue::Name(name) => graph.name(seq, floor, name, end),
            };
            let sighting = Sighting::new(seq, time, end, answer.ttl, question, question_type);
            let link = graph.see((from, answer.record_type, to), floor, sighting);
            self.changed_links.extend(link);
        }
    }

    /// Drops what is forgotten as of event `seq`, once it is a fifth of what is left: what that costs is small against what was
    /// taken in since, and a long recording takes little more memory than a short one.
    fn clear(&mut self, seq: u64) {
        let horizon = self.horizon(seq);
        if self.cleared.unwrap_or(i64::MIN) == horizon {
            return;
        }
        self.cleared = Some(horizon);
        let nodes = self.graph.nodes().iter().map(|node| node.until() < horizon);
        let links = self.graph.links().iter().map(|link| link.until() < horizon);
        let (mut all, mut over) = (0, 0);
        for forgotten in nodes.chain(links) {
            all += 1;
            over += usize::from(forgotten);
        }
        if over * 6 > all {
            let moved = self.graph.drop_before(horizon);
            let links = std::mem::take(&mut self.changed_links).into_iter();
            self.changed_links = links.filter_map(|link| moved.link(link)).collect();
            let nodes = std::mem::take(&mut self.changed_nodes).into_iter();
            self.changed_nodes = nodes.filter_map(|node| moved.node(node)).collect();
        }
    }
}
