//! Names and addresses, the links between them, and when they were seen.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::link::{Link, Sighting};
use super::name::{Subject, reverse_name, trim};
use super::record::RecordType;

/// A name or an address, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(u32);

/// A link, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkId(u32);

/// The type of a question, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TypeId(u32);

macro_rules! places {
    ($($id:ident),*) => {$(
        impl $id {
            /// # Panics
            /// Beyond 2³² entries, long after memory has run out.
            fn at(position: usize) -> Self {
                Self(u32::try_from(position).expect("fewer than 2^32 entries"))
            }

            fn position(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
places!(NodeId, LinkId, TypeId);

/// What a node stands for.
#[derive(Clone, Debug)]
enum Key {
    Name(Box<Name>),
    /// As it is written.
    Address(Box<str>),
}

#[derive(Clone, Debug)]
struct Name {
    lower: Arc<str>,
    /// Its text, from which event on: as it was first seen, and first seen again after it was forgotten. Never empty.
    texts: Vec<(u64, Arc<str>)>,
}

/// A name or an address. Nearly all are addresses that nobody asked for, and have a link: these are small.
#[derive(Clone, Debug)]
pub(super) struct Node {
    key: Key,
    /// What is known of it, or through questions for it, ends here: ns since the Unix epoch.
    until: i64,
    /// When it was last asked for, as of which event; rises.
    #[expect(
        clippy::box_collection,
        reason = "most were not, and a vector is three times as large"
    )]
    asked: Option<Box<Vec<(u64, i64)>>>,
    /// Links that lead away, in the order in which they were first seen.
    out: Links,
    /// Links that lead here, in that order.
    back: Links,
}

impl Node {
    pub(super) fn is_address(&self) -> bool {
        matches!(self.key, Key::Address(_))
    }

    /// Its text as of an event: a name in the case in which it was first seen, or an address.
    pub(super) fn text(&self, seq: u64) -> &str {
        match &self.key {
            Key::Name(name) => {
                let after = name.texts.partition_point(|(since, _)| *since <= seq);
                &name.texts[after.saturating_sub(1)].1
            }
            Key::Address(text) => text,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        match &self.key {
            Key::Name(_) => None,
            Key::Address(text) => text.parse().ok(),
        }
    }

    /// Its name as of an event: of an address, the one under which it is looked up.
    pub(super) fn name(&self, seq: u64) -> Cow<'_, str> {
        match self.address() {
            None => Cow::Borrowed(self.text(seq)),
            Some(address) => Cow::Owned(reverse_name(address)),
        }
    }

    fn times(&self) -> &[(u64, i64)] {
        self.asked.as_ref().map_or(&[], |times| times)
    }

    /// When it was last asked for as of an event: ns since the Unix epoch.
    pub(super) fn asked(&self, seq: u64) -> Option<i64> {
        let times = self.times();
        let after = times.partition_point(|(since, _)| *since <= seq);
        Some(times[after.checked_sub(1)?].1)
    }

    /// The last time at which it was asked for, and the event that told it.
    pub(super) fn last_asked(&self) -> Option<(u64, i64)> {
        self.times().last().copied()
    }

    pub(super) fn until(&self) -> i64 {
        self.until
    }

    pub(super) fn out(&self) -> &[LinkId] {
        self.out.as_slice()
    }

    pub(super) fn back(&self) -> &[LinkId] {
        self.back.as_slice()
    }
}

/// Links of a node. Most have one or none.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "a vector is three times as large, and few have one"
)]
enum Links {
    #[default]
    None,
    One(LinkId),
    Many(Box<Vec<LinkId>>),
}

impl Links {
    fn push(&mut self, link: LinkId) {
        match self {
            Self::None => *self = Self::One(link),
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, link])),
            Self::Many(links) => links.push(link),
        }
    }

    fn as_slice(&self) -> &[LinkId] {
        match self {
            Self::None => &[],
            Self::One(link) => std::slice::from_ref(link),
            Self::Many(links) => links,
        }
    }
}

/// All nodes and links.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    links: Vec<Link>,
    names: HashMap<Arc<str>, NodeId>,
    addresses: HashMap<IpAddr, NodeId>,
    by_ends: HashMap<(NodeId, RecordType, NodeId), LinkId>,
    types: Vec<Box<str>>,
    by_type: HashMap<Box<str>, TypeId>,
}

impl Graph {
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.position()]
    }

    pub(super) fn link(&self, id: LinkId) -> &Link {
        &self.links[id.position()]
    }

    pub(super) fn question_type(&self, id: TypeId) -> &str {
        &self.types[id.position()]
    }

    pub(super) fn find(&self, subject: &Subject<'_>) -> Option<NodeId> {
        match subject {
            Subject::Name(name) => self.names.get(name.as_ref()).copied(),
            Subject::Address(address) => self.addresses.get(address).copied(),
        }
    }

    /// The node of a name in a message, of which something is known until `until`. What ended before `floor` has been
    /// forgotten.
    pub(super) fn name(&mut self, seq: u64, floor: i64, name: &str, until: i64) -> NodeId {
        self.touch(seq, floor, Subject::of_name(name), trim(name), until)
    }

    /// The node of an address in a message.
    pub(super) fn address(&mut self, seq: u64, floor: i64, address: IpAddr, until: i64) -> NodeId {
        self.touch(seq, floor, Subject::of_address(address), "", until)
    }

    fn touch(&mut self, seq: u64, floor: i64, subject: Subject<'_>, text: &str, until: i64) -> NodeId {
        let id = match self.find(&subject) {
            Some(id) => id,
            None => self.add(seq, subject, text),
        };
        let node = &mut self.nodes[id.position()];
        if node.until < floor
            && node.text(seq) != text
            && let Key::Name(name) = &mut node.key
        {
            name.texts.push((seq, shared(&name.lower, text)));
        }
        node.until = node.until.max(until);
        id
    }

    fn add(&mut self, seq: u64, subject: Subject<'_>, text: &str) -> NodeId {
        let id = NodeId::at(self.nodes.len());
        let key = match subject {
            Subject::Name(name) => {
                let lower: Arc<str> = Arc::from(name);
                self.names.insert(Arc::clone(&lower), id);
                let texts = vec![(seq, shared(&lower, text))];
                Key::Name(Box::new(Name { lower, texts }))
            }
            Subject::Address(address) => {
                self.addresses.insert(address, id);
                Key::Address(address.to_string().into())
            }
        };
        self.nodes.push(Node {
            key,
            until: i64::MIN,
            asked: None,
            out: Links::None,
            back: Links::None,
        });
        id
    }

    /// Notes that somebody asked for a node.
    pub(super) fn ask(&mut self, id: NodeId, seq: u64, time: i64) {
        let asked = self.nodes[id.position()].asked.get_or_insert_default();
        if asked.last().is_none_or(|(_, last)| *last < time) {
            asked.push((seq, time));
        }
    }

    /// Notes a record. What ended before `floor` has been forgotten. `None` if it was seen just like this before.
    pub(super) fn see(
        &mut self,
        (from, record_type, to): (NodeId, RecordType, NodeId),
        floor: i64,
        sighting: Sighting,
    ) -> Option<LinkId> {
        let known = self.by_ends.get(&(from, record_type, to)).copied();
        // One that was forgotten comes back as a new one, with a new place in the order.
        if let Some(id) = known.filter(|id| self.link(*id).until() >= floor) {
            let link = &mut self.links[id.position()];
            let last = link.latest();
            if (last.from, last.until) == (sighting.from, sighting.until) {
                return None;
            }
            link.see(sighting);
            return Some(id);
        }
        let id = LinkId::at(self.links.len());
        self.by_ends.insert((from, record_type, to), id);
        self.nodes[from.position()].out.push(id);
        self.nodes[to.position()].back.push(id);
        self.links.push(Link::new((from, record_type, to), sighting));
        Some(id)
    }

    /// The number of a type of question.
    pub(super) fn type_id(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.by_type.get(name) {
            return *id;
        }
        let id = TypeId::at(self.types.len());
        self.types.push(name.into());
        self.by_type.insert(name.into(), id);
        id
    }

    /// Makes one of what later questions than event `seq` cannot tell apart. Returns whether there is more to do later.
    pub(super) fn merge_link(&mut self, id: LinkId, seq: u64) -> bool {
        let link = &mut self.links[id.position()];
        link.merge(seq);
        link.latest().seq >= seq
    }

    /// As [`merge_link`](Self::merge_link), for the times at which a node was asked for.
    pub(super) fn merge_node(&mut self, id: NodeId, seq: u64) -> bool {
        let Some(asked) = &mut self.nodes[id.position()].asked else {
            return false;
        };
        let earlier = asked.partition_point(|(since, _)| *since < seq);
        asked.drain(..earlier.saturating_sub(1));
        asked.last().is_some_and(|(since, _)| *since >= seq)
    }

    /// The graph without what ended before `floor`, and where its nodes and links are now.
    pub(super) fn without(self, floor: i64) -> (Self, Moved) {
        let mut kept = Self {
            types: self.types,
            by_type: self.by_type,
            ..Self::default()
        };
        let mut moved = Moved {
            nodes: HashMap::new(),
            links: HashMap::new(),
        };
        for (position, node) in self.nodes.into_iter().enumerate() {
            if node.until < floor {
                continue;
            }
            let id = NodeId::at(kept.nodes.len());
            moved.nodes.insert(NodeId::at(position), id);
            match (&node.key, node.address()) {
                (Key::Name(name), _) => _ = kept.names.insert(Arc::clone(&name.lower), id),
                (Key::Address(_), address) => kept.addresses.extend(address.map(|address| (address, id))),
            }
            kept.nodes.push(Node {
                out: Links::None,
                back: Links::None,
                ..node
            });
        }
        for (position, link) in self.links.into_iter().enumerate() {
            // Both ends and the questions are known for as long as the link holds.
            let Some(link) = link.moved(floor, |node| moved.node(node)) else {
                continue;
            };
            let id = LinkId::at(kept.links.len());
            moved.links.insert(LinkId::at(position), id);
            kept.by_ends.insert((link.from, link.record_type, link.to), id);
            kept.nodes[link.from.position()].out.push(id);
            kept.nodes[link.to.position()].back.push(id);
            kept.links.push(link);
        }
        (kept, moved)
    }
}

/// Where nodes and links have gone.
pub(super) struct Moved {
    nodes: HashMap<NodeId, NodeId>,
    links: HashMap<LinkId, LinkId>,
}

impl Moved {
    pub(super) fn node(&self, id: NodeId) -> Option<NodeId> {
        self.nodes.get(&id).copied()
    }

    pub(super) fn link(&self, id: LinkId) -> Option<LinkId> {
        self.links.get(&id).copied()
    }
}

/// `text`, sharing memory with `lower` where they are equal.
fn shared(lower: &Arc<str>, text: &str) -> Arc<str> {
    if **lower == *text {
        Arc::clone(lower)
    } else {
        Arc::from(text)
    }
}
