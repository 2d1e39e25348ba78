//! Where in its file the parts of a detector's definition stand.

use std::collections::BTreeMap;

use crate::document::Node;
use crate::document::item::Item;

/// Where in its file the parts of a definition stand, by the names that registration gives them: `id`, `produced event`,
/// `events`, `event NAME`, `store NAME`, `enrichment NAME`, `architectures`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where the document begins: the place of all that is not listed.
    start: usize,
    parts: BTreeMap<String, Place>,
    /// Filters, by the event that they are of.
    filters: Vec<(String, Node, Place)>,
}

/// A byte of the file and the path of the part that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) path: String,
}

impl Place {
    fn of(item: &Item<'_>) -> Self {
        Self {
            offset: item.node.span.start,
            path: item.path.clone(),
        }
    }
}

impl Places {
    pub(super) const fn new(start: usize) -> Self {
        Self {
            start,
            parts: BTreeMap::new(),
            filters: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, part: impl Into<String>, item: &Item<'_>) {
        self.parts.entry(part.into()).or_insert_with(|| Place::of(item));
    }

    pub(super) fn add_filter(&mut self, event: &str, item: &Item<'_>) {
        self.filters
            .push((event.to_owned(), item.node.clone(), Place::of(item)));
    }

    /// Where `part` stands.
    pub(crate) fn part(&self, part: &str) -> Place {
        self.parts.get(part).cloned().unwrap_or(Place {
            offset: self.start,
            path: String::new(),
        })
    }

    /// Where in the file byte `offset` of the filter `text` of `part` (`event NAME`) stands.
    pub(crate) fn filter(&self, part: &str, text: &str, offset: usize, source: &str) -> Option<Place> {
        let event = part.strip_prefix("event ")?;
        let is_it = |node: &Node| match &node.kind {
            crate::document::Kind::Scalar(scalar) => scalar.value == text,
            _ => false,
        };
        self.filters
            .iter()
            .find(|(of, node, _)| of == event && is_it(node))
            .map(|(_, node, place)| Place {
                offset: node.locate(source, offset),
                path: place.path.clone(),
            })
    }
}
