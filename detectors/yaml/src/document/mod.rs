//! YAML as a tree in which everything knows where it stands.
//!
//! Only the first document of a file is read. Detector files come from anybody, so what they may ask of us is bounded: the
//! nesting by [`MAX_DEPTH`], and what aliases blow up by [`MAX_EXPANSION`].

mod build;
pub mod item;
mod locate;

use std::ops::Range;

use crate::error::Faults;

/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;

/// Most bytes that a document may have after aliases are replaced by what they stand for, each node counted with
/// [`NODE_COST`] on top of its text.
pub const MAX_EXPANSION: usize = 16 << 20;

/// What a node counts for [`MAX_EXPANSION`], its text aside.
pub const NODE_COST: usize = 64;

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands: bytes of the source. For an alias, where that stands which it names.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping. No key is there twice.
    Mapping(Vec<Entry>),
    /// Something that cannot be used, and of which a fault was reported already.
    Invalid,
}

impl Kind {
    /// What it is, for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a text",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
            Self::Invalid => "something unusable",
        }
    }
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub span: Range<usize>,
    /// The value.
    pub value: Node,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, quotes and escapes undone. Numbers and truth values are as they were written.
    pub value: String,
    /// How it was written.
    pub style: Style,
}

impl Scalar {
    /// Whether it stands for nothing: unquoted, and empty, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.value.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// After `|`.
    Literal,
    /// After `>`.
    Folded,
}

impl Node {
    /// The first document of `text`. `None`, and a fault, if it cannot be read or is empty.
    #[must_use]
    pub fn parse(text: &str, faults: &mut Faults) -> Option<Self> {
        build::Builder::new(text, faults).document()
    }

    /// The byte of `text`, of which this node was read, that wrote byte `offset` of its value.
    ///
    /// Exact for texts in every style. Where a text cannot be followed, and for lists and mappings, it is the start of the
    /// node.
    #[must_use]
    pub fn locate(&self, text: &str, offset: usize) -> usize {
        match &self.kind {
            Kind::Scalar(scalar) => locate::locate(text, &self.span, scalar, offset),
            _ => self.span.start,
        }
    }
}
