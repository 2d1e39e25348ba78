//! The DNS store as of one event: following links.

use std::net::IpAddr;

use detectors_api::stores::{self, DataStore, Entity, Health, Metrics, Store, StoreError};
use foldhash::{HashSet, HashSetExt as _};

use super::DnsStore;
use super::graph::{LinkId, NodeId};
use super::link::Link;
use super::name::Subject;
use super::record::{DnsRecord, RecordType};

/// Most names and addresses that one answer has. A host behind a large proxy has some hundred names.
pub const MAX_NODES: usize = 4096;

/// Most records that are looked at for one answer; the newest come first.
pub const MAX_LINKS: usize = 65_536;

/// The DNS store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct DnsAt<'a> {
    store: &'a DnsStore,
    seq: u64,
    time_ns: i64,
}

impl<'a> DnsAt<'a> {
    pub(super) fn new(store: &'a DnsStore, seq: u64, time_ns: i64) -> Self {
        Self { store, seq, time_ns }
    }

    /// The names of an address: those that lead to it, and those that it is said to have, in the order of
    /// [`get_dns_response`](stores::DnsStore::get_dns_response). Empty if nothing is known.
    #[must_use]
    pub fn names_of(self, address: IpAddr) -> Vec<&'a str> {
        let node = self.find(&Subject::of_address(address));
        node.map_or_else(Vec::new, |node| self.answer(node).domains)
    }

    /// The addresses that a name has, itself or through what it is an alias of or served by, in the order in which they
    /// were first seen. Empty if nothing is known.
    #[must_use]
    pub fn addresses_of(self, domain: &str) -> Vec<&'a str> {
        let Some(node) = self.find(&Subject::of_name(domain)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for node in Walk::new(self, node).run(node, Direction::Out) {
            let node = self.store.graph.node(node);
            if node.is_address() {
                found.push(node.text(self.seq));
            }
        }
        found
    }

    /// The records that hold, in the order in which they were first seen.
    pub fn all(self) -> impl Iterator<Item = DnsRecord<'a>> {
        let links = self.store.graph.links().iter();
        links.filter_map(move |link| {
            let sighting = link.holds(self.seq, self.now()?)?;
            Some(self.store.record(link, sighting, self.seq))
        })
    }

    /// The moment of the question, unless all of it is forgotten.
    fn now(self) -> Option<i64> {
        (self.time_ns >= self.store.horizon(self.seq)).then_some(self.time_ns)
    }

    fn find(self, subject: &Subject<'_>) -> Option<NodeId> {
        self.store.graph.find(subject)
    }

    /// Whether a node was asked for, and that is not forgotten.
    fn was_asked(self, node: NodeId) -> bool {
        let asked = self.store.graph.node(node).asked(self.seq);
        asked.is_some_and(|time| time >= self.store.horizon(self.seq))
    }

    fn answer(self, node: NodeId) -> Answer<'a> {
        let mut walk = Walk::new(self, node);
        let out = walk.run(node, Direction::Out);
        let mut nodes = walk.run(node, Direction::Back);
        nodes.reverse();
        nodes.push(node);
        nodes.extend(out);
        let mut answer = Answer {
            domains: Vec::new(),
            ips: Vec::new(),
            known: walk.linked || self.was_asked(node),
            truncated: walk.truncated,
        };
        if answer.known {
            for node in nodes {
                let node = self.store.graph.node(node);
                let list = if node.is_address() {
                    &mut answer.ips
                } else {
                    &mut answer.domains
                };
                list.push(node.text(self.seq));
            }
        }
        answer
    }
}

/// What is known about a node.
struct Answer<'a> {
    domains: Vec<&'a str>,
    ips: Vec<&'a str>,
    known: bool,
    truncated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// To what nodes lead to.
    Out,
    /// To what leads to them.
    Back,
}

/// Follows the links that hold.
struct Walk<'a> {
    view: DnsAt<'a>,
    start: NodeId,
    visited: HashSet<NodeId>,
    /// Links that may still be looked at.
    links: usize,
    /// The start has a link that holds.
    linked: bool,
    truncated: bool,
}

impl<'a> Walk<'a> {
    fn new(view: DnsAt<'a>, start: NodeId) -> Self {
        let mut visited = HashSet::new();
        visited.insert(start);
        Self {
            view,
            start,
            visited,
            links: MAX_LINKS,
            linked: false,
            truncated: false,
        }
    }

    /// What is found from the start, depth first, without what was found before.
    fn run(&mut self, start: NodeId, direction: Direction) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut next = self.links_of(start, direction);
        self.linked |= !next.is_empty();
        next.reverse();
        while let Some((node, last)) = next.pop() {
            if self.visited.contains(&node) {
                continue;
            }
            if self.visited.len() == MAX_NODES {
                self.truncated = true;
                break;
            }
            self.visited.insert(node);
            found.push(node);
            if !last {
                next.extend(self.links_of(node, direction).into_iter().rev());
            }
        }
        found
    }

    /// What the links of a node that hold lead to, in the order in which they were first seen, and whether the way ends
    /// there: at an address, and at the name that a PTR record gives.
    fn links_of(&mut self, node: NodeId, direction: Direction) -> Vec<(NodeId, bool)> {
        let Self { view, start, .. } = *self;
        let Some(now) = view.now() else {
            return Vec::new();
        };
        let graph = &view.store.graph;
        let horizon = view.store.horizon(view.seq);
        let links: &[LinkId] = match direction {
            Direction::Out => graph.node(node).out(),
            Direction::Back => graph.node(node).back(),
        };
        let known = links.partition_point(|link| graph.link(*link).since() <= view.seq);
        let remembered = |link: &&Link| link.until() >= horizon;
        let mut found = Vec::new();
        for link in links[..known]
            .iter()
            .rev()
            .map(|link| graph.link(*link))
            .filter(remembered)
        {
            let Some(left) = self.links.checked_sub(1) else {
                self.truncated = true;
                break;
            };
            self.links = left;
            let named = link.record_type == RecordType::Ptr;
            // That a name on the way back was given to some address says nothing about what it leads to.
            if direction == Direction::Back && named && node != start {
                continue;
            }
            if link.holds(view.seq, now).is_some() {
                let to = match direction {
                    Direction::Out => link.to,
                    Direction::Back => link.from,
                };
                let last = graph.node(to).is_address() || direction == Direction::Out && named;
                found.push((to, last));
            }
        }
        found.reverse();
        found
    }
}

impl DataStore for DnsAt<'_> {
    fn name(&self) -> &str {
        Store::Dns.name()
    }

    fn health(&self) -> Health {
        Health::healthy(self.time_ns)
    }

    /// Counts the names and addresses that were asked for.
    fn metrics(&self) -> Metrics {
        let horizon = self.store.horizon(self.seq);
        let asked = self
            .store
            .graph
            .nodes()
            .iter()
            .filter_map(|node| node.asked(self.seq));
        Metrics {
            item_count: asked.filter(|time| *time >= horizon).count() as u64,
        }
    }
}

impl stores::DnsStore for DnsAt<'_> {
    fn get_dns_response(&self, query: &str) -> Result<stores::DnsResponse<'_>, StoreError> {
        let answer = self.find(&Subject::of_query(query)).map(|node| self.answer(node));
        match answer.filter(|answer| answer.known) {
            Some(answer) => Ok(stores::DnsResponse {
                query: query.to_owned(),
                ips: answer.ips,
                domains: answer.domains,
                truncated: answer.truncated,
            }),
            None => Err(StoreError::not_found(
                Store::Dns,
                "get_dns_response",
                Entity::Dns(query.into()),
            )),
        }
    }
}
