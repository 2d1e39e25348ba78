//! Checked expressions, ready to be evaluated.

use std::collections::HashSet;
use std::sync::Arc;

use regex::Regex;

use super::functions::Function;
use super::model::Read;
use super::syntax::Operator;
use super::value::{Blob, Items, List, Val};

/// A node of a checked expression.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Constant),
    /// A variable of a comprehension, by how many are around it.
    Local(usize),
    /// `event`, as a whole.
    Event,
    /// A member of `event`, without the rest of it.
    Part(Part),
    /// `workload`.
    Workload,
    /// `timestamp`.
    Timestamp,
    /// Something read straight from the event.
    Read {
        read: ReadFn,
        /// It is read through the variable `workload`, which the event must have.
        of_workload: bool,
    },
    /// A member of a message, by position.
    Member(Box<Node>, usize),
    /// Whether a member of a message is set.
    HasMember(Box<Node>, usize),
    /// A member of something, by name.
    Key(Box<Node>, Box<str>),
    /// Whether something has a member.
    HasKey(Box<Node>, Box<str>),
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Conditional(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    /// `x in LIST`, with a list of texts that is known.
    InTexts(Box<Node>, Arc<Texts>),
    /// `x.matches(re)`, with an expression that is known.
    Matches(Box<Node>, Box<Regex>),
    Call(&'static Function, Box<[Node]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Comprehension(Box<Comprehension>),
    /// `getEventData(event, name)`
    Data(Box<[Node; 2]>),
    /// `hasData(event, name)`
    HasData(Box<[Node; 2]>),
}

/// A [`Read`] that can be shown.
#[derive(Clone, Copy)]
pub(super) struct ReadFn(pub Read);

impl std::fmt::Debug for ReadFn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Read")
    }
}

/// A member of the event that is costly to make.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Timestamp,
    Workload,
    Data,
    Threat,
    DetectedFrom,
}

/// `range.all(x, …)` and the like.
#[derive(Debug)]
pub(super) struct Comprehension {
    pub kind: Quantifier,
    pub range: Node,
    /// Whether an element counts; for [`Quantifier::Map`], the filter of its long form.
    pub predicate: Option<Node>,
    /// What [`Quantifier::Map`] makes of an element.
    pub transform: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// A value that is in the text of the expression, or a list of the environment.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
    Type(&'static str),
    List(Vec<Constant>),
    Texts(Arc<Texts>),
}

impl Constant {
    pub(super) fn value(&self) -> Val<'_> {
        match self {
            Self::Null => Val::Null,
            Self::Bool(value) => Val::Bool(*value),
            Self::Int(value) => Val::Int(*value),
            Self::UInt(value) => Val::UInt(*value),
            Self::Double(value) => Val::Double(*value),
            Self::String(value) => Val::text(value),
            Self::Bytes(value) => Val::Bytes(Blob::Borrowed(value)),
            Self::Type(name) => Val::Type(name),
            Self::List(items) => Val::List(List::Borrowed(items)),
            Self::Texts(texts) => Val::List(List::Borrowed(&**texts)),
        }
    }
}

impl Items for Vec<Constant> {
    fn count(&self) -> usize {
        self.len()
    }
    fn item(&self, index: usize) -> Option<Val<'_>> {
        self.get(index).map(Constant::value)
    }
}

/// A list of texts that is searched in constant time.
#[derive(Debug)]
pub(super) struct Texts {
    list: Arc<[String]>,
    set: HashSet<Box<str>>,
}

impl Texts {
    pub(super) fn new(list: Arc<[String]>) -> Self {
        let set = list.iter().map(|text| text.as_str().into()).collect();
        Self { list, set }
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.set.contains(text)
    }
}

impl Items for Texts {
    fn count(&self) -> usize {
        self.list.len()
    }
    fn item(&self, index: usize) -> Option<Val<'_>> {
        self.list.get(index).map(|text| Val::text(text))
    }
}
