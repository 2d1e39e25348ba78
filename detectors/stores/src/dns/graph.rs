//! Names and addresses, the links between them, and when they were seen.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

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

/// What a link leads from, its type, and what it leads to.
pub(super) type Ends = (NodeId, RecordType, NodeId);

/// All nodes and links.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    links: Vec<Link>,
    names: HashMap<Arc<str>, NodeId>,
    addresses: HashMap<IpAddr, NodeId>,
    /// The latest link of a type between two nodes: these lie in the link itself.
    by_ends: HashTable<LinkId>,
    hasher: RandomState,
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
        (from, record_type, to): Ends,
        floor: i64,
        sighting: Sighting,
    ) -> Option<LinkId> {
        let known = self.between((from, record_type, to));
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
        self.links.push(Link::new((from, record_type, to), sighting));
        self.tie(id);
        Some(id)
    }

    /// The latest link with these ends.
    fn between(&self, ends: Ends) -> Option<LinkId> {
        let is_meant = |id: &LinkId| self.link(*id).ends() == ends;
        let found = self.by_ends.find(self.hasher.hash_one(ends), is_meant);
        found.copied()
    }

    /// Notes a link with its ends; it is the latest with these.
    fn tie(&mut self, id: LinkId) {
        let Self {
            nodes,
            links,
            by_ends,
            hasher,
            ..
        } = self;
        let ends_of = |id: &LinkId| links[id.position()].ends();
        let ends = ends_of(&id);
        let (from, _, to) = ends;
        nodes[from.position()].out.push(id);
        nodes[to.position()].back.push(id);
        let hash = hasher.hash_one(ends);
        match by_ends.find_mut(hash, |known| ends_of(known) == ends) {
            Some(known) => *known = id,
            None => _ = by_ends.insert_unique(hash, id, |id| hasher.hash_one(ends_of(id))),
        }
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

    /// Drops what ended before `floor`, and tells where the rest is now. That happens where it lies, for it may be most of the memory.
    pub(super) fn drop_before(&mut self, floor: i64) -> Moved {
        let mut moved = Moved {
            nodes: new_places(self.nodes.iter().map(|node| node.until >= floor), NodeId::at),
            links: Vec::new(),
        };
        self.nodes.retain(|node| node.until >= floor);
        for node in &mut self.nodes {
            (node.out, node.back) = (Links::None, Links::None);
        }
        let still = |id: &mut NodeId| {
            let now = moved.node(*id);
            now.map(|now| *id = now).is_some()
        };
        self.names.retain(|_, id| still(id));
        self.addresses.retain(|_, id| still(id));
        // Both ends and the questions are known for as long as a link holds.
        let mut kept = Vec::with_capacity(self.links.len());
        self.links.retain_mut(|link| {
            let still = link.moved(floor, |node| moved.node(node));
            kept.push(still.is_some());
            still.map(|still| *link = still).is_some()
        });
        moved.links = new_places(kept.into_iter(), LinkId::at);
        self.by_ends.clear();
        for position in 0..self.links.len() {
            self.tie(LinkId::at(position));
        }
        moved
    }
}

/// The new places of those that are kept, by their old ones.
fn new_places<T>(kept: impl Iterator<Item = bool>, at: impl Fn(usize) -> T) -> Vec<Option<T>> {
    let mut next = 0..;
    kept.map(|kept| kept.then(|| next.next()).flatten().map(&at))
        .collect()
}

/// Where nodes and links have gone.
pub(super) struct Moved {
    nodes: Vec<Option<NodeId>>,
    links: Vec<Option<LinkId>>,
}

impl Moved {
    pub(super) fn node(&self, id: NodeId) -> Option<NodeId> {
        *self.nodes.get(id.position())?
    }

    pub(super) fn link(&self, id: LinkId) -> Option<LinkId> {
        *self.links.get(id.position())?
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
