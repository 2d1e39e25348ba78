//! The DNS store: what names and addresses meant, as of any event.
//!
//! It is fed with the responses that `net_packet_dns` and `net_packet_dns_response` events show (in `packet` and `record`), and keeps them
//! as a graph (in `graph` and `link`): nodes are names and addresses, links are records of the types A, AAAA, CNAME, PTR, MX
//! and SRV that lead from what they are about to what they say. Rules:
//!
//! * A record holds from the moment at which it was seen until its time to live has passed, both inclusive, by the times of
//!   events. Every response with it counts for itself: a later one with a shorter time does not take back an earlier one.
//!   A record seen twice in one response, or in two events about one response, is one.
//! * A name that was asked for and got any answer stays known, whatever becomes of the answers. Anything else is known while a
//!   record about it, or leading to it, holds.
//! * Names are compared without regard to ASCII case and to a dot at the end, as DNS has it, and given in the case in which
//!   they were seen first.
//! * The name under which an address is looked up (`4.3.2.1.in-addr.arpa`) means the address, 1.2.3.4. Addresses are compared
//!   by value; one that is mapped from IPv4 into IPv6 is the IPv4 address.
//! * An answer is about the name that it carries, in whatever order the answers come. Types that lead nowhere (TXT, NS, SOA …)
//!   and records that say that there is no host (MX to the root) are not kept. What is said of the root is not kept.
//! * A question is answered with what leads to its subject and what its subject leads to (in `view`), each name and address
//!   once, so loops end. What an address leads to is not said of the names that lead to it: whoever owns an address
//!   may give it any name.
//! * What ended longer ago than records are retained for, and was not asked for since, is forgotten.

mod fold;
mod graph;
mod keyframe;
mod link;
mod name;
mod packet;
mod record;
mod view;

use graph::{Graph, LinkId, NodeId};
use link::{Link, Sighting};

pub use keyframe::DnsState;
pub use record::{DnsRecord, RecordType};
pub use view::{DnsAt, MAX_LINKS, MAX_NODES};

/// The DNS store of a recording, with its history.
#[derive(Debug, Default)]
pub struct DnsStore {
    graph: Graph,
    /// What ended before this moment (ns since the Unix epoch) is forgotten, as of which event; both rise.
    horizons: Vec<(u64, i64)>,
    /// The horizon of which the graph was last cleared.
    cleared: Option<i64>,
    /// Links and nodes that may have something to merge.
    changed_links: Vec<LinkId>,
    changed_nodes: Vec<NodeId>,
    unusable: u64,
}

impl DnsStore {
    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> DnsAt<'_> {
        DnsAt::new(self, seq, time_ns)
    }

    /// Every record of every response, by sequence number and, within a response, in the order in which records were first
    /// seen. Where history has been compacted, one row stands for the responses that held without a gap: it was seen with
    /// the first of them, and holds as the last one says.
    #[must_use]
    pub fn history(&self) -> Vec<DnsRecord<'_>> {
        let links = self.graph.links().iter();
        let mut records: Vec<_> = links
            .flat_map(|link| {
                let sightings = link.sightings().iter();
                sightings.map(|sighting| self.record(link, sighting, sighting.seq))
            })
            .collect();
        records.sort_by_key(|record| record.seq);
        records
    }

    /// Number of events of which something could not be used: responses without a timestamp or with other than one
    /// question, addresses that are none.
    #[must_use]
    pub fn unusable_events(&self) -> u64 {
        self.unusable
    }

    /// What ended before is forgotten as of an event; nothing, where there is no such moment.
    fn horizon(&self, seq: u64) -> i64 {
        let after = self.horizons.partition_point(|(since, _)| *since <= seq);
        after
            .checked_sub(1)
            .map_or(i64::MIN, |last| self.horizons[last].1)
    }

    /// What has been forgotten by now.
    fn floor(&self) -> i64 {
        self.horizon(u64::MAX)
    }

    /// A sighting of a link, as a record with texts as of event `seq`.
    fn record<'a>(&'a self, link: &Link, sighting: &Sighting, seq: u64) -> DnsRecord<'a> {
        let name = |id| self.graph.node(id).name(seq);
        DnsRecord {
            seq: sighting.seq,
            time_ns: sighting.from,
            question: name(sighting.question),
            question_type: self.graph.question_type(sighting.question_type),
            name: name(link.from),
            record_type: link.record_type,
            value: if link.record_type.is_address() {
                self.graph.node(link.to).text(seq).into()
            } else {
                name(link.to)
            },
            ttl: sighting.ttl,
            valid_until_ns: sighting.until,
        }
    }
}
