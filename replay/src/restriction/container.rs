//! One container, by id or by name.

use std::collections::BTreeSet;
use std::fmt;

use capture::CaptureReader;
use detectors_api::event::Event;

use super::actors;

/// Digits that an abbreviated id must have: what container tools show.
const SHORTEST_ID: usize = 12;

/// A container, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// An exact name, or the beginning of an id.
    text: String,
    is_id: bool,
    /// Ids of the containers that had this name.
    named: BTreeSet<String>,
    found: bool,
}

/// A container that cannot be looked for.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Nothing was given.
    #[error(
        "a container is an id, or the first {SHORTEST_ID} digits of one or more, or a name: this is empty"
    )]
    Empty,
    /// The capture cannot be read.
    #[error(transparent)]
    Capture(#[from] crate::Error),
}

impl Container {
    /// Containers of `reader`'s capture: those whose id begins with a text, if it has at least 12 hexadecimal digits and nothing
    /// else, and those whose name is the text. Containers that come one after the other may have the same name: all are meant.
    ///
    /// # Errors
    /// An empty text; a capture that cannot be read.
    pub fn find(reader: &CaptureReader, texts: &[String]) -> Result<Vec<Self>, ContainerError> {
        if texts.iter().any(String::is_empty) {
            return Err(ContainerError::Empty);
        }
        let mut containers: Vec<_> = texts.iter().map(|text| Self::new(text)).collect();
        if containers.is_empty() {
            return Ok(containers);
        }
        actors::each(reader, |actor| {
            for container in &mut containers {
                container.meet(actor.container_id, actor.container_name);
            }
        })?;
        Ok(containers)
    }

    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_id: text.len() >= SHORTEST_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            named: BTreeSet::new(),
            found: false,
        }
    }

    /// Takes note of a container of the capture.
    fn meet(&mut self, id: &str, name: &str) {
        if name == self.text {
            self.found = true;
            if !id.is_empty() && !self.named.contains(id) {
                self.named.insert(id.to_owned());
            }
        }
        self.found |= self.has_id(id);
    }

    fn has_id(&self, id: &str) -> bool {
        self.is_id && id.starts_with(&self.text)
    }

    /// Whether the capture has such a container.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.found
    }

    /// Whether it looks like an id that was cut too short to be one.
    #[must_use]
    pub fn is_short_id(&self) -> bool {
        !self.is_id && self.text.len() < SHORTEST_ID && self.text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Whether `event` comes from it.
    pub(super) fn holds(&self, event: &Event<'_>) -> bool {
        let container = event.container();
        // Events from before its name was known carry the id alone.
        container.name() == self.text || self.has_id(container.id()) || self.named.contains(container.id())
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_be_cut_and_names_may_not() {
        let mut by_id = Container::new("0123456789ab");
        assert!(by_id.has_id("0123456789abcdef") && !by_id.has_id("0123456789a"));
        by_id.meet("", "0123456789ab");
        assert!(by_id.is_found());
        let mut by_name = Container::new("web");
        by_name.meet("0123", "web-1");
        assert!(!by_name.is_found());
        by_name.meet("0123", "web");
        by_name.meet("4567", "web");
        assert_eq!(by_name.named.len(), 2);
        assert!(!by_name.is_short_id() && Container::new("01234").is_short_id());
    }
}
