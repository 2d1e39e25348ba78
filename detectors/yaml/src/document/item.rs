//! Walking a document: every part knows its path, and everything wrong is written down.

use crate::document::{Entry, Kind, Node};
use crate::error::{Fault, Faults, Reason, did_you_mean};

/// A part of a document and its path in it, such as `requirements.events[1].name`.
#[derive(Clone, Debug)]
pub struct Item<'d> {
    /// The part.
    pub node: &'d Node,
    /// Its path; empty for the document as a whole.
    pub path: String,
}

impl<'d> Item<'d> {
    /// The document as a whole.
    #[must_use]
    pub const fn root(node: &'d Node) -> Self {
        Self {
            node,
            path: String::new(),
        }
    }

    /// Writes down that something is wrong with this part.
    pub fn report<'f>(&self, faults: &'f mut Faults, reason: Reason) -> &'f mut Fault {
        faults.add_at(self.node.span.start, self.path.clone(), reason)
    }

    /// As a text that is not empty.
    pub fn text(&self, faults: &mut Faults) -> Option<&'d str> {
        let text = self.any_text(faults)?;
        if text.trim().is_empty() {
            self.report(faults, Reason::Empty);
            return None;
        }
        Some(text)
    }

    /// As a text.
    pub fn any_text(&self, faults: &mut Faults) -> Option<&'d str> {
        match &self.node.kind {
            Kind::Scalar(scalar) if scalar.is_null() => self.report(faults, Reason::Empty),
            Kind::Scalar(scalar) => return Some(&scalar.value),
            _ => self.unexpected("a text", faults)?,
        };
        None
    }

    /// As a truth value.
    pub fn flag(&self, faults: &mut Faults) -> Option<bool> {
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

    /// As a whole number that is not negative, in decimal.
    pub fn count(&self, faults: &mut Faults) -> Option<u64> {
        let value = self.text(faults)?;
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let count = value.parse().ok().filter(|_| digits);
        if count.is_none() {
            let (what, value) = ("whole number", value.to_owned());
            self.report(faults, Reason::Malformed { what, value });
        }
        count
    }

    /// As one of `choices`, by name in any case.
    pub fn choice<T: Copy>(
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
    pub fn items(&self, faults: &mut Faults) -> Vec<Self> {
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
    pub fn texts(&self, faults: &mut Faults) -> Vec<(Self, &'d str)> {
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
    pub fn mapping(&self, keys: &[&str], faults: &mut Faults) -> Option<Mapping<'d>> {
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
    pub fn any_mapping(&self, faults: &mut Faults) -> Option<Mapping<'d>> {
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
pub struct Mapping<'d> {
    /// The part of the document that it is.
    pub item: Item<'d>,
    /// Its keys and values, in the order of the file.
    pub entries: &'d [Entry],
}

impl<'d> Mapping<'d> {
    fn path_of(&self, key: &str) -> String {
        if self.item.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.item.path)
        }
    }

    /// The value of an entry of this mapping.
    #[must_use]
    pub fn item_of(&self, entry: &'d Entry) -> Item<'d> {
        Item {
            node: &entry.value,
            path: self.path_of(&entry.key),
        }
    }

    /// The value of `key`, if it is there and not null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Item<'d>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!is_null(&entry.value)).then(|| self.item_of(entry))
    }

    /// The value of `key`. Reported if it is missing or null.
    pub fn require(&self, key: &'static str, faults: &mut Faults) -> Option<Item<'d>> {
        let item = self.get(key);
        if item.is_none() {
            self.item.report(faults, Reason::Missing { key });
        }
        item
    }

    /// The items of the list at `key`, if it is there.
    pub fn items(&self, key: &str, faults: &mut Faults) -> Vec<Item<'d>> {
        self.get(key).map(|item| item.items(faults)).unwrap_or_default()
    }

    /// The texts of the list at `key`, if it is there.
    pub fn texts(&self, key: &str, faults: &mut Faults) -> Vec<(Item<'d>, &'d str)> {
        self.get(key).map(|item| item.texts(faults)).unwrap_or_default()
    }

    /// The text at `key`, if it is there; empty otherwise.
    pub fn text_or_empty(&self, key: &str, faults: &mut Faults) -> &'d str {
        self.get(key)
            .and_then(|item| item.any_text(faults))
            .unwrap_or_default()
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.is_null())
}
