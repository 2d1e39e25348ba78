//! Walking a document: every part knows its path, and everything wrong is written down.

use crate::document::{Entry, Kind, Node};
use crate::error::{Fault, Faults, Reason, did_you_mean};

/// A part of a document and its path in it, such as `requirements.events[1].name`.
#[derive(Clone, Debug)]
pub(crate) struct Item<'d> {
    pub(crate) node: &'d Node,
    pub(crate) path: String,
}

impl<'d> Item<'d> {
    /// The document as a whole.
    pub(crate) const fn root(node: &'d Node) -> Self {
        Self {
            node,
            path: String::new(),
        }
    }

    pub(crate) fn report<'f>(&self, faults: &'f mut Faults, reason: Reason) -> &'f mut Fault {
        faults.add_at(self.node.span.start, self.path.clone(), reason)
    }

    /// As a text that is not empty.
    pub(crate) fn text(&self, faults: &mut Faults) -> Option<&'d str> {
        let text = self.any_text(faults)?;
        if text.trim().is_empty() {
            self.report(faults, Reason::Empty);
            return None;
        }
        Some(text)
    }

    /// As a text.
    pub(crate) fn any_text(&self, faults: &mut Faults) -> Option<&'d str> {
        match &self.node.kind {
            Kind::Scalar(scalar) if scalar.is_null() => self.report(faults, Reason::Empty),
            Kind::Scalar(scalar) => return Some(&scalar.value),
            _ => self.unexpected("a text", faults)?,
        };
        None
    }

    /// As a truth value.
    pub(crate) fn flag(&self, faults: &mut Faults) -> Option<bool> {
        let value = self.text(faults)?;
        match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                let value = value.to_owned();
                self.report(
                    faults,
                    Reason::Malformed {
                        what: "truth value",
                        value,
                    },
                )
                .hint("write true or false");
                None
            }
        }
    }

    /// As one of `choices`, by name in any case.
    pub(crate) fn choice<T: Copy>(
        &self,
        what: &'static str,
        choices: &[(&str, T)],
        faults: &mut Faults,
    ) -> Option<T> {
        let value = self.text(faults)?;
        let found = choices
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let value = value.to_owned();
            self.report(faults, Reason::Unknown { what, value })
                .hint(format!("one of: {}", names.join(", ")));
        }
        found.map(|(_, choice)| *choice)
    }

    /// The items of a list. None of them is null.
    pub(crate) fn items(&self, faults: &mut Faults) -> Vec<Self> {
        let Kind::List(nodes) = &self.node.kind else {
            self.unexpected("a list", faults);
            return Vec::new();
        };
        let items = nodes.iter().enumerate().map(|(index, node)| Self {
            node,
            path: format!("{}[{index}]", self.path),
        });
        items
            .filter(|item| {
                let null = is_null(item.node);
                if null {
                    item.report(faults, Reason::Empty);
                }
                !null
            })
            .collect()
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, faults: &mut Faults) -> Vec<(Self, &'d str)> {
        let items = self.items(faults);
        items
            .into_iter()
            .filter_map(|item| {
                let text = item.text(faults)?;
                Some((item, text))
            })
            .collect()
    }

    /// A mapping that may have these keys. Others are reported.
    pub(crate) fn mapping(&self, keys: &[&str], faults: &mut Faults) -> Option<Mapping<'d>> {
        let mapping = self.any_mapping(faults)?;
        for entry in mapping
            .entries
            .iter()
            .filter(|entry| !keys.contains(&entry.key.as_str()))
        {
            let key = entry.key.clone();
            let hint = did_you_mean(&key, keys.iter().copied())
                .unwrap_or_else(|| format!("one of: {}", keys.join(", ")));
            faults
                .add_at(
                    entry.span.start,
                    mapping.path_of(&key),
                    Reason::UnknownKey { key },
                )
                .hint(hint);
        }
        Some(mapping)
    }

    /// A mapping with any keys.
    pub(crate) fn any_mapping(&self, faults: &mut Faults) -> Option<Mapping<'d>> {
        let Kind::Mapping(entries) = &self.node.kind else {
            self.unexpected("a mapping", faults);
            return None;
        };
        Some(Mapping {
            item: self.clone(),
            entries,
        })
    }

    /// Reports that this is not `expected`, unless it was reported already.
    fn unexpected<'f>(&self, expected: &'static str, faults: &'f mut Faults) -> Option<&'f mut Fault> {
        let found = match &self.node.kind {
            Kind::Invalid => return None,
            Kind::Scalar(scalar) if scalar.is_null() => "nothing",
            kind => kind.name(),
        };
        let fault = self.report(faults, Reason::Kind { expected, found });
        if expected == "a text" && found == "a mapping" {
            fault.hint("a text with a colon and a space in it has to be in quotes");
        }
        Some(fault)
    }
}

/// A mapping and its path in the document.
#[derive(Clone, Debug)]
pub(crate) struct Mapping<'d> {
    pub(crate) item: Item<'d>,
    pub(crate) entries: &'d [Entry],
}

impl<'d> Mapping<'d> {
    fn path_of(&self, key: &str) -> String {
        if self.item.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.item.path)
        }
    }

    pub(crate) fn item_of(&self, entry: &'d Entry) -> Item<'d> {
        Item {
            node: &entry.value,
            path: self.path_of(&entry.key),
        }
    }

    /// The value of `key`, if it is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<Item<'d>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!is_null(&entry.value)).then(|| self.item_of(entry))
    }

    /// The value of `key`. Reported if it is missing or null.
    pub(crate) fn require(&self, key: &'static str, faults: &mut Faults) -> Option<Item<'d>> {
        let item = self.get(key);
        if item.is_none() {
            self.item.report(faults, Reason::Missing { key });
        }
        item
    }

    /// The items of the list at `key`, if it is there.
    pub(crate) fn items(&self, key: &str, faults: &mut Faults) -> Vec<Item<'d>> {
        self.get(key).map(|item| item.items(faults)).unwrap_or_default()
    }

    /// The texts of the list at `key`, if it is there.
    pub(crate) fn texts(&self, key: &str, faults: &mut Faults) -> Vec<(Item<'d>, &'d str)> {
        self.get(key).map(|item| item.texts(faults)).unwrap_or_default()
    }

    /// The text at `key`, if it is there; empty otherwise.
    pub(crate) fn text_or_empty(&self, key: &str, faults: &mut Faults) -> &'d str {
        self.get(key)
            .and_then(|item| item.any_text(faults))
            .unwrap_or_default()
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.is_null())
}
